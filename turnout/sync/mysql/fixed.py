"""Values in the log that are as wide as their type says, made into the server's own text."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta

from pymysql.constants import FIELD_TYPE

from turnout.sync.mysql.tablemap import BITS, LABELS, Logged, LoggedColumn

# Given where a value lies in the event's bytes: the value, and where the next one lies.
Reader = Callable[[bytes, int], tuple[bytes, int]]

NUMBER_BYTES = {
    FIELD_TYPE.TINY: 1,
    FIELD_TYPE.SHORT: 2,
    FIELD_TYPE.INT24: 3,
    FIELD_TYPE.LONG: 4,
    FIELD_TYPE.LONGLONG: 8,
}
# So many bytes hold so many digits of a decimal.
DIGIT_BYTES = (0, 1, 1, 2, 2, 3, 3, 4, 4, 4)
DIGITS_OF_A_WORD, WORD_BYTES = 9, 4
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
NO_TIME = b"0000-00-00 00:00:00"
# What a time of no sign is written as, so that negative ones sort before it.
DATETIME_ZERO, TIME_ZERO = 1 << 39, 1 << 23
YEAR_ZERO = 1900


class Unreadable(Exception):
    """A column is written in the log in a way that cannot be read here."""


def fixed_reader(column: LoggedColumn) -> Reader | None:
    """What reads a column's values as text; None when they are of any length."""
    if column.type in NUMBER_BYTES:
        return _number(NUMBER_BYTES[column.type], is_unsigned=column.is_unsigned)
    if column.type in WITH_META:
        return WITH_META[column.type](column.meta)
    return PLAIN.get(column.type)


def width_of(column: LoggedColumn) -> int:
    """How many bytes every value of a column takes. Raises `Unreadable`."""
    if column.type in WIDTHS:
        return WIDTHS[column.type]
    if column.type in MOMENTS:
        return MOMENTS[column.type] + (column.meta[0] + 1) // 2
    if column.type in LABELS:
        return column.meta[1]
    if column.type == FIELD_TYPE.BIT:
        return column.meta[1] + bool(column.meta[0])
    if column.type == FIELD_TYPE.NEWDECIMAL:
        return sum(size for size, _ in _decimal_words(column.meta))
    raise Unreadable(f"the column '{column.name}' is of a type that is not known")


def _number(size: int, *, is_unsigned: bool) -> Reader:
    def read(data: bytes, at: int) -> tuple[bytes, int]:
        number = int.from_bytes(data[at : at + size], "little", signed=not is_unsigned)
        return b"%d" % number, at + size

    return read


def _float(data: bytes, at: int) -> tuple[bytes, int]:
    return repr(struct.unpack_from("<f", data, at)[0]).encode(), at + 4


def _double(data: bytes, at: int) -> tuple[bytes, int]:
    return repr(struct.unpack_from("<d", data, at)[0]).encode(), at + 8


def _year(data: bytes, at: int) -> tuple[bytes, int]:
    return b"%d" % (data[at] and data[at] + YEAR_ZERO), at + 1


def _date(data: bytes, at: int) -> tuple[bytes, int]:
    bits = int.from_bytes(data[at : at + 3], "little")
    return b"%04d-%02d-%02d" % (bits >> 9, bits >> 5 & 15, bits & 31), at + 3


def _timestamp(meta: bytes) -> Reader:
    digits = meta[0]

    def read(data: bytes, at: int) -> tuple[bytes, int]:
        seconds = int.from_bytes(data[at : at + 4], "big")
        us, at = _fraction(data, at + 4, digits)
        if not seconds and not us:
            return NO_TIME, at
        moment = EPOCH + timedelta(seconds=seconds, microseconds=us)
        return moment.replace(tzinfo=None).isoformat(" ").encode(), at

    return read


def _datetime(meta: bytes) -> Reader:
    digits = meta[0]

    def read(data: bytes, at: int) -> tuple[bytes, int]:
        bits = int.from_bytes(data[at : at + 5], "big") - DATETIME_ZERO
        us, at = _fraction(data, at + 5, digits)
        year, month = divmod(bits >> 22, 13)
        day, hour, minute, second = bits >> 17 & 31, bits >> 12 & 31, bits >> 6 & 63, bits & 63
        text = b"%04d-%02d-%02d %02d:%02d:%02d" % (year, month, day, hour, minute, second)
        return (text + b".%06d" % us if digits else text), at

    return read


