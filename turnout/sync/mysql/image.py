"""Rows as the log holds them, made into the texts that the server itself would write for them.

Columns that are not selected are stepped over: their values are never looked at. A copy and the
log thus give the same text for the same value, and `arrays.py` makes the same of both.
"""

from __future__ import annotations

import ipaddress
import json
import struct
import uuid
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta

from pymysql.constants import FIELD_TYPE
from pymysqlreplication.json_binary import parse_json

from turnout.sync.mysql.charsets import Charsets, Decode
from turnout.sync.mysql.fitting import fits
from turnout.sync.mysql.tablemap import BITS, LABELS, Logged, LoggedColumn, TableMap
from turnout.sync.mysql.types import Reading

# Given where a value lies in the event's bytes: the value, and where the next one lies.
Reader = Callable[[bytes, int], tuple[bytes, int]]
# Only the latter, for values that are nobody's business here.
Skipper = Callable[[bytes, int], int]
Row = list[bytes | None]

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
LONG_TEXT = 255
YEAR_ZERO = 1900
UUID_VERSION_6 = 0x60
BINARY = "binary"


class Unreadable(Exception):
    """A column is written in the log in a way that cannot be read here."""


class Image:
    """How the rows of one table in the log are read: its selected columns, in our order."""

    def __init__(
        self,
        table: TableMap,
        readings: Sequence[Reading],
        charsets: Charsets,
        *,
        only: Collection[str] | None = None,
    ) -> None:
        """With `only`, the values of other columns are None. Raises `Unreadable`.

        That is when a selected column is not there, or not in a way we know.
        """
        self.width = len(table.columns)
        self._null_bytes = (self.width + BITS - 1) // BITS
        self._count = len(readings)
        targets = {each.column.name: target for target, each in enumerate(readings)}
        missing = next((name for name in targets if not table.has(name)), None)
        if missing is not None:
            raise Unreadable(f"it had no column '{missing}'")
        # Per column its bit among the nulls, where it goes, what reads it or steps over it.
        self._steps: list[tuple[int, int, Reader | None, Skipper | None]] = []
        for place, column in enumerate(table.columns):
            target = targets.get(column.name, -1)
            if target < 0 or (only is not None and column.name not in only):
                self._steps.append((1 << place, -1, None, skipper(column)))
            else:
                read = reader(column, readings[target], charsets)
                self._steps.append((1 << place, target, read, None))

    def row(self, data: bytes, at: int) -> tuple[Row, int]:
        """The row that begins at `at`, and where the next one does."""
        nulls = int.from_bytes(data[at : at + self._null_bytes], "little")
        at += self._null_bytes
        row: Row = [None] * self._count
        for bit, target, read, skip in self._steps:
            if nulls & bit:
                continue
            if read is not None:
                row[target], at = read(data, at)
            elif skip is not None:
                at = skip(data, at)
        return row, at


def reader(column: LoggedColumn, reading: Reading, charsets: Charsets) -> Reader:
    """What reads a column's values as text. Raises `Unreadable`."""
    if not fits(column, reading):
        raise Unreadable(f"the column '{column.name}' was of another type, or stored in an old way")
    if column.type in NUMBER_BYTES:
        return _number(NUMBER_BYTES[column.type], is_unsigned=column.is_unsigned)
    if column.type in PLAIN:
        return PLAIN[column.type]
    if column.type in WITH_META:
        return WITH_META[column.type](column.meta)
    if column.type in LABELS:
        return _labelled(column, _decoder(column, charsets))
    return _lengthy(column, reading, charsets)


def skipper(column: LoggedColumn) -> Skipper:
    """What steps over a column's values. Raises `Unreadable`."""
    if column.type in LENGTHS:
        size = LENGTHS[column.type](column.meta)
        return lambda data, at: at + size + int.from_bytes(data[at : at + size], "little")
    width = width_of(column)
    return lambda _, at: at + width


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


def _lengthy(column: LoggedColumn, reading: Reading, charsets: Charsets) -> Reader:
    """Texts and bytes, with their length before them."""
    size = LENGTHS[column.type](column.meta)
    treat = _treatment(column, reading, charsets)

    def read(data: bytes, at: int) -> tuple[bytes, int]:
        start = at + size
        end = start + int.from_bytes(data[at:start], "little")
        value = data[start:end]
        return (value if treat is None else treat(value)), end

    return read


