"""Upkeep of what events have become: rebuilding, mending, erasing, and looking.

Done by whoever holds the warehouse, while no load runs. Each kind of work takes parameters as
plain values, tells how far it is, and may be cut anywhere and begun again.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

from turnout.events.load import Loader
from turnout.warehouse import Warehouse

# How far it is: what is being done, how much of it, of how much (0: not known). May raise
# `Stopped`, and is called only where nothing is half done.
Tell: TypeAlias = Callable[[str, int, int], None]


@dataclass(frozen=True, slots=True)
class Upkeep:
    """What the work is done on, and whom to tell."""

    journal_folder: Path
    receipts_folder: Path
    warehouse: Warehouse
    loader: Loader
    tell: Tell


@dataclass(frozen=True, slots=True)
class Report:
    """What came of it, in a sentence and as values; whether rows changed, or were erased."""

    sentence: str
    result: Mapping[str, Any] = field(default_factory=dict)
    failed: bool = False
    changed: bool = False
    erased: bool = False
