"""Upkeep of what events have become: rebuilding, mending, erasing, and looking.

Done by whoever holds the warehouse, while no load runs. Each kind of work takes parameters as
plain values, tells how far it is, and may be cut anywhere and begun again.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeAlias

from turnout.config import Membership
from turnout.errors import NotFound
from turnout.events import layout
from turnout.events.identity import Identity
from turnout.events.loading.family import Exact
from turnout.events.loading.load import Loader
from turnout.events.loading.retyped import exact_columns
from turnout.warehouse import Table, Warehouse

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
    membership: Membership
    tell: Tell

    def catalog(self) -> dict[str, dict[str, Table]]:
        """The tables as they are: schema → name → table."""
        found: dict[str, dict[str, Table]] = {}
        for table in self.warehouse.tables():
            found.setdefault(table.schema, {})[table.name] = table
        return found

    def identity(self) -> Identity:
        """Who learns from rows that are made again."""
        identity = Identity(self.warehouse.dialect, self.membership)
        identity.learn(self.catalog())
        return identity

    def exact(self) -> Exact:
        """The columns of whole numbers that somebody wants to stay such."""
        return exact_columns(self.warehouse)

    def load_all(self) -> None:
        """Bring everything in the journal into the warehouse."""
        while self.loader.load() is not None:
            self.tell("Loading what came meanwhile", 0, 0)


@dataclass(frozen=True, slots=True)
class Report:
    """What came of it, in a sentence and as values; whether rows changed, or were erased."""

    sentence: str
    result: Mapping[str, Any] = field(default_factory=dict)
    failed: bool = False
    changed: bool = False
    erased: bool = False


def find_table(catalog: Mapping[str, Mapping[str, Table]], name: str) -> Table:
    """The table of events called `schema.table`; `NotFound` says which schemas there are."""
    schema, _, table = name.partition(".")
    schemas = layout.event_schemas(catalog)
    found = catalog.get(schema, {}).get(table)
    if schema not in schemas or found is None or found.column("_source") is None:
        raise NotFound(
            f"There is no table of events '{name}'.",
            hint=f"Write schema.table; events are in: {', '.join(schemas)}.",
        )
    return found


def now_utc(after: datetime | None = None) -> datetime:
    """Now; later than `after`, also when the clock stands still."""
    now = datetime.now(UTC)
    return now if after is None or now > after else after + datetime.resolution
