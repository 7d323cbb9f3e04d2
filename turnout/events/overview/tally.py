"""What came of each source's events: received = stored + duplicates + rejected."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from turnout.events import layout
from turnout.events.overview.moment import naive, utc
from turnout.events.overview.recent import bases
from turnout.warehouse import Warehouse

DAY = timedelta(days=1)
LATELY = timedelta(minutes=10)
REASONS_MAX = 20


@dataclass(frozen=True, slots=True)
class Sum:
    """Events by what became of them; `received` is the sum of the others."""

    received: int = 0
    stored: int = 0
    duplicates: int = 0
    rejected: int = 0

    def __add__(self, other: Sum) -> Sum:
        return Sum(
            self.received + other.received,
            self.stored + other.stored,
            self.duplicates + other.duplicates,
            self.rejected + other.rejected,
        )


@dataclass(frozen=True, slots=True)
class Tally:
    """One source's events: in this hour, in the last 24 hours and in all."""

    hour: Sum = Sum()
    day: Sum = Sum()
    all: Sum = Sum()
    # When the last event came: to the moment when it was lately, else the beginning of its hour.
    last_at: datetime | None = None
    # Events received in each hour of the last day, oldest first.
    hours: Sequence[int] = (0,) * 24


def tallies(warehouse: Warehouse, *, now: datetime) -> dict[str, Tally]:
    """Each source's events, by the source's name."""
    if not _has(warehouse, layout.SOURCE_COUNTS.name):
        return {}
    this_hour = now.replace(minute=0, second=0, microsecond=0)
    first_hour = this_hour - DAY + timedelta(hours=1)
    lately = _lately(warehouse, now)
    found: dict[str, Tally] = {}
    for row in _rows(warehouse, _sums("NULL::TIMESTAMP", "max(hour)"), []):
        source = row["source"] or ""
        found[source] = Tally(all=_sum(row), last_at=lately.get(source, utc(row["last"])))
    days: dict[str, dict[datetime, Sum]] = {}
    for row in _rows(warehouse, _sums("hour", "max(hour)", "WHERE hour >= ?"), [naive(first_hour)]):
        days.setdefault(row["source"] or "", {})[utc(row["hour"])] = _sum(row)
    for source, hours in days.items():
        known = found.get(source, Tally())
        found[source] = Tally(
            hour=hours.get(this_hour, Sum()),
            day=sum(hours.values(), Sum()),
            all=known.all,
            last_at=known.last_at,
            hours=[
                hours.get(first_hour + timedelta(hours=place), Sum()).received
                for place in range(24)
            ],
        )
    return found


def reasons(warehouse: Warehouse, source: str, *, now: datetime) -> list[tuple[str, int]]:
    """Why events of `source` were rejected in the last 24 hours, the most frequent first."""
    if not _has(warehouse, layout.REJECTED.name):
        return []
    table = warehouse.dialect.table(layout.BOOKS, layout.REJECTED.name)
    rows = _rows(
        warehouse,
        f"SELECT reason, count(*) AS n FROM {table} WHERE received_at >= ? AND source = ? "
        f"GROUP BY reason ORDER BY n DESC, reason LIMIT {REASONS_MAX}",
        [naive(now - DAY), source],
    )
    return [(row["reason"], row["n"]) for row in rows]


def _lately(warehouse: Warehouse, now: datetime) -> dict[str, datetime]:
    """When each source's last event was received, of those loaded within `LATELY`."""
    dialect = warehouse.dialect
    tables = bases(warehouse.tables())
    if not tables:
        return {}
    parts = [
        f"SELECT _source AS source, max(received_at) AS last_at "
        f"FROM {dialect.table(table.schema, table.name)} WHERE loaded_at >= ? GROUP BY 1"
        for table in tables
    ]
    rows = _rows(
        warehouse,
        f"SELECT source, max(last_at) AS last_at FROM ({' UNION ALL '.join(parts)}) AS lately "
        "GROUP BY 1",
        [naive(now - LATELY)] * len(tables),
    )
    return {row["source"] or "": utc(row["last_at"]) for row in rows}


def _sums(hour: str, last: str, where: str = "") -> str:
    counts = ", ".join(
        f"CAST(sum({name}) AS BIGINT) AS {name}"
        for name in ("received", "stored", "duplicates", "rejected")
    )
    table = f"{layout.BOOKS}.{layout.SOURCE_COUNTS.name}"
    return (
        f"SELECT source, {hour} AS hour, {counts}, {last} AS last "
        f"FROM {table} {where} GROUP BY 1, 2"
    )


def _sum(row: dict[str, Any]) -> Sum:
    return Sum(row["received"], row["stored"], row["duplicates"], row["rejected"])


def _has(warehouse: Warehouse, name: str) -> bool:
    return any(table.name == name for table in warehouse.tables(layout.BOOKS))


def _rows(warehouse: Warehouse, sql: str, values: Sequence[Any]) -> list[dict[str, Any]]:
    return list(warehouse.query(sql, values).to_pylist())
