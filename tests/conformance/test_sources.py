"""What every source must promise: values arrive exactly, or are empty and counted."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from turnout import sync
from turnout.config import Source, TableSelection
from turnout.demo.cluster import Cluster
from turnout.warehouse import Column, Type, Warehouse
from turnout.warehouse.duckdb import DuckDB

SECRET = b"s" * 32
LONG = "x" * 65_536


@dataclass(frozen=True)
class Kind:
    """A type of the source, values as its SQL spells them, and the warehouse's text of each."""

    name: str
    values: dict[str, str | None]
    column: Column
    lost: int = 0


def kind(
    name: str, type_: Type, values: dict[str, str | None], *decimal: int, lost: int = 0
) -> Kind:
    return Kind(name, values, Column("value", type_, *decimal), lost)


def same(*values: str) -> dict[str, str | None]:
    """Values whose text is the same on both sides."""
    return {"'" + value.replace("'", "''") + "'": value for value in values}


POSTGRES = [
    kind("boolean", Type.BOOLEAN, same("true", "false")),
    kind("smallint", Type.INTEGER, same("32767", "-32768", "0")),
    kind("integer", Type.INTEGER, same("2147483647", "-2147483648")),
    kind("bigint", Type.INTEGER, same("9223372036854775807", "-9223372036854775808")),
    kind("real", Type.FLOAT, {"'0.5'": "0.5", "'NaN'": "nan", "'-Infinity'": "-inf"}),
    kind(
        "double precision",
        Type.FLOAT,
        {"'0.1'": "0.1", "'NaN'": "nan", "'Infinity'": "inf", "'1e308'": "1e+308"},
    ),
    kind(
        "numeric(12,2)",
        Type.DECIMAL,
        {"'9999999999.99'": "9999999999.99", "'-0.01'": "-0.01", "'NaN'": None},
        12,
        2,
        lost=1,
    ),
    kind("numeric(38,10)", Type.DECIMAL, same("9" * 28 + "." + "9" * 10, "0.0000000001"), 38, 10),
    kind("numeric(3,5)", Type.DECIMAL, {"'0.00999'": ".00999"}, 5, 5),
    kind("numeric(2,-3)", Type.DECIMAL, same("99000"), 5, 0),
    kind("numeric", Type.TEXT, same("9" * 60 + ".000000000000001", "NaN", "Infinity")),
    kind("numeric(40,2)", Type.TEXT, same("9" * 38 + ".99")),
    kind("money", Type.DECIMAL, {"'1234567.89'::numeric": "1234567.89"}, 19, 2),
    kind("oid", Type.INTEGER, same("4294967295")),
    kind(
        "text",
        Type.TEXT,
        {
            "''": "",
            """'it''s "quoted" \\ , ; -- $1'""": """it's "quoted" \\ , ; -- $1""",
            "E'line\\nline\\ttab\\r'": "line\nline\ttab\r",
            "'👩🏽‍💻 ñ 漢字'": "👩🏽‍💻 ñ 漢字",
            "'NULL'": "NULL",
            f"'{LONG}'": LONG,
        },
    ),
    kind("varchar(5)", Type.TEXT, same("abcde", "")),
    kind("character(5)", Type.TEXT, {"'ab'": "ab"}),
    kind("name", Type.TEXT, same("n" * 63)),
    kind("mood", Type.TEXT, same("so so", "it is 'fine'")),
    kind("email", Type.TEXT, same("alice@acme.example")),
    kind("price", Type.DECIMAL, same("12.30"), 10, 2),
    kind("dear_price", Type.DECIMAL, same("112.30"), 10, 2),
    kind("prices", Type.JSON, {"'{1.5,2}'": "[1.50,2.00]"}),
    kind("uuid", Type.TEXT, same("6e0b0a3c-0000-4000-8000-ffffffffffff")),
    kind("bytea", Type.BYTES, {"''": "", r"'\x00ff27'": r"\x00\xFF\x27"}),
    kind(
        "date",
        Type.DATE,
        {
            "'0001-01-01'": "0001-01-01",
            "'5874897-12-31'": "5874897-12-31",
            "'infinity'": None,
            "'-infinity'": None,
            "'0044-03-15 BC'": None,
        },
        lost=3,
    ),
    kind(
        "timestamp",
        Type.TIME,
        {
            "'0001-01-01'": "0001-01-01 00:00:00",
            "'2026-02-28 23:59:59.999999'": "2026-02-28 23:59:59.999999",
            "'294246-12-31 23:59:59.999999'": "294246-12-31 23:59:59.999999",
            "'infinity'": None,
            "'-infinity'": None,
            "'4713-01-01 BC'": None,
            "'294276-12-31'": None,
        },
        lost=4,
    ),
    kind(
        "timestamptz",
        Type.TIME,
        {
            "'2026-03-29 03:30:00+02'": "2026-03-29 01:30:00",
            "'0001-01-01 00:00:00+00'": "0001-01-01 00:00:00",
            "'1969-12-31 23:59:59.999999+00'": "1969-12-31 23:59:59.999999",
            "'infinity'": None,
            "'0001-01-01 00:00:00+14'": None,
        },
        lost=2,
    ),
    kind("time", Type.CLOCK, same("00:00:00", "23:59:59.999999", "24:00:00")),
    kind("timetz", Type.TEXT, same("12:00:00+05:30")),
    kind(
        "interval",
        Type.INTERVAL,
        {
            "'1 year 2 months -3 days 04:05:06.000007'": "1 year 2 months -3 days 04:05:06.000007",
            "'178000000 years'": "178000000 years",
            "'-1 microsecond'": "-00:00:00.000001",
            "'infinity'": None,
        },
        lost=1,
    ),
    kind("json", Type.JSON, {"""'{"a":  1, "a": 2}'""": '{"a":  1, "a": 2}', "'null'": "null"}),
    kind("jsonb", Type.JSON, {"""'{"b": 1, "a": "ñ"}'""": '{"a": "ñ", "b": 1}', "'null'": "null"}),
    kind("integer[]", Type.JSON, {"'{1,NULL,3}'": "[1,null,3]", "'{}'": "[]"}),
    kind("integer[][]", Type.JSON, {"'{{1,2},{3,4}}'": "[[1,2],[3,4]]"}),
    kind("text[]", Type.JSON, {"""ARRAY['a,"b', '']""": '["a,\\"b",""]'}),
    kind("mood[]", Type.JSON, {"ARRAY['so so'::mood]": '["so so"]'}),
    kind(
        "timestamptz[]", Type.JSON, {"'{2026-01-01 00:00:00+00}'": '["2026-01-01T00:00:00+00:00"]'}
    ),
    kind("place", Type.TEXT, {"ROW(1, 'a b')::place": '(1,"a b")'}),
    kind("int4range", Type.TEXT, same("[1,10)", "empty")),
    kind("inet", Type.TEXT, same("192.168.0.1", "192.168.0.1/24", "::1")),
    kind("cidr", Type.TEXT, same("10.0.0.0/8")),
    kind("macaddr", Type.TEXT, same("08:00:2b:01:02:03")),
    kind("bit(3)", Type.TEXT, {"B'101'": "101"}),
    kind("point", Type.TEXT, same("(1.5,-2)")),
    kind("tsvector", Type.TEXT, {"'fat cat'": "'cat' 'fat'"}),
    kind("regclass", Type.TEXT, {"'pg_class'": "pg_class"}),
    kind('"char"', Type.TEXT, same("x")),
]