def _length_of_text(meta: bytes) -> int:
    return 2 if int.from_bytes(meta, "little") > LONG_TEXT else 1


def _char_bytes_max(meta: bytes) -> int:
    """The longest that a CHAR may be, whose two highest bits stand elsewhere."""
    return (meta[0] & 0x30 ^ 0x30) << 4 | meta[1]


def _treatment(column: LoggedColumn, reading: Reading, charsets: Charsets) -> Decode | None:
    """What makes the server's text of what is stored; None where that is the same."""
    kind = reading.type.name
    if column.type in (Logged.BLOB_COMPRESSED, Logged.VARCHAR_COMPRESSED):
        raise Unreadable(f"the column '{column.name}' was stored in a way of its own")
    if kind in STORED:
        return STORED[kind]
    if column.type == FIELD_TYPE.JSON:
        return _document
    if kind == BINARY:
        # The log leaves out the zeros at its end.
        width = _char_bytes_max(column.meta)
        return lambda value: value.ljust(width, b"\0")
    return _decoder(column, charsets)


def _decoder(column: LoggedColumn, charsets: Charsets) -> Decode | None:
    try:
        return charsets.decode(column.collation)
    except LookupError:
        raise Unreadable(
            f"the column '{column.name}' is in a character set that cannot be read here"
        ) from None


def _labelled(column: LoggedColumn, decode: Decode | None) -> Reader:
    """An enumeration's label by its number, or those of a set by their bits."""
    size = column.meta[1]
    labels = [decode(label) if decode else label for label in column.labels]
    is_set = column.type == FIELD_TYPE.SET

    def read(data: bytes, at: int) -> tuple[bytes, int]:
        number = int.from_bytes(data[at : at + size], "little")
        if is_set:
            text = b",".join(label for bit, label in enumerate(labels) if number >> bit & 1)
        else:
            # An invalid value is stored as number 0, and written as no text.
            text = labels[number - 1] if 0 < number <= len(labels) else b""
        return text, at + size

    return read


def _document(value: bytes) -> bytes:
    """MySQL's own form of a JSON document."""
    if not value:
        return b"null"
    document = parse_json(value[0], value[1:])
    return json.dumps(_plain(document), ensure_ascii=False, default=str).encode()


def _plain(part: object) -> object:
    """Names and texts of a document come as bytes."""
    if isinstance(part, bytes):
        return part.decode()
    if isinstance(part, dict):
        return {_plain(name): _plain(value) for name, value in part.items()}
    if isinstance(part, list):
        return [_plain(value) for value in part]
    return part


def _uuid(value: bytes) -> bytes:
    """MariaDB stores the parts of most of them from the last to the first, to sort by time."""
    value = value.ljust(16, b"\0")
    is_turned = value[6] & 0x80 and 0 < value[8] < UUID_VERSION_6
    if is_turned:
        value = value[12:16] + value[10:12] + value[8:10] + value[6:8] + value[0:6]
    return str(uuid.UUID(bytes=value)).encode()


def _inet6(value: bytes) -> bytes:
    return str(ipaddress.IPv6Address(value.ljust(16, b"\0"))).encode()


def _inet4(value: bytes) -> bytes:
    return str(ipaddress.IPv4Address(value.ljust(4, b"\0"))).encode()


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
# In how many bytes a value's length is written.
LENGTHS: Mapping[int, Callable[[bytes], int]] = {
    FIELD_TYPE.VARCHAR: _length_of_text,
    Logged.VARCHAR_COMPRESSED: _length_of_text,
    FIELD_TYPE.STRING: lambda meta: 2 if _char_bytes_max(meta) > LONG_TEXT else 1,
    FIELD_TYPE.VAR_STRING: lambda meta: 2 if _char_bytes_max(meta) > LONG_TEXT else 1,
    FIELD_TYPE.BLOB: lambda meta: meta[0],
    Logged.BLOB_COMPRESSED: lambda meta: meta[0],
    Logged.VECTOR: lambda meta: meta[0],
    FIELD_TYPE.GEOMETRY: lambda meta: meta[0],
    FIELD_TYPE.JSON: lambda meta: meta[0],
}
# Types of MariaDB's that are stored otherwise than they are written.
STORED: Mapping[str, Callable[[bytes], bytes]] = {
    "uuid": _uuid,
    "inet6": _inet6,
    "inet4": _inet4,
}
