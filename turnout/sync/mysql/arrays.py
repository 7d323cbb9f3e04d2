"""Texts as a MySQL server writes them, made into Arrow arrays; what no type can hold is counted.

The one place where values become columns, for copies and for changes alike.
"""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa
import pyarrow.compute as pc

from turnout.errors import SourceRefused
from turnout.sync.selection import SelectedTable
from turnout.warehouse import Column, Type

# Types that arrive as such; text stands for the others.
ARROW = {
    Type.INTEGER: pa.int64(),
    Type.FLOAT: pa.float64(),
    Type.DATE: pa.date32(),
    Type.TIME: pa.timestamp("us"),
    Type.BYTES: pa.binary(),
}
FIRST_DAY = "0001-01-01"
# The days of a leap year, as the server writes them.
DAYS = (31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
CALENDAR = pa.array(
    f"{month:02}-{day:02}" for month, days in enumerate(DAYS, 1) for day in range(1, days + 1)
)


def arrow_type(column: Column) -> pa.DataType:
    """What the values of `column` arrive as."""
    return ARROW.get(column.type, pa.string())


def array(
    table: SelectedTable, column: Column, values: Sequence[bytes | None]
) -> tuple[pa.Array, int]:
    """The values of one column, and how many of them were lost.

    Raises `SourceRefused` when a text is no UTF-8: it would have to be altered to be kept.
    """
    if column.type is Type.BYTES:
        return pa.array(values, pa.binary()), 0
    try:
        texts = pa.array(values, pa.string())
        if column.type in (Type.DATE, Type.TIME):
            return _moments(texts, arrow_type(column))
        return texts.cast(arrow_type(column)), 0
    except pa.ArrowInvalid:
        # Its own sentence quotes the value.
        raise SourceRefused(
            f"A value of {table.label}.{column.name} is not what its type says.",
            hint="Its text has bytes that its character set does not have: correct it there.",
        ) from None


def _moments(texts: pa.StringArray, type_: pa.DataType) -> tuple[pa.Array, int]:
    """Days or times; those of no calendar, of which MySQL has many, become null."""
    try:
        array = texts.cast(type_)
        if array.null_count == len(array) or pc.min(texts).as_py() >= FIRST_DAY:
            return array, 0
    except pa.ArrowInvalid:
        pass
    kept = pc.if_else(_is_there(texts), texts, None)
    return kept.cast(type_), kept.null_count - texts.null_count


def _is_there(texts: pa.StringArray) -> pa.BooleanArray:
    """Whether each text begins with a day of the calendar, in the year 1 or later."""
    days = pc.utf8_slice_codeunits(texts, 5, 10)
    years = pc.utf8_slice_codeunits(texts, 0, 4).cast(pa.int32())
    is_leap = pc.and_(
        _divides(4, years), pc.or_(pc.invert(_divides(100, years)), _divides(400, years))
    )
    return pc.and_(
        pc.and_(pc.is_in(days, CALENDAR), pc.greater_equal(texts, FIRST_DAY)),
        pc.or_(pc.not_equal(days, "02-29"), is_leap),
    )


def _divides(number: int, years: pa.Int32Array) -> pa.BooleanArray:
    return pc.equal(pc.multiply(pc.divide(years, number), number), years)
