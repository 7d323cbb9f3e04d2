"""Values in the log that have their length before them, or stand for labels, as UTF-8."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from pymysql.constants import FIELD_TYPE

from turnout.sync.mysql.charsets import Charsets, Decode
from turnout.sync.mysql.fixed import Reader, Unreadable
from turnout.sync.mysql.stored import STORED, document
from turnout.sync.mysql.tablemap import LABELS, Logged, LoggedColumn
from turnout.sync.mysql.types import Reading

LONG_TEXT = 255
BINARY = "binary"


def text_reader(column: LoggedColumn, reading: Reading, charsets: Charsets) -> Reader:
    """What reads a column's values as text. Raises `Unreadable`."""
    if column.type in LABELS:
        return _labelled(column, _decoder(column, charsets))
    return _lengthy(column, reading, charsets)


def length_bytes(column: LoggedColumn) -> int:
    """In how many bytes a value's length is written; 0 when it has none."""
    return LENGTHS[column.type](column.meta) if column.type in LENGTHS else 0


def _lengthy(column: LoggedColumn, reading: Reading, charsets: Charsets) -> Reader:
    """Texts and bytes, with their length before them."""
    size = length_bytes(column)
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
        return document
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
