"""What is being sent: every event and kind of call, how often, since when, and how lately.

Counts are kept between looks and only rows loaded since the last one are read, so a look costs
as much as what has arrived, not as much as the warehouse holds. They are checked against the
tables' own row counts each time, and counted anew when rows have gone or were written again.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any

from turnout.events import layout
from turnout.events.overview.moment import utc
from turnout.events.overview.recent import bases, is_own
from turnout.warehouse import Table, Warehouse

DAYS = 30
NAME_CHARS_MAX = 200
BEGINNING = datetime(1970, 1, 1)  # noqa: DTZ001 - compared inside the warehouse


@dataclass(frozen=True, slots=True)
class Kind:
    """A track event, or a kind of call. `days` counts the last `DAYS` days, today last.

    `table` is None for an event that has no table of its own.
    """

    schema: str
    key: str
    type: str
    name: str
    table: Table | None
    count: int
    first_at: datetime
    last_at: datetime
    days: Sequence[int]
    discarded: int = 0
    notices: Sequence[str] = ()

    @property
    def days_total(self) -> int:
        return sum(self.days)


@dataclass(frozen=True, slots=True)
class People:
    """`users` or `accounts`: the newest state of each, not a list of calls."""

    table: Table
    rows: int


@dataclass(frozen=True, slots=True)
class Contents:
    """All that is known, the busiest kinds first; `notices` speak of no kind in particular."""

    kinds: Sequence[Kind]
    people: Sequence[People]
    notices: Sequence[str]
    tables: Mapping[tuple[str, str], Table]

    def find(self, schema: str, key: str) -> Kind | None:
        """The kind kept as `key`: an event table's name, or a base table's."""
        return next((k for k in self.kinds if (k.schema, k.key) == (schema, key)), None)


@dataclass(slots=True)
class _Tally:
    """What has been counted of one kind."""

    name: str
    count: int
    first_at: datetime
    last_at: datetime
    days: dict[date, int] = field(default_factory=dict)

    def add(self, newer: _Tally) -> None:
        self.name = newer.name or self.name
        self.count += newer.count
        self.first_at = min(self.first_at, newer.first_at)
        self.last_at = max(self.last_at, newer.last_at)


# Schema, base table, and the event's table name or ''.
_Key = tuple[str, str, str]


class Catalog:
    """Looks into `warehouse`. Any thread may ask; one looks at a time."""

    def __init__(self, warehouse: Warehouse) -> None:
        self._warehouse = warehouse
        self._lock = threading.Lock()
        self._tallies: dict[_Key, _Tally] = {}
        self._loaded_until = BEGINNING
        self._contents: tuple[int, date, Contents] | None = None

    def read(self, *, today: date) -> Contents:
        """What there is now; the same object as long as nothing was written."""
        with self._lock:
            version = self._warehouse.version
            if self._contents is None or self._contents[:2] != (version, today):
                self._contents = (version, today, self._look(today))
            return self._contents[2]

    def _look(self, today: date) -> Contents:
        tables = {(t.schema, t.name): t for t in self._warehouse.tables()}
        counted = bases(tables.values())
        if counted and not self._count_on(counted, today):
            # Rows have gone or came back: begin anew.
            self._tallies, self._loaded_until = {}, BEGINNING
            self._count_on(counted, today)
        discards = self._discards(tables, today)
        notices = self._notices(tables)
        kinds = [
            self._kind(key, tally, tables, today, discards, notices)
            for key, tally in self._tallies.items()
        ]
        kinds.sort(key=lambda kind: (-kind.days_total, -kind.count, kind.schema, kind.key))
        spoken = {f"{kind.schema}.{kind.key}" for kind in kinds}
        general = [s for subject, said in notices.items() if subject not in spoken for s in said]
        return Contents(kinds, self._people(tables), general, tables)

    def _count_on(self, tables: Sequence[Table], today: date) -> bool:
        """Count what was loaded since the last look; whether the sums are those of the tables."""
        rows = self._rows(" UNION ALL ".join(map(self._counts_sql, tables)), [
            value
            for _ in tables
            for value in (self._loaded_until, self._loaded_until, _first_day(today))
        ])  # fmt: skip
        for row in rows:
            if row["what"] == "kinds":
                self._add((row["schema"], row["base"], row["key"]), row)
        totals: dict[tuple[str, str], int] = {}
        for row in rows:
            if row["what"] == "days":
                days = self._tallies[row["schema"], row["base"], row["key"]].days
                days[row["day"]] = days.get(row["day"], 0) + row["n"]
            elif row["what"] == "rows":
                totals[row["schema"], row["base"]] = row["n"]
        counted: dict[tuple[str, str], int] = {}
        for (schema, base, _), tally in self._tallies.items():
            counted[schema, base] = counted.get((schema, base), 0) + tally.count
        return all(counted.get(place, 0) == total for place, total in totals.items())

    def _add(self, key: _Key, row: Mapping[str, Any]) -> None:
        newer = _Tally(row["name"] or "", row["n"], utc(row["first_at"]), utc(row["last_at"]))
        if key in self._tallies:
            self._tallies[key].add(newer)
        else:
            self._tallies[key] = newer
        self._loaded_until = max(self._loaded_until, row["loaded_until"])

    def _counts_sql(self, base: Table) -> str:
        """One statement, so that all its counts speak of the same moment."""
        dialect = self._warehouse.dialect
        table = dialect.table(base.schema, base.name)
        place = f"{dialect.literal(base.schema)} AS schema, '{base.name}' AS base"
        key, name = ("event", "event_text") if base.name == "tracks" else ("''", "''")
        none = "NULL AS first_at, NULL AS last_at, NULL AS loaded_until"
        return (
            f"SELECT {place}, 'kinds' AS what, coalesce({key}, '') AS key, "
            f"max(left({name}, {NAME_CHARS_MAX})) AS name, NULL::DATE AS day, count(*) AS n, "
            "min(received_at) AS first_at, max(received_at) AS last_at, "
            f"max(loaded_at) AS loaded_until FROM {table} WHERE loaded_at > ? GROUP BY 4 "
            f"UNION ALL SELECT {place}, 'days', coalesce({key}, ''), NULL, "
            f'CAST("timestamp" AS DATE), count(*), {none} FROM {table} '
            'WHERE loaded_at > ? AND "timestamp" >= ? GROUP BY 4, 6 '
            f"UNION ALL SELECT {place}, 'rows', '', NULL, NULL, count(*), {none} FROM {table}"
        )

    def _kind(  # noqa: PLR0913, PLR0917 - what a kind is put together from
        self,
        key: _Key,
        tally: _Tally,
        tables: Mapping[tuple[str, str], Table],
        today: date,
        discards: Mapping[str, int],
        notices: Mapping[str, list[str]],
    ) -> Kind:
        schema, base, event = key
        name = event or base
        subject = f"{schema}.{name}"
        return Kind(
            schema=schema,
            key=name,
            type=next(type_ for type_, table in layout.BASES.items() if table == base),
            name=tally.name or name,
            table=tables.get((schema, name)),
            count=tally.count,
            first_at=tally.first_at,
            last_at=tally.last_at,
            days=[tally.days.get(today - timedelta(days=age), 0) for age in _ages()],
            discarded=discards.get(subject, 0),
            notices=notices.get(subject, ()),
        )

    def _discards(self, tables: Mapping[tuple[str, str], Table], today: date) -> dict[str, int]:
        """Values that did not fit, of the last days, by table."""
        if (layout.BOOKS, layout.DISCARDS.name) not in tables:
            return {}
        rows = self._rows(
            "SELECT table_name, count(*) AS n FROM "
            f"{self._books(layout.DISCARDS)} WHERE received_at >= ? GROUP BY 1",
            [_first_day(today)],
        )
        return {row["table_name"]: row["n"] for row in rows}

    def _notices(self, tables: Mapping[tuple[str, str], Table]) -> dict[str, list[str]]:
        if (layout.BOOKS, layout.NOTICES.name) not in tables:
            return {}
        found: dict[str, list[str]] = {}
        for row in self._rows(
            f"SELECT subject, sentence FROM {self._books(layout.NOTICES)} ORDER BY noticed_at"
        ):
            found.setdefault(row["subject"], []).append(row["sentence"])
        return found

    def _people(self, tables: Mapping[tuple[str, str], Table]) -> list[People]:
        names = {name for name, _ in layout.LATEST.values()}
        there = [t for t in tables.values() if t.name in names and is_own(t)]
        dialect = self._warehouse.dialect
        counts = [
            f"SELECT {place} AS place, count(*) AS n FROM {dialect.table(t.schema, t.name)}"
            for place, t in enumerate(there)
        ]
        rows = self._rows(" UNION ALL ".join(counts)) if counts else []
        found = [People(there[row["place"]], row["n"]) for row in rows]
        return sorted(found, key=lambda one: (one.table.schema, one.table.name))

    def _books(self, table: Table) -> str:
        return self._warehouse.dialect.table(table.schema, table.name)

    def _rows(self, sql: str, values: Iterable[Any] = ()) -> list[dict[str, Any]]:
        return list(self._warehouse.query(sql, list(values)).to_pylist())


def _ages() -> range:
    """In days, the oldest first."""
    return range(DAYS - 1, -1, -1)


def _first_day(today: date) -> datetime:
    return datetime.combine(today - timedelta(days=DAYS - 1), datetime.min.time())
