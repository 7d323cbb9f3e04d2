"""What the log says of a table before its rows: its columns, with names, as they were just then."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from enum import IntEnum

from pymysql.constants import FIELD_TYPE


class Logged(IntEnum):
    """Types of columns in the log that the protocol's own list does not have."""

    TIMESTAMP2 = 17
    DATETIME2 = 18
    TIME2 = 19
    BLOB_COMPRESSED = 140
    VARCHAR_COMPRESSED = 141
    VECTOR = 242


class Said(IntEnum):
    """What may be said of the columns besides their types."""

    SIGNEDNESS = 1
    DEFAULT_CHARSET = 2
    COLUMN_CHARSET = 3
    COLUMN_NAME = 4
    SET_VALUES = 5
    ENUM_VALUES = 6
    LABELS_DEFAULT_CHARSET = 10
    LABELS_COLUMN_CHARSET = 11


# How many bytes say more of a type; none of the others.
META_BYTES = {
    FIELD_TYPE.FLOAT: 1,
    FIELD_TYPE.DOUBLE: 1,
    FIELD_TYPE.BLOB: 1,
    FIELD_TYPE.GEOMETRY: 1,
    FIELD_TYPE.JSON: 1,
    Logged.VECTOR: 1,
    Logged.BLOB_COMPRESSED: 1,
    Logged.TIMESTAMP2: 1,
    Logged.DATETIME2: 1,
    Logged.TIME2: 1,
    FIELD_TYPE.VARCHAR: 2,
    FIELD_TYPE.BIT: 2,
    FIELD_TYPE.NEWDECIMAL: 2,
    FIELD_TYPE.STRING: 2,
    FIELD_TYPE.VAR_STRING: 2,
    FIELD_TYPE.ENUM: 2,
    FIELD_TYPE.SET: 2,
    Logged.VARCHAR_COMPRESSED: 2,
}
NUMERIC = {
    FIELD_TYPE.TINY,
    FIELD_TYPE.SHORT,
    FIELD_TYPE.INT24,
    FIELD_TYPE.LONG,
    FIELD_TYPE.LONGLONG,
    FIELD_TYPE.NEWDECIMAL,
    FIELD_TYPE.FLOAT,
    FIELD_TYPE.DOUBLE,
    FIELD_TYPE.YEAR,
}
TEXTS = {
    FIELD_TYPE.STRING,
    FIELD_TYPE.VAR_STRING,
    FIELD_TYPE.VARCHAR,
    FIELD_TYPE.BLOB,
    Logged.BLOB_COMPRESSED,
    Logged.VARCHAR_COMPRESSED,
}
LABELS = {FIELD_TYPE.ENUM, FIELD_TYPE.SET}
LENGTH_OF_2, LENGTH_OF_3, LENGTH_OF_8 = 252, 253, 254
COUNT_BYTES = {LENGTH_OF_2: 2, LENGTH_OF_3: 3, LENGTH_OF_8: 8}
BITS = 8


@dataclass(slots=True)
class LoggedColumn:
    """A column as its rows in the log are written; `meta` is what its type is said more of."""

    type: int
    meta: bytes
    name: str = ""
    is_unsigned: bool = False
    collation: int = 0
    # Of an enumeration or a set, in the column's own character set.
    labels: tuple[bytes, ...] = ()


@dataclass(frozen=True, slots=True)
class TableMap:
    """A table in the log. Without names nothing is known of its columns but their types."""

    schema: str
    name: str
    columns: tuple[LoggedColumn, ...]

    @property
    def has_names(self) -> bool:
        return all(column.name for column in self.columns)

    def has(self, name: str) -> bool:
        """Whether it has a column called exactly so."""
        return any(column.name == name for column in self.columns)


class Bytes:
    """Bytes, read from their beginning to their end."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.at = 0

    def take(self, size: int) -> bytes:
        self.at += size
        return self.data[self.at - size : self.at]

    def number(self, size: int) -> int:
        return int.from_bytes(self.take(size), "little")

    def count(self) -> int:
        """A number that is written in as many bytes as it needs."""
        first = self.number(1)
        return self.number(COUNT_BYTES[first]) if first in COUNT_BYTES else first

    def text(self) -> bytes:
        return self.take(self.count())

    @property
    def is_left(self) -> bool:
        return self.at < len(self.data)


def table_map(body: bytes) -> TableMap:
    """A table out of the event's body, less the number that stands for it in the log."""
    read = Bytes(body)
    read.take(2)
    schema = read.text().decode()
    read.take(1)
    name = read.text().decode()
    read.take(1)
    types = read.take(read.count())
    metas = Bytes(read.text())
    columns = [_column(type_, metas) for type_ in types]
    read.take((len(columns) + BITS - 1) // BITS)
    while read.is_left:
        kind = read.number(1)
        said = Bytes(read.text())
        if kind in TELL:
            TELL[kind](columns, said)
    return TableMap(schema, name, tuple(columns))


def _column(type_: int, metas: Bytes) -> LoggedColumn:
    meta = metas.take(META_BYTES.get(type_, 0))
    # Enumerations and sets are written as text of a kind.
    if type_ == FIELD_TYPE.STRING and meta[0] in LABELS:
        type_ = meta[0]
    return LoggedColumn(type_, meta)


def _signedness(columns: list[LoggedColumn], said: Bytes) -> None:
    numeric = [column for column in columns if column.type in NUMERIC]
    for place, column in enumerate(numeric):
        byte, bit = divmod(place, BITS)
        column.is_unsigned = bool(said.data[byte] & 0x80 >> bit)


def _names(columns: list[LoggedColumn], said: Bytes) -> None:
    for column in columns:
        column.name = said.text().decode()


def _collations(kinds: set[int]) -> Callable[[list[LoggedColumn], Bytes], None]:
    def tell(columns: list[LoggedColumn], said: Bytes) -> None:
        for column in _of(columns, kinds):
            column.collation = said.count()

    return tell


def _default_collation(kinds: set[int]) -> Callable[[list[LoggedColumn], Bytes], None]:
    def tell(columns: list[LoggedColumn], said: Bytes) -> None:
        default = said.count()
        others: dict[int, int] = {}
        while said.is_left:
            place = said.count()
            others[place] = said.count()
        for place, column in enumerate(_of(columns, kinds)):
            column.collation = others.get(place, default)

    return tell


def _labels(kind: int) -> Callable[[list[LoggedColumn], Bytes], None]:
    def tell(columns: list[LoggedColumn], said: Bytes) -> None:
        for column in _of(columns, {kind}):
            column.labels = tuple(said.text() for _ in range(said.count()))

    return tell


def _of(columns: list[LoggedColumn], kinds: set[int]) -> Iterator[LoggedColumn]:
    return (column for column in columns if column.type in kinds)


TELL: Mapping[int, Callable[[list[LoggedColumn], Bytes], None]] = {
    Said.SIGNEDNESS: _signedness,
    Said.DEFAULT_CHARSET: _default_collation(TEXTS),
    Said.COLUMN_CHARSET: _collations(TEXTS),
    Said.COLUMN_NAME: _names,
    Said.SET_VALUES: _labels(FIELD_TYPE.SET),
    Said.ENUM_VALUES: _labels(FIELD_TYPE.ENUM),
    Said.LABELS_DEFAULT_CHARSET: _default_collation(LABELS),
    Said.LABELS_COLUMN_CHARSET: _collations(LABELS),
}