def _time(meta: bytes) -> Reader:
    digits = meta[0]
    fraction_bytes = (digits + 1) // 2
    unit_us = 10 ** (6 - 2 * fraction_bytes)

    def read(data: bytes, at: int) -> tuple[bytes, int]:
        size = 3 + fraction_bytes
        # The fraction belongs to the same number, below the seconds.
        bits = int.from_bytes(data[at : at + size], "big") - (TIME_ZERO << BITS * fraction_bytes)
        sign = b"-" if bits < 0 else b""
        whole, fraction = divmod(abs(bits), 1 << BITS * fraction_bytes)
        text = b"%s%02d:%02d:%02d" % (sign, whole >> 12 & 1023, whole >> 6 & 63, whole & 63)
        return (text + b".%06d" % (fraction * unit_us) if digits else text), at + size

    return read


def _fraction(data: bytes, at: int, digits: int) -> tuple[int, int]:
    """Microseconds, written in as many bytes as their digits need."""
    size = (digits + 1) // 2
    return int.from_bytes(data[at : at + size], "big") * 10 ** (6 - 2 * size), at + size


def _decimal_words(meta: bytes) -> list[tuple[int, int]]:
    """The bytes and digits of each word: nine digits each, from the point outwards."""
    precision, scale = meta
    words_before, rest_before = divmod(precision - scale, DIGITS_OF_A_WORD)
    words_after, rest_after = divmod(scale, DIGITS_OF_A_WORD)
    return [
        *([(DIGIT_BYTES[rest_before], rest_before)] if rest_before else []),
        *[(WORD_BYTES, DIGITS_OF_A_WORD)] * (words_before + words_after),
        *([(DIGIT_BYTES[rest_after], rest_after)] if rest_after else []),
    ]


def _decimal(meta: bytes) -> Reader:
    """Its first bit says its sign; all bits are turned when it is negative."""
    precision, scale = meta
    sizes = _decimal_words(meta)
    size = sum(width for width, _ in sizes)

    def read(data: bytes, at: int) -> tuple[bytes, int]:
        raw = int.from_bytes(data[at : at + size], "big")
        is_negative = not raw >> (BITS * size - 1)
        raw ^= ((1 << BITS * size) - 1) if is_negative else 0
        text = "".join(_words((raw & ~(1 << (BITS * size - 1))).to_bytes(size, "big"), sizes))
        whole = text[: precision - scale].lstrip("0") or "0"
        sign = "-" if is_negative else ""
        number = f"{sign}{whole}.{text[precision - scale :]}" if scale else f"{sign}{whole}"
        return number.encode(), at + size

    return read


def _words(data: bytes, sizes: Sequence[tuple[int, int]]) -> Iterator[str]:
    at = 0
    for size, digits in sizes:
        yield f"{int.from_bytes(data[at : at + size], 'big'):0{digits}}"
        at += size


def _bit(meta: bytes) -> Reader:
    size = meta[1] + bool(meta[0])

    def read(data: bytes, at: int) -> tuple[bytes, int]:
        return b"%d" % int.from_bytes(data[at : at + size], "big"), at + size

    return read


PLAIN: Mapping[int, Reader] = {
    FIELD_TYPE.FLOAT: _float,
    FIELD_TYPE.DOUBLE: _double,
    FIELD_TYPE.YEAR: _year,
    FIELD_TYPE.DATE: _date,
    FIELD_TYPE.NEWDATE: _date,
}
WITH_META: Mapping[int, Callable[[bytes], Reader]] = {
    FIELD_TYPE.NEWDECIMAL: _decimal,
    FIELD_TYPE.BIT: _bit,
    Logged.TIMESTAMP2: _timestamp,
    Logged.DATETIME2: _datetime,
    Logged.TIME2: _time,
}
# Types of one width, and those of moments without their fraction. Of the old ones none has any.
WIDTHS = {
    **NUMBER_BYTES,
    FIELD_TYPE.FLOAT: 4,
    FIELD_TYPE.DOUBLE: 8,
    FIELD_TYPE.YEAR: 1,
    FIELD_TYPE.DATE: 3,
    FIELD_TYPE.NEWDATE: 3,
    FIELD_TYPE.TIME: 3,
    FIELD_TYPE.TIMESTAMP: 4,
    FIELD_TYPE.DATETIME: 8,
}
MOMENTS: Mapping[int, int] = {Logged.TIME2: 3, Logged.TIMESTAMP2: 4, Logged.DATETIME2: 5}
