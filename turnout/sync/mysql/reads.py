"""The statements that read one table, and its rows on their way. Selected columns only."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator, Sequence
from datetime import datetime

import pyarrow as pa

from turnout.errors import SourceRefused
from turnout.sync.mysql import wire
from turnout.sync.mysql.arrays import array, arrow_type
from turnout.sync.mysql.catalogue import FoundTable
from turnout.sync.mysql.connection import Session
from turnout.sync.mysql.errors import explained
from turnout.sync.mysql.names import qualified, quoted
from turnout.sync.mysql.types import Reading, reading
from turnout.sync.selection import SelectedTable
from turnout.sync.source import Keys, Part, Shape, Since, SourceTable, WrittenSince
from turnout.warehouse import Column, Type

BATCH_BYTES = 1024 * 1024
NUMBER = re.compile(r"-?[0-9]+(\.[0-9]+)?")
CURSORS = (Type.TIME, Type.DATE, Type.INTEGER, Type.DECIMAL)


class Read:
    """How one table is read: what it is, and the statement for each part of it."""

    def __init__(self, selected: SelectedTable, found: FoundTable, database: str) -> None:
        keys = selected.settings.json_keys
        names = [name for name in selected.columns if name in found.columns]
        self.readings = [
            reading(name, quoted(name), found.columns[name].type, keys.get(name)) for name in names
        ]
        self.table = SourceTable(
            selected,
            tuple(each.column for each in self.readings),
            found.rows_estimated,
            shape_of(selected, found),
            has_indexed_cursor=selected.settings.cursor in found.indexed,
        )
        self._from = f" FROM {qualified(selected, database)}"

    def readings_of(self, part: Part) -> Sequence[Reading]:
        """The columns that a part has."""
        if not isinstance(part, Keys):
            return self.readings
        by_name = {each.column.name: each for each in self.readings}
        return [by_name[name] for name in self.table.shape.key]

    def sql(self, part: Part) -> str:
        """The statement that reads `part`. Raises `SourceRefused` for one that there is not."""
        if isinstance(part, WrittenSince):
            raise SourceRefused(
                f"Which rows of '{self.table.selected.label}' are new, MySQL does not say.",
                hint="Choose another mode than xmin: cursor, full or log.",
            )
        columns = ", ".join(each.expression for each in self.readings_of(part))
        conditions = []
        if isinstance(part, Since):
            cursor = quoted(self._cursor.name)
            conditions.append(f"({cursor} >= {_literal(part.bound)} OR {cursor} IS NULL)")
        if self.table.selected.settings.where:
            conditions.append(f"({self.table.selected.settings.where})")
        where = f" WHERE {' AND '.join(conditions)}" if conditions else ""
        return f"SELECT {columns}{self._from}{where}"

    @property
    def cursor_max_sql(self) -> str:
        """The statement that finds the largest cursor."""
        where = self.table.selected.settings.where
        condition = f" WHERE {where}" if where else ""
        return f"SELECT MAX({quoted(self._cursor.name)}){self._from}{condition}"

    def capped(self, largest: str | None, now: datetime) -> str | None:
        """`largest`, or `now` when it lies in the future."""
        type_ = self._cursor.type
        if largest is None or type_ not in (Type.TIME, Type.DATE):
            return largest
        # Both are written from the year down to the fraction.
        text = now.replace(tzinfo=None).isoformat(" ", "microseconds")
        return min(largest, text[:10] if type_ is Type.DATE else text)

    @property
    def _cursor(self) -> Column:
        name = self.table.selected.settings.cursor
        found = (each.column for each in self.readings if each.column.name == name)
        column = next(found, None)
        if column is None or column.type not in CURSORS:
            raise SourceRefused(
                f"The cursor '{name}' of '{self.table.selected.label}' is neither a time nor a "
                "number.",
                hint="Name a column such as updated_at, or choose another mode.",
            )
        return column


def shape_of(selected: SelectedTable, found: FoundTable) -> Shape:
    """What the table looks like.

    MySQL gives neither a table nor a column an identity of its own. A table is what has its name:
    when it was created says nothing, for it is created anew by many an ALTER, and at each
    follower at another time. A column's place shifts when one before it comes or goes.
    """
    columns = {
        name: (0, found.columns[name].type.spelled, found.columns[name].is_nullable)
        for name in selected.columns
        if name in found.columns
    }
    return Shape(
        f"{selected.schema}.{selected.name}",
        tuple(selected.settings.key) or found.key_among(selected.columns),
        columns,
        tuple(name for name in found.columns if name not in columns),
    )


class MySQLRows:
    """A part of one table's rows. See `SourceRows`."""

    def __init__(self, session: Session, read: Read, part: Part, pace: Pace) -> None:
        self.lost: dict[str, int] = {}
        self._session = session
        self._read = read
        self._readings = read.readings_of(part)
        self._sql = read.sql(part)
        self._pace = pace
        self.schema = pa.schema(
            [(each.column.name, arrow_type(each.column)) for each in self._readings]
        )

    def __iter__(self) -> Iterator[pa.RecordBatch]:
        width = len(self._readings)
        selected = self._read.table.selected
        with explained(self._session.address, selected):
            for values in wire.values(self._session.connection, self._sql, BATCH_BYTES):
                arrays = [
                    self._array(each, values[place::width])
                    for place, each in enumerate(self._readings)
                ]
                yield pa.record_batch(arrays, self.schema)
                self._pace.keep(len(values) // width)

    def _array(self, each: Reading, values: wire.Values) -> pa.Array:
        made, lost = array(self._read.table.selected, each.column, values)
        if lost:
            name = each.column.name
            self.lost[name] = self.lost.get(name, 0) + lost
        return made


class Pace:
    """How fast a snapshot is read, and how long it may take."""

    def __init__(self, place: str, rows_per_s_max: int, snapshot_s_max: float | None) -> None:
        """No limit of rows: 0. None: a snapshot of any length, for it is no leader's."""
        self._place = place
        self._rows_per_s_max = rows_per_s_max
        self._snapshot_s_max = snapshot_s_max
        self._began_s = time.monotonic()
        self._rows = 0

    def keep(self, rows: int) -> None:
        """Wait until `rows` more may have been read. Raises `SourceRefused` when it is late."""
        self._rows += rows
        elapsed_s = time.monotonic() - self._began_s
        if self._snapshot_s_max is not None and elapsed_s > self._snapshot_s_max:
            raise SourceRefused(
                f"The copy was given up: it held a snapshot on the leader {self._place} open for "
                f"more than snapshot_s_max, {self._snapshot_s_max:,.0f} s.",
                hint="Copy from a follower, or its larger tables by a cursor.",
            )
        if self._rows_per_s_max:
            time.sleep(max(0.0, self._rows / self._rows_per_s_max - elapsed_s))


def _literal(bound: str) -> str:
    """A bound as SQL: a number is compared as one, exactly."""
    if NUMBER.fullmatch(bound):
        return bound
    return "'" + bound.replace("\\", "\\\\").replace("'", "''") + "'"