DEFINITIONS = """
CREATE TYPE mood AS ENUM ('so so', 'it is ''fine''');
CREATE TYPE place AS (number int, street text);
CREATE DOMAIN email AS text CHECK (VALUE LIKE '%@%');
CREATE DOMAIN price AS numeric(10,2);
CREATE DOMAIN dear_price AS price CHECK (VALUE > 100);
CREATE DOMAIN prices AS numeric(10,2)[];
"""


@dataclass(frozen=True)
class Copied:
    warehouse: Warehouse
    run: sync.Run


@pytest.fixture(scope="module")
def copied(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Copied]:
    """One table per type, filled with its values and a NULL, copied from a follower."""
    database = "conformance"
    with cluster.connect("postgres") as connection:
        connection.execute("CREATE DATABASE conformance")
    with cluster.connect(database) as connection:
        connection.execute(DEFINITIONS)
        for number, each in enumerate(POSTGRES):
            fill(connection, f"t{number}", each)
    cluster.wait_replayed()
    tables = {f"t{number}": TableSelection(["id", "value"]) for number in range(len(POSTGRES))}
    source = Source(url=cluster.follower_url(database=database), tables=tables)
    folder = tmp_path_factory.mktemp("warehouse")
    warehouse = DuckDB(folder / "w.duckdb", memory_bytes_max=512 * 1024**2, threads=2)
    yield Copied(warehouse, sync.copy("conformance", source, warehouse, secret=SECRET))
    warehouse.close()


def fill(connection: object, table: str, each: Kind) -> None:
    values = ", ".join(f"({n}, ({text})::{each.name})" for n, text in enumerate(each.values))
    connection.execute(f"CREATE TABLE {table} (id int, value {each.name})")  # type: ignore[attr-defined]
    connection.execute(f"INSERT INTO {table} VALUES {values}, (-1, NULL)")  # type: ignore[attr-defined]


@pytest.mark.parametrize("number", range(len(POSTGRES)), ids=[each.name for each in POSTGRES])
def test_postgres_values_arrive_exactly_or_are_counted(copied: Copied, number: int) -> None:
    each = POSTGRES[number]
    answer = copied.warehouse.query(
        f"SELECT value::VARCHAR AS value FROM userdata.t{number} ORDER BY id"
    )
    assert answer["value"].to_pylist() == [None, *each.values.values()]
    (table,) = [t for t in copied.warehouse.tables("userdata") if t.name == f"t{number}"]
    assert table.column("value") == each.column
    assert copied.run.tables[number].lost == ({"value": each.lost} if each.lost else {})


def test_lost_values_are_remembered_with_the_run(copied: Copied) -> None:
    lost = sum(each.lost for each in POSTGRES)
    assert copied.run.lost_values == lost
    assert f"{lost} values that no column can hold left empty" in copied.run.sentence
    kept = copied.warehouse.query("SELECT lost_values, details FROM _turnout.sync_runs")
    assert kept["lost_values"].to_pylist() == [lost]
