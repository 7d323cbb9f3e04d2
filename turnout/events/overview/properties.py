"""The properties of one table: type, share of rows that have each, since when, what did not fit.

Counts are kept per table and only rows loaded since the last look are read; a table too large to
be read within a few seconds is looked at from a day on that is said.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any

from turnout.events import layout
from turnout.events.overview.catalog import BEGINNING, DAYS
from turnout.events.overview.moment import utc
from turnout.warehouse import Column, Table, Type, Warehouse

# So many values are read in a few seconds on two threads.
CELLS_MAX = 1_000_000_000
TABLES_KEPT = 100
# A value to show is sought in so many of the newest rows.
EXAMPLE_ROWS = 20
EXAMPLE_CHARS_MAX = 80
CONTEXT = "context_"


@dataclass(frozen=True, slots=True)
class Misfit:
    """Values that did not fit a property's column, of the last `DAYS` days."""

    count: int
    reason: str
    example: str
    last_at: datetime


@dataclass(frozen=True, slots=True)
class Property:
    """A column that events brought; `filled` of the table's rows have a value in it."""

    name: str
    type: Type
    filled: int
    first_at: datetime | None
    last_at: datetime | None
    example: str | None = None
    misfits: Sequence[Misfit] = ()


@dataclass(frozen=True, slots=True)
class Description:
    """A table's properties, and apart from them what the SDKs add to every call.

    `rows` were looked at; those before `since` were not, when it is given.
    """

    rows: int
    properties: Sequence[Property]
    context: Sequence[Property]
    # What did not fit and has no column at all.
    homeless: Mapping[str, Sequence[Misfit]]
    since: date | None = None


@dataclass(slots=True)
class _Filled:
    count: int = 0
    first_at: datetime | None = None
    last_at: datetime | None = None


@dataclass(slots=True)
class _Tally:
    since: date | None
    rows: int = 0
    loaded_until: datetime = BEGINNING
    filled: dict[str, _Filled] = field(default_factory=dict)


