"""Upkeep over a test's journal and warehouse."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from tests.events.house import House
from turnout.config import Membership
from turnout.events.upkeep.upkeep import Report, Tell, Upkeep

Work = Callable[[Upkeep, Mapping[str, Any]], Report]


def quiet(doing: str, done: int, total: int) -> None:
    """Nobody looks."""


def keep_up(house: House, work: Work, *, tell: Tell = quiet, **parameters: Any) -> Report:
    """Do one piece of work, as the app or a command does it."""
    folder = house.journal_folder
    upkeep = Upkeep(
        folder,
        folder.with_name("receipts"),
        house.warehouse,
        house.loader,
        Membership(),
        tell,
    )
    return work(upkeep, parameters)
