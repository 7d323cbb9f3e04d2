"""Whether what the log says of a column gives values of the type that it has here."""

from __future__ import annotations

from pymysql.constants import FIELD_TYPE

from turnout.sync.mysql.tablemap import LABELS, TEXTS, Logged, LoggedColumn
from turnout.sync.mysql.types import Reading
from turnout.warehouse import Column, Type

INTEGERS = {
    FIELD_TYPE.TINY,
    FIELD_TYPE.SHORT,
    FIELD_TYPE.INT24,
    FIELD_TYPE.LONG,
    FIELD_TYPE.LONGLONG,
    FIELD_TYPE.YEAR,
}
FITTING: dict[Type, set[int]] = {
    Type.FLOAT: {FIELD_TYPE.FLOAT, FIELD_TYPE.DOUBLE},
    Type.DATE: {FIELD_TYPE.DATE, FIELD_TYPE.NEWDATE},
    Type.TIME: {Logged.DATETIME2, Logged.TIMESTAMP2},
    Type.INTERVAL: {Logged.TIME2},
    Type.JSON: {FIELD_TYPE.JSON},
    Type.BYTES: {*TEXTS, Logged.VECTOR},
}
BYTES_COLLATION = 63
# Of these MariaDB's log has bytes, and a copy their text.
WRITTEN_AS_TEXT = ("uuid", "inet6", "inet4")
BITS_OF_AN_INTEGER = 8


def fits(logged: LoggedColumn, reading: Reading) -> bool:
    """Whether `logged`, which an ALTER may have changed since, is as the copy has it."""
    column = reading.column
    if column.type is Type.INTEGER:
        return _is_integer(logged)
    if column.type is Type.DECIMAL:
        return _is_decimal(logged, column)
    if column.type is Type.TEXT:
        return _is_text(logged, reading)
    if column.type is Type.BYTES and logged.collation != BYTES_COLLATION:
        return logged.type == Logged.VECTOR
    return logged.type in FITTING.get(column.type, ())


def _is_integer(logged: LoggedColumn) -> bool:
    if logged.type == FIELD_TYPE.BIT:
        return logged.meta[1] < BITS_OF_AN_INTEGER
    is_big = logged.type == FIELD_TYPE.LONGLONG and logged.is_unsigned
    return logged.type in INTEGERS and not is_big


def _is_decimal(logged: LoggedColumn, column: Column) -> bool:
    if logged.type != FIELD_TYPE.NEWDECIMAL:
        return not column.scale and (logged.type in INTEGERS or logged.type == FIELD_TYPE.BIT)
    precision, scale = logged.meta
    return scale <= column.scale and precision - scale <= column.precision - column.scale


def _is_text(logged: LoggedColumn, reading: Reading) -> bool:
    if logged.type == FIELD_TYPE.NEWDECIMAL:
        return tuple(logged.meta) == (reading.type.precision, reading.type.scale)
    is_bytes = logged.collation == BYTES_COLLATION
    is_turned = reading.type.name in WRITTEN_AS_TEXT
    return logged.type in LABELS or (logged.type in TEXTS and is_bytes == is_turned)
