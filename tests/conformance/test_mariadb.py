"""MariaDB's values arrive exactly, or are empty and counted: in a copy, and by the log."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import pytest

from tests.conformance.test_sources import LONG, Kind, kind, same
from tests.sync.mysql.server import MariaDB
from turnout import sync
from turnout.config import Source, TableSelection
from turnout.warehouse import Column, Type, Warehouse
from turnout.warehouse.duckdb import DuckDB

SECRET = b"s" * 32
DIGITS_65 = "9" * 35 + "." + "9" * 30

MARIADB = [
    kind("tinyint(1)", Type.INTEGER, same("2", "-128", "0", "1")),
    kind("tinyint unsigned", Type.INTEGER, same("255")),
    kind("smallint", Type.INTEGER, same("32767", "-32768")),
    kind("mediumint", Type.INTEGER, same("8388607", "-8388608")),
    kind("mediumint unsigned", Type.INTEGER, same("16777215")),
    kind("int", Type.INTEGER, same("2147483647", "-2147483648")),
    kind("int unsigned", Type.INTEGER, same("4294967295")),
    kind("int(6) zerofill", Type.INTEGER, {"42": "42"}),
    kind("bigint", Type.INTEGER, same("9223372036854775807", "-9223372036854775808")),
    kind("bigint unsigned", Type.DECIMAL, same("18446744073709551615", "0"), 20, 0),
    kind("bit(1)", Type.INTEGER, {"b'1'": "1", "b'0'": "0"}),
    kind("bit(10)", Type.INTEGER, {"b'1000000001'": "513"}),
    kind("bit(64)", Type.DECIMAL, {"18446744073709551615": "18446744073709551615"}, 20, 0),
    kind("decimal(12,2)", Type.DECIMAL, same("9999999999.99", "-0.01", "0.00", "-9.50"), 12, 2),
    kind("decimal(38,10)", Type.DECIMAL, same("9" * 28 + "." + "9" * 10), 38, 10),
    kind("decimal(5,5)", Type.DECIMAL, {"-0.00999": "-.00999"}, 5, 5),
    kind("decimal(10,0)", Type.DECIMAL, same("-1234567890", "0"), 10, 0),
    kind("decimal(65,30)", Type.TEXT, same(DIGITS_65, f"-{DIGITS_65}", "0." + "0" * 29 + "1")),
    kind("float", Type.FLOAT, {"0.5": "0.5", "16777218": "16777218.0", "-0.25": "-0.25"}),
    kind("float(7,3)", Type.FLOAT, {"1.5": "1.5"}),
    kind("double", Type.FLOAT, {"0.1": "0.1", "1e308": "1e+308", "-5e-300": "-5e-300"}),
    kind("year", Type.INTEGER, {"1901": "1901", "2155": "2155", "'0000'": "0"}),
    kind(
        "date",
        Type.DATE,
        {
            "'0001-01-01'": "0001-01-01",
            "'9999-12-31'": "9999-12-31",
            "'2024-02-29'": "2024-02-29",
            "'0000-00-00'": None,
            "'2026-00-10'": None,
            "'2026-02-30'": None,
            "'2023-02-29'": None,
            "'1900-02-29'": None,
            "'0000-05-05'": None,
        },
        lost=6,
    ),
    kind(
        "datetime(6)",
        Type.TIME,
        {
            "'0001-01-01'": "0001-01-01 00:00:00",
            "'2026-02-28 23:59:59.999999'": "2026-02-28 23:59:59.999999",
            "'9999-12-31 23:59:59.999999'": "9999-12-31 23:59:59.999999",
            "'0000-00-00 00:00:00'": None,
            "'2026-01-00 10:00:00'": None,
        },
        lost=2,
    ),
    kind("datetime", Type.TIME, same("2026-02-28 23:59:59")),
    kind("datetime(3)", Type.TIME, {"'2026-02-28 23:59:59.5'": "2026-02-28 23:59:59.5"}),
    kind(
        "timestamp(6) NULL",
        Type.TIME,
        {
            # As an instant: the session that wrote it was in another time zone.
            "'2026-03-29 03:30:00'": "2026-03-28 22:00:00",
            "'2038-01-19 03:14:07.999999'": "2038-01-18 21:44:07.999999",
            "'0000-00-00 00:00:00'": None,
        },
        lost=1,
    ),
    kind("timestamp(2) NULL", Type.TIME, {"'2026-01-01 05:30:00.25'": "2026-01-01 00:00:00.25"}),
    kind(
        "time(6)",
        Type.INTERVAL,
        {
            "'838:59:59.999999'": "838:59:59.999999",
            "'-838:59:59.000001'": "-838:59:59.000001",
            "'-00:00:00.5'": "-00:00:00.5",
            "'00:00:00'": "00:00:00",
        },
    ),
    kind("time", Type.INTERVAL, same("838:59:59", "-01:02:03")),
    kind("time(1)", Type.INTERVAL, {"'-10:00:00.9'": "-10:00:00.9"}),
    kind(
        "text CHARACTER SET utf8mb4",
        Type.TEXT,
        {
            "''": "",
            """'it''s "quoted" \\\\ , ; -- $1 %s'""": """it's "quoted" \\ , ; -- $1 %s""",
            "'line\\nline\\ttab\\r'": "line\nline\ttab\r",
            "'👩🏽‍💻 ñ 漢字'": "👩🏽‍💻 ñ 漢字",
            "'NULL'": "NULL",
            f"'{LONG[:65_000]}'": LONG[:65_000],
        },
    ),
    kind("varchar(5)", Type.TEXT, {"'abcde'": "abcde", "''": "", "'a  '": "a  "}),
    kind("varchar(300)", Type.TEXT, same("x" * 300)),
    kind("char(5)", Type.TEXT, {"'ab  '": "ab", "''": "", "'漢字漢字漢'": "漢字漢字漢"}),
    kind("char(255)", Type.TEXT, same("漢" * 255)),
    kind("varchar(20) CHARACTER SET latin1", Type.TEXT, same("ñ€ÿ")),
    kind("char(20) CHARACTER SET latin2", Type.TEXT, same("łŁż")),
    kind("text CHARACTER SET cp1251", Type.TEXT, same("Привет")),
    kind("text CHARACTER SET koi8r", Type.TEXT, same("Привет")),
    kind("varchar(20) CHARACTER SET ucs2", Type.TEXT, same("漢字")),
    kind("varchar(20) CHARACTER SET utf16", Type.TEXT, same("漢👩")),
    kind("varchar(20) CHARACTER SET utf32", Type.TEXT, same("漢👩")),
    kind("varchar(20) CHARACTER SET utf8mb3", Type.TEXT, same("漢字")),
    kind("text CHARACTER SET ascii", Type.TEXT, same("plain")),
    kind("binary(4)", Type.BYTES, {"x'0100'": r"\x01\x00\x00\x00", "x'00000000'": r"\x00" * 4}),
    kind("varbinary(10)", Type.BYTES, {"x'00ff00'": r"\x00\xFF\x00", "''": ""}),
    kind("blob", Type.BYTES, {"''": "", "x'00ff27'": r"\x00\xFF\x27"}),
    kind("longblob", Type.BYTES, {"x'fe'": r"\xFE"}),
    kind(
        "enum('so so','it is ''fine''','ñ') CHARACTER SET latin1",
        Type.TEXT,
        {"'so so'": "so so", "'it is ''fine'''": "it is 'fine'", "'ñ'": "ñ", "0": ""},
    ),
    kind(
        "set('a','b','c d')",
        Type.TEXT,
        {"'a,c d'": "a,c d", "''": "", "'b'": "b"},
    ),
    kind("json", Type.TEXT, {"""'{"b":  1, "a": "ñ"}'""": '{"b":  1, "a": "ñ"}', "'null'": "null"}),
    kind(
        "uuid",
        Type.TEXT,
        same(
            "123e4567-e89b-12d3-a456-426655440000",
            "6e0b0a3c-0000-4000-8000-ffffffffffff",
            "018f2f5e-7b5a-7cc0-98c5-dcb4f9fd5b2a",
            "ffffffff-ffff-ffff-ffff-ffffffffffff",
            "00000000-0000-0000-0000-000000000000",
        ),
    ),
    kind("inet6", Type.TEXT, same("::1", "2001:db8::ff00:42:8329", "::")),
    kind("inet4", Type.TEXT, same("192.168.0.1", "0.0.0.0")),
]
# Only a copy can read these: the log has the server's own form of them.
COPIED_ONLY = [
    kind("point", Type.TEXT, {"POINT(1.5, -2)": "POINT(1.5 -2)"}),
    kind("text CHARACTER SET gbk", Type.TEXT, same("漢字")),
    kind("text CHARACTER SET sjis", Type.TEXT, same("日本")),
    kind("text COMPRESSED", Type.TEXT, same("x" * 500)),
]


