"""The messages of PostgreSQL's own output plugin, version 1 of its protocol, taken apart.

Only bytes in and plain values out. What stands in a row stays as the server wrote it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from struct import Struct

BEGIN, COMMIT, RELATION, TRUNCATE = b"BCRT"
INSERT, UPDATE, DELETE = b"IUD"

EPOCH = datetime(2000, 1, 1, tzinfo=UTC)
# Where the tuple of an insert begins, and the first one of an update or a delete.
TUPLE_AT = 6
NEW, TEXT, NULL = b"Ntn"

# Transactions are numbered in a circle.
XIDS = 1 << 32

_BEGIN = Struct(">xqqI")
_COMMIT = Struct(">xBqqq")
_COLUMN = Struct(">II")
_NUMBER = Struct(">I")
_COUNT = Struct(">H")


@dataclass(frozen=True, slots=True)
class Begin:
    """A transaction: where its commit begins in the log, when it was, and its number."""

    commit_at: int
    at: datetime
    xid: int


@dataclass(frozen=True, slots=True)
class Relation:
    """A table as it was when the changes that follow were made."""

    id: bytes
    schema: str
    name: str
    # Per column its type's oid and its typmod, in the order of the values to come.
    columns: tuple[tuple[str, int, int], ...]


def is_from(xid: int, first: int) -> bool:
    """Whether the transaction `xid` is `first` or a later one."""
    return (xid - first) % XIDS < XIDS // 2


def begin(message: bytes) -> Begin:
    """The transaction whose changes follow."""
    commit_at, microseconds, xid = _BEGIN.unpack_from(message)
    return Begin(commit_at, EPOCH + timedelta(microseconds=microseconds), xid)


def committed(message: bytes) -> int:
    """The position after the transaction that ends here."""
    _, _, end, _ = _COMMIT.unpack_from(message)
    return int(end)


def relation(message: bytes) -> Relation:
    """The table that the changes with its id are of."""
    schema, at = _text(message, 5)
    name, at = _text(message, at)
    (count,) = _COUNT.unpack_from(message, at + 1)
    at += 3
    columns = []
    for _ in range(count):
        column, at = _text(message, at + 1)
        type_, typmod = _COLUMN.unpack_from(message, at)
        columns.append((column, type_, typmod - (1 << 32) if typmod >> 31 else typmod))
        at += 8
    return Relation(message[1:5], schema or "pg_catalog", name, tuple(columns))


def truncated(message: bytes) -> list[bytes]:
    """The ids of the tables that were emptied."""
    (count,) = _NUMBER.unpack_from(message, 1)
    return [message[at : at + 4] for at in range(6, 6 + 4 * count, 4)]


def row(message: bytes, at: int, values: list[bytes | None]) -> tuple[int, int]:
    """Append the values of the row that begins at `at`, None for NULL and for what is not sent.

    What is not sent because it did not change, by bit, and where in the message the row ends.
    """
    # Whatever is done here is done for every value of every change.
    add, number = values.append, int.from_bytes
    unchanged = 0
    count = message[at] << 8 | message[at + 1]
    at += 2
    for place in range(count):
        kind = message[at]
        if kind == TEXT:
            start = at + 5
            at = start + number(message[at + 1 : start], "big")
            add(message[start:at])
        else:
            at += 1
            add(None)
            if kind != NULL:
                unchanged |= 1 << place
    return unchanged, at


def _text(message: bytes, at: int) -> tuple[str, int]:
    """A text that ends with a zero byte, and what comes after it."""
    end = message.index(0, at)
    return message[at:end].decode(), end + 1
