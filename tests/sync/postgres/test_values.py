"""A value that arrives by a change is the value that a whole copy brings."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st
from psycopg import sql

from tests.sync.followed import Followed
from turnout.config import TableSelection
from turnout.demo.cluster import Cluster
from turnout.errors import SourceRefused
from turnout.sync.postgres.arrays import to_json
from turnout.sync.postgres.types import SourceType
from turnout.sync.postgres.values import ColumnValues
from turnout.warehouse import Warehouse

# Per type values as SQL spells them; NULL is one of each.
KINDS = {
    "boolean": ["true", "false"],
    "smallint": ["-32768"],
    "bigint": ["9223372036854775807", "-9223372036854775808"],
    "real": ["0.1", "'NaN'", "'-Infinity'", "1e-30"],
    "double precision": ["0.1", "'Infinity'", "1e308", "'NaN'"],
    "numeric(12,2)": ["-0.01", "9999999999.99", "'NaN'"],
    "numeric(2,-3)": ["99000"],
    "numeric(3,5)": ["0.00999"],
    "numeric": ["'NaN'", "123456789012345678901234567890123456789012.5"],
    "numeric(40,2)": ["1.5"],
    "money": ["1234567.89", "-0.5"],
    "oid": ["4294967295"],
    "text": [
        "''",
        "'NULL'",
        "E'it''s\\n\\t\"quoted\" \\\\'",
        "'👩🏽‍💻 漢字'",
        "repeat('long', 3000)",
    ],
    "char(5)": ["'ab'", "''"],
    "varchar(5)": ["'a   '"],
    "uuid": ["'00000000-0000-4000-8000-00000000000a'"],
    "bytea": [r"'\x00ff7e'", "''"],
    "date": ["'2026-02-28'", "'infinity'", "'0044-03-15 BC'", "'12345-06-07'", "'0001-01-01'"],
    "time": ["'24:00:00'", "'01:02:03.000004'", "'00:00'"],
    "timetz": ["'01:02:03+05:30'"],
    "timestamp": [
        "'2026-01-02 03:04:05.000006'",
        "'-infinity'",
        "'0044-03-15 BC'",
        "'20000-01-01 00:00:00.5'",
        "'294246-12-31 23:59:59.999999'",
    ],
    "timestamptz": ["'2026-01-02 03:04:05.000006+02'", "'infinity'", "'10000-01-01 00:00+00'"],
    "interval": ["'1 year -2 mons 3 days -04:05:06.7'", "'0'"],
    "json": ['\'{"b": 1.50, "a": [1, "x"]}\'', "'null'"],
    "jsonb": ['\'{"b": 1.50, "a": [1, "x"]}\'', "'null'"],
    "json /* keys */": [
        """'{"bb": {"long": 1e3, "b": [1.50, -0.0, "ü"]}, "a": null, "email": "x"}'""",
        "'[1]'",
        "'{}'",
    ],
    "jsonb /* keys */": ["""'{"bb": 1.50, "a": {"z": 1, "yy": 2}, "email": "x"}'""", "'null'"],
    "int[]": ["'{}'", "'{1,NULL,3}'", "'{{1,2},{3,4}}'", "'[2:3]={7,8}'"],
    "text[]": ["""E'{"a b",NULL,"NULL","q\\\\"uote","back\\\\\\\\slash",""," ünï","{}"}'"""],
    "boolean[]": ["'{t,f}'"],
    "numeric[]": ["'{1.50,NaN}'"],
    "float8[]": ["'{1.5,Infinity,1e300}'"],
    "timestamp[]": ["""'{"2026-01-02 03:04:05",infinity}'"""],
    "timestamptz[]": ["""'{"2026-01-02 03:04:05.5+00"}'"""],
    "date[]": ["'{2026-01-02}'"],
    "jsonb[]": ["""ARRAY['{"a": "b,c"}', 'null', '"x"']::jsonb[]"""],
    "uuid[]": ["'{00000000-0000-4000-8000-00000000000a}'"],
    "inet": ["'10.0.0.1'", "'10.0.0.0/8'"],
    "cidr": ["'10.0.0.0/8'"],
    "macaddr": ["'08:00:2b:01:02:03'"],
    "bit(4)": ["'1010'"],
    "point": ["'(1,2)'"],
    "int4range": ["'[1,5)'", "'empty'"],
    "tsvector": ["'a:1 b:2'"],
    "mood": ["'happy'"],
    "mood[]": ["'{happy,\"very sad\"}'"],
    "pair": ["ROW(1, 'a b')::pair"],
    "amount": ["1.25"],
}
TYPES = """
CREATE TYPE mood AS ENUM ('happy', 'very sad');
CREATE TYPE pair AS (number int, word text);
CREATE DOMAIN amount AS numeric(8,3) CHECK (VALUE > 0);
"""


@pytest.fixture
def followed(cluster: Cluster, database: str, warehouse: Warehouse) -> Iterator[Followed]:
    followed = Followed(cluster, database, f"reader_{uuid.uuid4().hex[:12]}", warehouse)
    cluster.create_role(followed.reader)
    yield followed
    followed.run(f"SELECT pg_drop_replication_slot('{followed.slot}')")
    with cluster.connect(database) as connection:
        role = sql.Identifier(followed.reader)
        connection.execute(sql.SQL("DROP OWNED BY {}").format(role))
        connection.execute(sql.SQL("DROP ROLE {}").format(role))


def test_every_value_is_the_same_by_either_way(followed: Followed) -> None:
    names = {f"c{place}": kind for place, kind in enumerate(KINDS)}
    depth = max(map(len, KINDS.values()))
    followed.tables = {
        "every": TableSelection(
            ["id", *names],
            mode="log",
            personal=dict.fromkeys(names, "only a test"),
            json_keys={name: ["bb", "a"] for name, kind in names.items() if "keys" in kind},
        )
    }
    definitions = ", ".join(f"{name} {kind}" for name, kind in names.items())
    followed.run(TYPES, f"CREATE TABLE every (id int PRIMARY KEY, {definitions})")
    written = []
    for turn in range(depth + 1):
        values = [KINDS[kind][turn] if turn < len(KINDS[kind]) else "NULL" for kind in KINDS]
        written.append(f"({turn}, {', '.join(values)})")
    followed.run(f"INSERT INTO every VALUES {', '.join(written)}")
    followed.prepare()
    followed.capture()
    followed.run(
        "INSERT INTO every SELECT id + 100, " + ", ".join(names) + " FROM every",
    )
    followed.capture()
    said = ", ".join(f"{name}::varchar AS {name}" for name in ["id", *names])
    rows_here = sorted(followed.rows(said, "every"), key=lambda row: int(row["id"]))
    copied, changed = rows_here[: depth + 1], rows_here[depth + 1 :]
    for before, after in zip(copied, changed, strict=True):
        for name, kind in names.items():
            assert after[name] == before[name], kind
    lost = followed.warehouse.query("SELECT lost FROM _turnout.sync_tables")["lost"][0].as_py()
    counts = {names[name]: count for name, count in json.loads(lost).items()}
    # Each was lost once by the copy and once by the change.
    assert counts == {"numeric(12,2)": 2, "date": 4, "timestamp": 4, "timestamptz": 2}


@given(st.lists(st.none() | st.text(st.characters(exclude_characters="\0")), max_size=6))
def test_an_array_of_text_is_read_back_whatever_is_in_it(texts: list[str | None]) -> None:
    written = ",".join(
        "NULL" if text is None else '"' + text.replace("\\", r"\\").replace('"', r"\"") + '"'
        for text in texts
    )
    assert json.loads(to_json("{" + written + "}", "text")) == texts


def test_only_the_chosen_keys_of_a_document_are_kept() -> None:
    source = SourceType("jsonb", "b", "U", True, -1)
    values, lost = ColumnValues("about", source, keys=["plan", "seats"]).arrow(
        [b'{"plan": "pro", "email": "alice@acme.example", "seats": 1.50}', b"[1]", None]
    )
    assert [None if v is None else json.loads(v) for v in values.to_pylist()] == [
        {"plan": "pro", "seats": 1.5},
        None,
        None,
    ]
    assert lost == 0
    nothing, _ = ColumnValues("about", source, keys=[]).arrow([b'{"email": "alice@acme.example"}'])
    assert nothing.to_pylist() == ["{}"]


def test_bytes_that_are_no_text_are_refused_without_being_quoted() -> None:
    source = SourceType("text", "b", "S", True, -1)
    with pytest.raises(SourceRefused) as refused:
        ColumnValues("name", source).arrow([b"Acme \xff"])
    assert "Acme" not in str(refused.value)
    assert "name" in str(refused.value)