@dataclass(frozen=True)
class Copied:
    warehouse: Warehouse
    copied: sync.Run
    captured: sync.Captured


@pytest.fixture(scope="module")
def copied(mariadb: MariaDB, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Copied]:
    """A column per type, in two tables: copied, and the first followed from when it was empty."""
    database = "conformance"
    kinds = {"followed": MARIADB, "other": COPIED_ONLY}
    mariadb.run(f"CREATE DATABASE {database}")
    mariadb.run(*(create(*each) for each in kinds.items()), database=database)
    columns = {table: ["id", *names(of)] for table, of in kinds.items()}
    settings: dict[str, Any] = {
        "url": mariadb.url(database=database), "accept_leader": True, "retries": 0
    }  # fmt: skip
    followed = Source(
        **settings,
        schema="followed",
        accept_unfiltered_stream=True,
        tables={"followed": TableSelection(columns["followed"], mode="log")},
    )
    whole = {table: TableSelection(columns[table]) for table in kinds}
    folder = tmp_path_factory.mktemp("warehouse")
    warehouse = DuckDB(folder / "w.duckdb", memory_bytes_max=512 * 1024**2, threads=2)
    capturing = sync.Capturing("followed", followed, warehouse, secret=SECRET)
    capturing.once()
    mariadb.run(
        # Another zone than the server's and ours, and days that are none.
        "SET time_zone = '+05:30', sql_mode = 'ALLOW_INVALID_DATES'",
        *(row for each in kinds.items() for row in inserts(*each)),
        database=database,
    )
    captured = capturing.once()
    capturing.close()
    run = sync.copy("copied", Source(**settings, tables=whole), warehouse, secret=SECRET)
    yield Copied(warehouse, run, captured)
    warehouse.close()
    mariadb.run(f"DROP DATABASE {database}")


