"""The newest events with their fates: stored, rescued in part, a repeat, or rejected and why.

Read from the tables themselves. Rows lie there in the order they came, so the newest are found
without reading the rest; only a filter that fits little makes the engine look further back, and
it looks no further than `LOOKED_AT_MAX` events.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from turnout.events import layout
from turnout.events.overview.moment import naive, utc
from turnout.warehouse import Table, Warehouse

SHOWN_MAX = 100
# How far back a filter may look: this many events, but always this long.
LOOKED_AT_MAX = 1_000_000
LOOK_BACK_MIN = timedelta(minutes=10)
LOOK_BACK_MAX = timedelta(days=30)
# Ids and names may be as long as an event.
TEXT_CHARS_MAX = 200
VALUE_CHARS_MAX = 4_000

STORED, RESCUED, DUPLICATE, REJECTED = FATES = ("stored", "rescued", "duplicate", "rejected")

# What every table that events fill has, and no other.
OWN = {"id", "received_at", "loaded_at", "_source", "_rescued"}
# What tells one call of a type from another.
NAMES = {
    "tracks": "event_text",
    "pages": "coalesce(name, category)",
    "screens": "coalesce(name, category)",
    "groups": "group_id",
    "aliases": "previous_id",
}


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which events to show; empty is any. `until` leaves out what came later."""

    source: str = ""
    event: str = ""
    user: str = ""
    fate: str = ""
    until: datetime | None = None

    @property
    def is_filtered(self) -> bool:
        return bool(self.source or self.event or self.user or self.fate)


@dataclass(frozen=True, slots=True)
class Arrival:
    """One event that came in. Where it lies is `place`, a table's name with its schema."""

    fate: str
    place: str
    type: str
    id: str
    name: str | None
    user_id: str | None
    anonymous_id: str | None
    source: str | None
    reason: str | None
    received_at: datetime


@dataclass(frozen=True, slots=True)
class Discard:
    """A value that did not fit its column."""

    table: str
    column: str
    value: str | None
    reason: str


@dataclass(frozen=True, slots=True)
class Detail:
    """Everything kept of one event: rows by table as JSON, or the head of a rejected one."""

    rows: Mapping[str, str] = field(default_factory=dict)
    discards: Sequence[Discard] = ()
    head: str | None = None