class Properties:
    """Describes tables of `warehouse`. Any thread may ask; one looks at a time."""

    def __init__(self, warehouse: Warehouse, *, cells_max: int = CELLS_MAX) -> None:
        self._warehouse = warehouse
        self._cells_max = cells_max
        self._lock = threading.Lock()
        self._tallies: OrderedDict[tuple[str, str], _Tally] = OrderedDict()

    def describe(self, table: Table, days: Sequence[int], *, today: date) -> Description:
        """The properties of `table`, whose rows of the last days are counted in `days`."""
        with self._lock:
            tally = self._counted(table, days, today)
        examples = self._examples(table)
        misfits = self._misfits(table, today)
        columns = own_columns(table)
        found = [
            Property(
                name=column.name,
                type=column.type,
                filled=tally.filled[column.name].count,
                first_at=tally.filled[column.name].first_at,
                last_at=tally.filled[column.name].last_at,
                example=examples.get(column.name),
                misfits=misfits.pop(column.name, ()),
            )
            for column in columns
        ]
        return Description(
            rows=tally.rows,
            properties=[one for one in found if not one.name.startswith(CONTEXT)],
            context=[one for one in found if one.name.startswith(CONTEXT)],
            homeless=misfits,
            since=tally.since,
        )

    def _counted(self, table: Table, days: Sequence[int], today: date) -> _Tally:
        place = (table.schema, table.name)
        total = self._total(table)
        tally = self._tallies.pop(place, None)
        is_list = table.name not in {name for name, _ in layout.LATEST.values()}
        if tally is None or not is_list:  # rows of people are written again, not added
            tally = _Tally(self._since(table, total, days, today))
        self._count_on(table, tally)
        if tally.since is None and tally.rows != self._total(table) and is_list:
            # Rows have gone or came back, or a load came in between: once more from the start.
            tally = _Tally(None)
            self._count_on(table, tally)
        self._tallies[place] = tally
        if len(self._tallies) > TABLES_KEPT:
            self._tallies.popitem(last=False)
        return tally

    def _since(self, table: Table, total: int, days: Sequence[int], today: date) -> date | None:
        """The day from which on there is not too much to read; None when all of it can be."""
        rows_max = self._cells_max // max(1, len(own_columns(table)))
        if total <= rows_max:
            return None
        age, rows = 0, 0
        for age, count in enumerate(reversed(days)):  # noqa: B007 - the last one is the answer
            rows += count
            if rows > rows_max:
                break
        return today - timedelta(days=age)

    def _count_on(self, table: Table, tally: _Tally) -> None:
        """Add what was loaded since to `tally`."""
        columns = own_columns(table)
        quote = self._warehouse.dialect.identifier
        counted = [
            f"count({c}), min(received_at) FILTER (WHERE {c} IS NOT NULL), "
            f"max(received_at) FILTER (WHERE {c} IS NOT NULL)"
            for c in (quote(column.name) for column in columns)
        ]
        conditions, values = ["loaded_at > ?"], [tally.loaded_until]
        if tally.since:
            conditions.append("received_at >= ?")
            values.append(datetime.combine(tally.since, datetime.min.time()))
        (row,) = self._warehouse.query(
            f"SELECT {', '.join(['count(*)', 'max(loaded_at)', *counted])} "
            f"FROM {self._name(table)} WHERE {' AND '.join(conditions)}",
            values,
        ).to_pylist()
        rows, loaded_until, *numbers = row.values()
        tally.rows += rows
        tally.loaded_until = loaded_until or tally.loaded_until
        for column, place in zip(columns, range(0, len(numbers), 3), strict=True):
            count, first_at, last_at = numbers[place : place + 3]
            filled = tally.filled.setdefault(column.name, _Filled())
            filled.count += count
            if count:
                filled.first_at = filled.first_at or utc(first_at)
                filled.last_at = utc(last_at)

    def _total(self, table: Table) -> int:
        (row,) = self._rows(f"SELECT count(*) AS n FROM {self._name(table)}")
        return int(row["n"])

    def _examples(self, table: Table) -> dict[str, str]:
        """Of each column, the value of the newest row that has one."""
        columns = own_columns(table)
        if not columns:
            return {}
        quote = self._warehouse.dialect.identifier
        shown = ", ".join(
            f"left(CAST({quote(c.name)} AS VARCHAR), {EXAMPLE_CHARS_MAX}) AS {quote(c.name)}"
            for c in columns
        )
        rows = self._rows(
            f"SELECT {shown} FROM {self._name(table)} "
            f"ORDER BY received_at DESC LIMIT {EXAMPLE_ROWS}"
        )
        return {
            name: value
            for row in reversed(rows)
            for name, value in row.items()
            if value is not None
        }

    def _misfits(self, table: Table, today: date) -> dict[str, list[Misfit]]:
        """By column, what did not fit it in the last days, the most frequent reason first."""
        first = datetime.combine(today - timedelta(days=DAYS - 1), datetime.min.time())
        books = self._warehouse.dialect.table(layout.BOOKS, layout.DISCARDS.name)
        if not any(t.name == layout.DISCARDS.name for t in self._warehouse.tables(layout.BOOKS)):
            return {}
        rows = self._rows(
            "SELECT column_name, reason, count(*) AS n, max(received_at) AS last_at, "
            f"max(left(column_value, {EXAMPLE_CHARS_MAX})) AS example FROM {books} "
            "WHERE table_name = ? AND received_at >= ? GROUP BY 1, 2 ORDER BY n DESC",
            [f"{table.schema}.{table.name}", first],
        )
        found: dict[str, list[Misfit]] = {}
        for row in rows:
            found.setdefault(row["column_name"], []).append(
                Misfit(row["n"], row["reason"], row["example"] or "", utc(row["last_at"]))
            )
        return found

    def _name(self, table: Table) -> str:
        return self._warehouse.dialect.table(table.schema, table.name)

    def _rows(self, sql: str, values: Sequence[Any] = ()) -> list[dict[str, Any]]:
        return list(self._warehouse.query(sql, values).to_pylist())


def own_columns(table: Table) -> list[Column]:
    """The columns that events brought, without those every such table has."""
    fixed = {column.name for column in layout.OWN_COLUMNS.get(table.name, layout.EVENT_COLUMNS)}
    return [column for column in table.columns if column.name not in fixed]