def names(kinds: list[Kind]) -> list[str]:
    return [f"v{number}" for number in range(len(kinds))]


def create(table: str, kinds: list[Kind]) -> str:
    columns = ", ".join(
        f"{name} {each.name}" for name, each in zip(names(kinds), kinds, strict=True)
    )
    return f"CREATE TABLE {table} (id int PRIMARY KEY, {columns})"


def inserts(table: str, kinds: list[Kind]) -> Iterator[str]:
    """A row with the first value of each type, one with the second, …, until all are NULL."""
    count = max(len(each.values) for each in kinds)
    for row in range(count + 1):
        values = [[*each.values, *["NULL"] * (count + 1)][row] for each in kinds]
        yield f"INSERT INTO {table} VALUES ({row}, {', '.join(values)})"


@pytest.mark.parametrize(
    ("table", "number", "each"),
    [
        *(("followed", number, each) for number, each in enumerate(MARIADB)),
        *(("other", number, each) for number, each in enumerate(COPIED_ONLY)),
    ],
    ids=[each.name for each in [*MARIADB, *COPIED_ONLY]],
)
def test_values_arrive_exactly_or_are_counted(
    copied: Copied, table: str, number: int, each: Kind
) -> None:
    found = values(copied, f"userdata.{table}", number)
    assert found[: len(each.values)] == [*each.values.values()]
    assert set(found[len(each.values) :]) == {None}
    assert column(copied, "userdata", table, number) == each.column
    (run,) = [one for one in copied.copied.tables if one.name == table]
    assert run.lost.get(f"v{number}", 0) == each.lost


@pytest.mark.parametrize("number", range(len(MARIADB)), ids=[each.name for each in MARIADB])
def test_values_are_the_same_by_the_log(copied: Copied, number: int) -> None:
    assert values(copied, "followed.followed", number) == values(
        copied, "userdata.followed", number
    )
    assert column(copied, "followed", "followed", number) == MARIADB[number].column


def test_values_that_are_lost_by_the_log_are_counted_too(copied: Copied) -> None:
    assert copied.captured.problems == {}
    lost = copied.warehouse.query("SELECT lost FROM _turnout.sync_tables WHERE source = 'followed'")
    counted = json.loads(lost["lost"][0].as_py())
    assert counted == {f"v{n}": each.lost for n, each in enumerate(MARIADB) if each.lost}


def values(copied: Copied, table: str, number: int) -> list[str | None]:
    sql = f"SELECT v{number}::VARCHAR AS value FROM {table} ORDER BY id"
    found: list[str | None] = copied.warehouse.query(sql)["value"].to_pylist()
    return found


def column(copied: Copied, schema: str, table: str, number: int) -> Column | None:
    """What the column is in the warehouse, by the name that `Kind` gives every column."""
    (there,) = [each for each in copied.warehouse.tables(schema) if each.name == table]
    found = there.column(f"v{number}")
    return replace(found, name="value") if found else None