class Recent:
    """Reads the newest events of `warehouse`."""

    def __init__(self, warehouse: Warehouse) -> None:
        self._warehouse = warehouse

    def newest(self, wanted: Wanted, *, now: datetime, limit: int = SHOWN_MAX) -> list[Arrival]:
        """The newest events that fit, by the time they were received."""
        tables = self._tables()
        selects = [
            *(_stored(self._warehouse, table) for table in bases(tables.values())),
            *(_booked(self._warehouse, table) for table in _booked_tables(tables)),
        ]
        selects = [one for one in selects if one.may_hold(wanted.fate)]
        if not selects:
            return []
        values: list[Any] = []
        parts = []
        bounds = (self._look_back(wanted, tables, now), wanted.until)
        for select in selects:
            conditions, given = select.conditions(wanted, *bounds)
            parts.append(
                f"(SELECT {select.columns} FROM {select.table} WHERE {conditions} "
                f"ORDER BY received_at DESC, id LIMIT {limit})"
            )
            values += given
        rows = self._warehouse.query(
            f"SELECT * FROM ({' UNION ALL '.join(parts)}) AS arrivals "
            f"ORDER BY received_at DESC, id LIMIT {limit}",
            values,
        ).to_pylist()
        found = [Arrival(**{**row, "received_at": utc(row["received_at"])}) for row in rows]
        rescued = self._rescued_among(found)
        return [replace(each, fate=RESCUED) if each.id in rescued else each for each in found]

    def detail(self, place: str, id_: str, received_at: datetime) -> Detail | None:
        """All that is kept of the event with `id_` in `place`, None when it is not there."""
        tables = self._tables()
        schema, _, name = place.partition(".")
        base = tables.get((schema, name), Table("", "", ()))
        if base not in (*bases(tables.values()), *_booked_tables(tables)):
            return None
        row = self._row(base, id_, received_at)
        if row is None:
            return None
        if schema == layout.BOOKS:
            head = row.pop("head", None)
            return Detail(rows={} if head else {place: _as_json(row)}, head=head)
        rows = {place: _as_json(row)}
        beside = tables.get((schema, str(row.get("event")))) if name == "tracks" else None
        own = self._row(beside, id_, received_at) if beside else None
        if beside and own:
            rows = {f"{schema}.{beside.name}": _as_json(own)}
        is_rescued = bool(row.get("_rescued") or (own or {}).get("_rescued"))
        return Detail(rows, self._discards(id_, received_at) if is_rescued else ())

    def _rescued_among(self, arrivals: Sequence[Arrival]) -> set[str]:
        """The ids of stored events of which an event table did not take every value."""
        ids = [each.id for each in arrivals if each.fate == STORED]
        if not ids:
            return set()
        rows = self._warehouse.query(
            f"SELECT DISTINCT left(row_id, {TEXT_CHARS_MAX}) AS id FROM {self._books('discards')} "
            f"WHERE received_at BETWEEN ? AND ? "
            f"AND left(row_id, {TEXT_CHARS_MAX}) IN ({', '.join('?' * len(ids))})",
            [naive(arrivals[-1].received_at), naive(arrivals[0].received_at), *ids],
        )
        return set(rows["id"].to_pylist())

    def _row(self, table: Table, id_: str, received_at: datetime) -> dict[str, Any] | None:
        found = self._warehouse.query(
            f"SELECT * FROM {self._warehouse.dialect.table(table.schema, table.name)} "
            f"WHERE received_at = ? AND left(id, {TEXT_CHARS_MAX}) = ? LIMIT 1",
            [naive(received_at), id_],
        ).to_pylist()
        return dict(found[0]) if found else None

    def _discards(self, id_: str, received_at: datetime) -> list[Discard]:
        rows = self._warehouse.query(
            f"SELECT table_name, column_name, left(column_value, {VALUE_CHARS_MAX}), reason "
            f"FROM {self._books('discards')} "
            f"WHERE received_at = ? AND left(row_id, {TEXT_CHARS_MAX}) = ? ORDER BY 1, 2",
            [naive(received_at), id_],
        )
        return [Discard(*row.values()) for row in rows.to_pylist()]

    def _look_back(
        self, wanted: Wanted, tables: Mapping[tuple[str, str], Table], now: datetime
    ) -> datetime:
        """From when on events are looked at."""
        newest = wanted.until or now
        if not wanted.is_filtered or (layout.BOOKS, layout.SOURCE_COUNTS.name) not in tables:
            return newest - LOOK_BACK_MAX
        hours = self._warehouse.query(
            f"SELECT hour, sum(received) AS received FROM {self._books('source_counts')} "
            "WHERE hour BETWEEN ? AND ? GROUP BY hour ORDER BY hour DESC",
            [naive(newest - LOOK_BACK_MAX), naive(newest)],
        ).to_pylist()
        since, total = newest - LOOK_BACK_MIN, 0
        for row in hours:
            total += int(row["received"])
            if total > LOOKED_AT_MAX:
                break
            since = min(since, utc(row["hour"]))
        return since

    def _tables(self) -> dict[tuple[str, str], Table]:
        return {(table.schema, table.name): table for table in self._warehouse.tables()}

    def _books(self, name: str) -> str:
        return self._warehouse.dialect.table(layout.BOOKS, name)


@dataclass(frozen=True, slots=True)
class _Select:
    """How one table is read as arrivals."""

    table: str
    columns: str
    fates: tuple[str, ...]
    source: str
    # Of a stored event: whether a value was rescued, asked with the time to look back to.
    is_rescued: str
    # What each filter is compared with; a filter without an expression fits nothing.
    event: str | None
    user: tuple[str, ...]

    def may_hold(self, fate: str) -> bool:
        return not fate or fate in self.fates

    def conditions(
        self, wanted: Wanted, since: datetime, until: datetime | None
    ) -> tuple[str, list[Any]]:
        parts = ["loaded_at >= ?", "received_at >= ?"]
        values: list[Any] = [naive(since), naive(since)]
        if until:
            parts.append("received_at <= ?")
            values.append(naive(until))
        if wanted.source:
            parts.append(f"{self.source} = ?")
            values.append(wanted.source)
        if wanted.event:
            parts.append(f"contains(lower({self.event}), ?)" if self.event else "? IS NULL")
            values.append(wanted.event.lower())
        if wanted.user:
            parts.append(f"({' OR '.join(self.user)})" if self.user else "? IS NULL")
            values += [wanted.user] * max(1, len(self.user))
        if len(self.fates) > 1 and wanted.fate:
            parts.append(f"{'' if wanted.fate == RESCUED else 'NOT '}({self.is_rescued})")
            values.append(naive(since))
        return " AND ".join(parts), values


