"""Changes of one table, gathered until they become columns."""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa

from turnout.sync.mysql.arrays import array, arrow_type
from turnout.sync.mysql.image import Row
from turnout.sync.mysql.types import Reading
from turnout.sync.source import Changes, SourceTable

WRITTEN, GONE, EMPTIED = 1, 2, 3
HEAD = pa.schema(
    [
        ("_op", pa.int8()),
        ("_order", pa.int64()),
        ("_at", pa.timestamp("us")),
        ("_unchanged", pa.int64()),
    ]
)


class Pile:
    """What happened to one table, in order."""

    def __init__(self, table: SourceTable, readings: Sequence[Reading]) -> None:
        self._table = table
        self._readings = readings
        key = table.shape.key
        self._key = [place for place, each in enumerate(readings) if each.column.name in key]
        self._nothing: Row = [None] * len(readings)
        self._schema = pa.schema(
            [*HEAD, *((each.column.name, arrow_type(each.column)) for each in readings)]
        )
        self._ops: list[int] = []
        self._orders: list[int] = []
        self._at_us: list[int] = []
        self._values: Row = []

    def write(self, row: Row, order: int, at_us: int) -> None:
        """The row is now so."""
        self._add(WRITTEN, row, order, at_us)

    def remove(self, key: Row, order: int, at_us: int) -> None:
        """It is gone; of its row only the key is there."""
        self._add(GONE, key, order, at_us)

    def empty(self, order: int, at_us: int) -> None:
        """There is no row any more."""
        self._add(EMPTIED, self._nothing, order, at_us)

    def moves(self, key: Row, after: Row) -> bool:
        """Whether a row that had this key has another one afterwards."""
        return any(key[place] != after[place] for place in self._key)

    def changes(self) -> Changes:
        """All of it. Raises `SourceRefused` for a value that is not what its type says."""
        width = len(self._readings)
        head = [
            pa.array(values, field.type)
            for values, field in zip(
                (self._ops, self._orders, self._at_us, [0] * len(self._ops)), HEAD, strict=True
            )
        ]
        arrays, lost = [], {}
        for place, each in enumerate(self._readings):
            made, count = array(self._table.selected, each.column, self._values[place::width])
            arrays.append(made)
            if count:
                lost[each.column.name] = count
        return Changes(self._table, pa.table([*head, *arrays], self._schema), lost)

    def _add(self, op: int, row: Row, order: int, at_us: int) -> None:
        self._ops.append(op)
        self._orders.append(order)
        self._at_us.append(at_us)
        self._values += row
