"""Events as MySQL 8 writes them, taken without a server: they differ from MariaDB's in places."""

from __future__ import annotations

import struct
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from turnout.errors import SourceRefused
from turnout.sync.mysql.binlog import Event, Kind
from turnout.sync.mysql.charsets import Charsets
from turnout.sync.mysql.gathering import Gathering, Watched
from turnout.sync.mysql.position import MySQLDone
from turnout.sync.mysql.types import SourceType, reading
from turnout.sync.selection import SelectedTable
from turnout.sync.source import Shape, SourceTable

SERVER = "3e11fa47-71ca-11e1-9e33-c80aa9429562"
AT = datetime(2026, 1, 2, 3, 4, 5, 678_901, tzinfo=UTC)
AT_US = int(AT.timestamp()) * 1_000_000 + 678_901
SELECTED = SelectedTable("public", "company", ("id", "doc"))
TABLE_ID = b"\x6c\x00\x00\x00\x00\x00"
# int, text, json: what is said of them, that `name` is in utf8mb4, and their names.
MAP = (
    TABLE_ID
    + b"\x01\x00\x03app\x00\x07company\x00\x03\x03\xfc\xf5\x02\x02\x04\x06"
    + b"\x01\x01\x00"
    + b"\x02\x01\x2d"
    + b"\x04\x0c\x02id\x04name\x03doc"
    + b"\x08\x01\x00"
)
# {"a": 1, "b": "ñ"} in MySQL's own form.
DOCUMENT = (
    b"\x00"
    + struct.pack("<HHHHHHBHBH", 2, 23, 18, 1, 19, 1, 5, 1, 12, 20)
    + b"ab"
    + b"\x02\xc3\xb1"
)


def event(kind: Kind, body: bytes = b"", at: int = 100) -> Event:
    return Event(int(AT.timestamp()), kind, 1, body, "binlog.000001", at)


def gtid(number: int) -> Event:
    head = b"\x00" + uuid.UUID(SERVER).bytes + struct.pack("<QBQQ", number, 2, 7, 8)
    # The bit that says another instant follows, which is that of the first server.
    instants = (AT_US | 1 << 55).to_bytes(7, "little") + (5).to_bytes(7, "little")
    return event(Kind.GTID, head + instants)


def query(sql: str) -> Event:
    return event(Kind.QUERY, struct.pack("<IIBHH", 9, 0, 3, 0, 0) + b"app\x00" + sql.encode())


def rows(kind: Kind, *images: bytes) -> Event:
    bitmaps = b"\xff" * (2 if kind == Kind.UPDATE else 1)
    # Besides: how long what else is said is, with these two bytes themselves and three more.
    return event(kind, TABLE_ID + b"\x01\x00\x05\x00\x01\x00\x00\x03" + bitmaps + b"".join(images))


def image(number: int, name: str, document: bytes | None) -> bytes:
    nulls = b"\x04" if document is None else b"\x00"
    text = struct.pack("<iH", number, len(name)) + name.encode()
    said = b"" if document is None else struct.pack("<I", len(document)) + document
    return nulls + text + said


def transaction(number: int, *events: Event) -> Iterator[Event]:
    yield gtid(number)
    yield query("BEGIN")
    yield event(Kind.TABLE_MAP, MAP)
    yield from events
    yield event(Kind.XID, b"\x00" * 8, at=1000 + number)


@pytest.fixture
def gathering() -> Gathering:
    readings = [
        reading("id", "`id`", SourceType("int", "int")),
        reading("doc", "`doc`", SourceType("json", "json")),
    ]
    columns = tuple(each.column for each in readings)
    table = SourceTable(SELECTED, columns, 0, Shape("company", ("id",), {}))
    charsets = Charsets({45: "utf8mb4"}, {})
    watched = {("app", "company"): Watched(table, readings)}
    return Gathering(watched, MySQLDone(f"{SERVER}:1-5"), charsets)


def take(gathering: Gathering, events: Iterator[Event]) -> list[dict[str, object]]:
    for each in events:
        gathering.take(each)
    return [row for changes in gathering.taken() for row in changes.rows.to_pylist()]


def test_rows_are_read_with_the_instant_of_their_commit(gathering: Gathering) -> None:
    before, after = image(1, "Acme", DOCUMENT), image(2, "Acme", None)
    happened = [rows(Kind.WRITE, before), rows(Kind.UPDATE, before, after)]
    found = take(gathering, transaction(6, *happened, rows(Kind.DELETE, after)))
    assert [(row["_op"], row["id"], row["doc"]) for row in found] == [
        (1, 1, '{"a": 1, "b": "ñ"}'),
        (2, 1, None),
        (1, 2, None),
        (2, 2, None),
    ]
    assert {row["_at"] for row in found} == {AT.replace(tzinfo=None)}
    assert gathering.done.gtids == f"{SERVER}:1-6"
    assert (gathering.file, gathering.offset) == ("binlog.000001", 1006)
    assert not gathering.is_open


def test_what_was_applied_before_is_not_applied_again(gathering: Gathering) -> None:
    row = rows(Kind.WRITE, image(1, "Acme", None))
    assert take(gathering, transaction(5, row)) == []
    assert len(take(gathering, transaction(6, row))) == 1


def test_a_statement_by_itself_is_a_transaction(gathering: Gathering) -> None:
    (emptied,) = take(gathering, iter([gtid(6), query("TRUNCATE TABLE company")]))
    assert emptied["_op"] == 3
    assert gathering.done.gtids == f"{SERVER}:1-6"


def test_a_prepared_transaction_counts_when_it_is_committed(gathering: Gathering) -> None:
    row = rows(Kind.WRITE, image(1, "Acme", None))
    started = [gtid(6), query("XA START X'61',X'',1"), event(Kind.TABLE_MAP, MAP), row]
    ended = [query("XA END X'61',X'',1"), event(Kind.XA_PREPARE, b"\x00" * 14)]
    assert take(gathering, iter([*started, *ended])) == []
    assert gathering.torn == {}
    take(gathering, iter([gtid(7), query("XA COMMIT X'61',X'',1")]))
    assert list(gathering.torn) == [SELECTED]
    assert gathering.done.gtids == f"{SERVER}:1-7"


def test_columns_without_names_are_not_guessed(gathering: Gathering) -> None:
    nameless = MAP[: MAP.index(b"\x04\x0c\x02id")]
    row = rows(Kind.WRITE, image(1, "Acme", None))
    events = [gtid(6), query("BEGIN"), event(Kind.TABLE_MAP, nameless), row]
    assert take(gathering, iter(events)) == []
    assert "without the names of its columns" in gathering.torn[SELECTED]


def test_a_row_that_ends_elsewhere_is_not_believed(gathering: Gathering) -> None:
    row = rows(Kind.WRITE, image(1, "Acme", DOCUMENT)[:-3])
    assert take(gathering, transaction(6, row)) == []
    assert "is not what its columns' types say" in gathering.torn[SELECTED]


@pytest.mark.parametrize("kind", [Kind.ANONYMOUS, Kind.PAYLOAD, Kind.PARTIAL_UPDATE, Kind.TAGGED])
def test_what_cannot_be_read_stops_the_stream(gathering: Gathering, kind: Kind) -> None:
    with pytest.raises(SourceRefused, match="The log has"):
        gathering.take(event(kind))