def _stored(warehouse: Warehouse, table: Table) -> _Select:
    type_ = next(type_ for type_, base in layout.BASES.items() if base == table.name)
    name = NAMES.get(table.name, "NULL")
    return _Select(
        table=warehouse.dialect.table(table.schema, table.name),
        columns=_columns(
            fate=f"CASE WHEN _rescued IS NULL THEN '{STORED}' ELSE '{RESCUED}' END",
            place=warehouse.dialect.literal(f"{table.schema}.{table.name}"),
            type=f"'{type_}'",
            id=_short("id"),
            name=_short(name),
            user_id=_short("user_id"),
            anonymous_id=_short("anonymous_id"),
            source="_source",
            reason="NULL",
        ),
        fates=(STORED, RESCUED),
        source="_source",
        is_rescued="_rescued IS NOT NULL OR id IN (SELECT row_id FROM "
        f"{warehouse.dialect.table(layout.BOOKS, 'discards')} WHERE received_at >= ?)",
        event=f"concat('{type_} ', {name})",
        user=("user_id = ?", "anonymous_id = ?"),
    )


def _booked(warehouse: Warehouse, table: Table) -> _Select:
    """What did not become a row: rejected events and repeats. Of the first, the head is known."""
    is_rejected = table.name == layout.REJECTED.name
    fate = REJECTED if is_rejected else DUPLICATE
    return _Select(
        table=warehouse.dialect.table(table.schema, table.name),
        columns=_columns(
            fate=f"'{fate}'",
            place=warehouse.dialect.literal(f"{table.schema}.{table.name}"),
            type="''",
            id=_short("id"),
            name=_short("head") if is_rejected else "NULL",
            user_id="NULL",
            anonymous_id="NULL",
            source="source",
            reason="reason" if is_rejected else "NULL",
        ),
        fates=(fate,),
        source="source",
        is_rescued="",
        event="concat(reason, ' ', head)" if is_rejected else None,
        user=("contains(head, ?)",) if is_rejected else (),
    )


def _columns(**expressions: str) -> str:
    named = [f"{expression} AS {name}" for name, expression in expressions.items()]
    return ", ".join([*named, "received_at"])


def _short(expression: str) -> str:
    return expression if expression == "NULL" else f"left({expression}, {TEXT_CHARS_MAX})"


def bases(tables: Iterable[Table]) -> list[Table]:
    """The base tables of every schema that events fill."""
    return [table for table in tables if table.name in layout.BASES.values() and is_own(table)]


def is_own(table: Table) -> bool:
    """Whether events fill it: a copied table may be called `tracks` too."""
    return {column.name for column in table.columns} >= OWN


def _booked_tables(tables: Mapping[tuple[str, str], Table]) -> list[Table]:
    found = (tables.get((layout.BOOKS, each.name)) for each in (layout.REJECTED, layout.DUPLICATES))
    return [table for table in found if table is not None and table.column("loaded_at")]


def _as_json(row: Mapping[str, Any]) -> str:
    """A row as people read it: what it has, times in UTC, its own JSON opened up."""
    return json.dumps(
        {name: _value(value) for name, value in row.items() if value is not None},
        ensure_ascii=False,
        indent=2,
    )


def _value(value: Any) -> Any:
    if isinstance(value, datetime):
        return utc(value).isoformat().replace("+00:00", "Z")
    if not isinstance(value, str):
        return value if isinstance(value, (bool, int, float)) else str(value)
    if value[:1] in ("{", "["):
        try:
            value = json.loads(value)
        except (ValueError, RecursionError):
            pass
        else:
            text = json.dumps(value, ensure_ascii=False)
            return value if len(text) <= VALUE_CHARS_MAX else text[:VALUE_CHARS_MAX] + "…"
    return value if len(value) <= VALUE_CHARS_MAX else value[:VALUE_CHARS_MAX] + "…"
