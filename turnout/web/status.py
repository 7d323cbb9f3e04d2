"""How the data is: what arrived, what was copied, how old it is. Read from `_turnout` by plain SQL.

Nothing here fails because a table is not there yet: on the first day nothing has happened.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from turnout.config import Source
from turnout.errors import NoSnapshot, TurnoutError
from turnout.warehouse import Warehouse
from turnout.web.rooms import Rooms

PATIENCE_S = 1.0
REJECTED_SHOWN = 20


@dataclass(frozen=True, slots=True)
class Events:
    """Counts since the beginning: received = stored + duplicates + rejected."""

    received: int = 0
    stored: int = 0
    duplicates: int = 0
    rejected: int = 0
    last_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class CopiedTable:
    """One selected table; `rows` is None while it has not been copied yet."""

    name: str
    columns: Sequence[str]
    rows: int | None


@dataclass(frozen=True, slots=True)
class CopiedSource:
    """One database that tables are copied from, and how its last copy went."""

    name: str
    schema: str
    tables: list[CopiedTable]
    as_of: datetime | None = None
    error: str | None = None
    tried_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Rejected:
    """An event that was refused, and why."""

    source: str
    received_at: datetime
    reason: str
    head: str


@dataclass(frozen=True, slots=True)
class Status:
    """Everything the strip on the home page and the page of sources say."""

    events: Events
    sources: list[CopiedSource]
    published_at: datetime | None
    rejected: list[Rejected] = field(default_factory=list)

    @property
    def tables_copied(self) -> int:
        return sum(table.rows is not None for source in self.sources for table in source.tables)

    @property
    def copied_as_of(self) -> datetime | None:
        """The age of the oldest copy."""
        return min((source.as_of for source in self.sources if source.as_of), default=None)


async def read_status(rooms: Rooms, *, with_rejected: bool = False) -> Status | None:
    """The status now; None when the warehouse is too busy to say it quickly."""
    try:
        return await asyncio.wait_for(
            asyncio.to_thread(_read, rooms, with_rejected=with_rejected), PATIENCE_S
        )
    except (TimeoutError, TurnoutError):
        return None


def _read(rooms: Rooms, *, with_rejected: bool) -> Status:
    warehouse = rooms.warehouse
    there = {table.name for table in warehouse.tables("_turnout")}
    runs = _runs(warehouse) if "sync_runs" in there else {}
    return Status(
        events=_events(warehouse) if "loads" in there else Events(),
        sources=[
            _source(warehouse, name, source, runs.get(name, {}))
            for name, source in rooms.config.sources.items()
        ],
        published_at=_published_at(rooms),
        rejected=_rejected(warehouse) if with_rejected and "rejected_events" in there else [],
    )


def _events(warehouse: Warehouse) -> Events:
    (row,) = _rows(
        warehouse,
        "SELECT CAST(coalesce(sum(received), 0) AS BIGINT) AS received, "
        "CAST(coalesce(sum(stored), 0) AS BIGINT) AS stored, "
        "CAST(coalesce(sum(duplicates), 0) AS BIGINT) AS duplicates, "
        "CAST(coalesce(sum(rejected), 0) AS BIGINT) AS rejected, "
        "max(loaded_at) AS last_at FROM _turnout.loads WHERE received > 0",
    )
    return Events(**{**row, "last_at": _utc(row["last_at"])})


def _runs(warehouse: Warehouse) -> dict[str, dict[str, Any]]:
    """For each source: its last good copy's `as_of`, and how its last try ended."""
    rows = _rows(
        warehouse,
        "SELECT source, as_of, finished_at, error FROM (SELECT *, row_number() OVER "
        "(PARTITION BY source, as_of IS NULL ORDER BY finished_at DESC) AS place "
        "FROM _turnout.sync_runs) AS runs WHERE place = 1 ORDER BY finished_at",
    )
    found: dict[str, dict[str, Any]] = {}
    for row in rows:
        source = found.setdefault(row["source"], {})
        source.update(error=row["error"], tried_at=_utc(row["finished_at"]))
        if row["as_of"] is not None:  # also where a table of it could not be copied
            source["as_of"] = _utc(row["as_of"])
    return found


def _source(warehouse: Warehouse, name: str, source: Source, run: dict[str, Any]) -> CopiedSource:
    rows = _row_counts(warehouse, source)
    tables = [
        CopiedTable(table, selection.columns, rows.get(_plain(table)))
        for table, selection in sorted(source.tables.items())
    ]
    return CopiedSource(name, source.schema, tables, **run)


def _row_counts(warehouse: Warehouse, source: Source) -> dict[str, int]:
    there = {table.name for table in warehouse.tables(source.schema)}
    dialect = warehouse.dialect
    counts = [
        f"SELECT {dialect.literal(name)} AS name, count(*) AS rows "
        f"FROM {dialect.table(source.schema, name)}"
        for name in sorted(there & {_plain(table) for table in source.tables})
    ]
    found = _rows(warehouse, " UNION ALL ".join(counts)) if counts else []
    return {row["name"]: row["rows"] for row in found}


def _rejected(warehouse: Warehouse) -> list[Rejected]:
    rows = _rows(
        warehouse,
        "SELECT source, received_at, reason, head FROM _turnout.rejected_events "
        f"ORDER BY received_at DESC LIMIT {REJECTED_SHOWN}",
    )
    return [
        Rejected(row["source"] or "", _known(row["received_at"]), row["reason"], row["head"] or "")
        for row in rows
    ]


def _published_at(rooms: Rooms) -> datetime | None:
    try:
        return rooms.follower.current().published_at
    except NoSnapshot:
        return None


def _rows(warehouse: Warehouse, sql: str) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = warehouse.query(sql).to_pylist()
    return rows


def _plain(table: str) -> str:
    """A selected table's name in the warehouse: without the schema it has at its source."""
    return table.rpartition(".")[2]


def _utc(moment: datetime | None) -> datetime | None:
    return _known(moment) if moment else None


def _known(moment: datetime) -> datetime:
    """The warehouse keeps UTC without saying so."""
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment
