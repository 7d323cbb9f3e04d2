"""What every engine must promise. A new engine is one more entry in `ENGINES`."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import date, datetime, time
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

import pyarrow as pa
import pytest

from turnout.config import load_config
from turnout.errors import QueryFailed, WarehouseUnavailable
from turnout.warehouse import Column, Table, Type, Warehouse, open_warehouse, staging

Open = Callable[[], Warehouse]


ENGINES = {"duckdb": "duckdb:warehouse.duckdb"}

PERSON = Table(
    "userdata",
    "person",
    (Column("id", Type.INTEGER), Column("name", Type.TEXT)),
    key=("id",),
)
# Warehouse times are UTC and say no zone, so these have none.
EARLY = datetime.min  # noqa: DTZ901
LATE = datetime.max  # noqa: DTZ901
# One column of each type, with values that have gone wrong somewhere before.
KINDS: dict[str, tuple[Column, list[Any]]] = {
    "text": (
        Column("text", Type.TEXT),
        [
            "",
            'it\'s "quoted" \\ ; -- $1 ?',
            "line\nline\ttab\r",
            "👩🏽‍💻 ñ 漢字",
            "x" * 65_536,
            None,
        ],
    ),
    "integer": (Column("integer", Type.INTEGER), [0, 2**63 - 1, -(2**63), None]),
    "decimal": (
        Column("decimal", Type.DECIMAL, 38, 10),
        [Decimal("9" * 28 + "." + "9" * 10), Decimal("-0.0000000001"), Decimal(0), None],
    ),
    "float": (Column("float", Type.FLOAT), [0.1, 1e308, float("inf"), float("-inf"), None]),
    "boolean": (Column("boolean", Type.BOOLEAN), [True, False, None]),
    "time": (
        Column("time", Type.TIME),
        [EARLY, LATE, None],
    ),
    "date": (Column("date", Type.DATE), [date(1, 1, 1), date(9999, 12, 31), None]),
    "clock": (Column("clock", Type.CLOCK), [time(0), time(23, 59, 59, 999_999), None]),
    "interval": (Column("interval", Type.INTERVAL), [pa.MonthDayNano([14, -3, 5_000]), None]),
    "json": (Column("json", Type.JSON), ["{}", '{"a":[1,"ñ",null]}', "null", None]),
    "uuid": (
        Column("uuid", Type.UUID),
        [UUID("6e0b0a3c-0000-4000-8000-ffffffffffff"), UUID(int=0), None],
    ),
    "bytes": (Column("bytes", Type.BYTES), [b"", b"\x00\xff\x27", None]),
}
# How a value of a type is written as text, for the rule that engines cast text.
TEXTS = {
    "decimal": ("12345678901234567890.1234567891", Decimal("12345678901234567890.1234567891")),
    "time": ("9999-12-31 23:59:59.999999", LATE),
    "date": ("2026-02-28", date(2026, 2, 28)),
    "clock": ("23:59:59.5", time(23, 59, 59, 500_000)),
    "interval": ("1 year 2 mons -3 days 00:00:00.000005", pa.MonthDayNano([14, -3, 5_000])),
    "json": ('{"a": 1}', '{"a": 1}'),
    "uuid": ("6E0B0A3C-0000-4000-8000-ffffffffffff", "6e0b0a3c-0000-4000-8000-ffffffffffff"),
}
ODD_NAMES = (
    'say "hi"',
    "it's",
    "select",
    "Order",
    "with space",
    "dot.ted",
    "semi;colon -- comment",
    "ünïcödé",
    "n" * 63,
    "?",
    "$1",
    "%s",
)


@pytest.fixture(params=ENGINES)
def url(request: pytest.FixtureRequest) -> str:
    return ENGINES[request.param]


@pytest.fixture
def reopen(url: str, tmp_path: Path) -> Iterator[Open]:
    """Opens the engine under test on the same data, closing the one opened before."""
    opened: list[Warehouse] = []

    def again() -> Warehouse:
        while opened:
            opened.pop().close()
        config = load_config(tmp_path, {"TURNOUT_WAREHOUSE_URL": url})
        opened.append(open_warehouse(config))
        return opened[0]

    yield again
    while opened:
        opened.pop().close()


@pytest.fixture
def warehouse(reopen: Open) -> Warehouse:
    return reopen()


def people(*rows: tuple[Any, ...]) -> pa.Table:
    return pa.table({"id": [row[0] for row in rows], "name": [row[1] for row in rows]})


def write(warehouse: Warehouse, *rows: tuple[Any, ...], table: Table = PERSON) -> int:
    with warehouse.transaction() as transaction:
        transaction.prepare(table)
        return transaction.append(table, people(*rows))


def named(warehouse: Warehouse, table: Table) -> str:
    return warehouse.dialect.table(table.schema, table.name)


def rows(warehouse: Warehouse, table: Table = PERSON) -> list[tuple[Any, ...]]:
    answer = warehouse.query(f"SELECT * FROM {named(warehouse, table)} ORDER BY 1, 2")
    return [tuple(row.values()) for row in answer.to_pylist()]


def plain(column: pa.ChunkedArray) -> list[Any]:
    """Values of an answer; an engine may give a uuid as itself or as text."""
    return [str(v) if isinstance(v, UUID) else v for v in column.to_pylist()]


def test_prepare_creates_schema_and_table_and_is_harmless_to_repeat(warehouse: Warehouse) -> None:
    for _ in range(2):
        with warehouse.transaction() as transaction:
            transaction.prepare(PERSON)
            transaction.prepare(PERSON)
    (found,) = warehouse.tables("userdata")
    assert (found.name, found.columns) == (PERSON.name, PERSON.columns)


def test_prepare_adds_missing_columns_and_drops_none(warehouse: Warehouse) -> None:
    write(warehouse, (1, "Alice"))
    plan = Column("plan", Type.TEXT)
    with warehouse.transaction() as transaction:
        transaction.prepare(Table("userdata", "person", (PERSON.columns[0], plan)))
    assert warehouse.tables("userdata")[0].columns == (*PERSON.columns, plan)
    assert rows(warehouse) == [(1, "Alice", None)]


def test_prepare_adds_a_column_in_the_transaction_that_fills_it(warehouse: Warehouse) -> None:
    plan = Column("plan", Type.TEXT)
    wider = Table("userdata", "person", (*PERSON.columns, plan), key=("id",))
    with warehouse.transaction() as transaction:
        transaction.prepare(PERSON)
        transaction.append(PERSON, people((1, "Alice")))
        transaction.prepare(wider)
        transaction.append(wider, pa.table({"id": [2], "plan": ["pro"]}))
    assert rows(warehouse) == [(1, "Alice", None), (2, None, "pro")]


def test_append_with_a_key_keeps_the_first_of_repeats(warehouse: Warehouse) -> None:
    assert write(warehouse, (1, "Alice"), (2, "Bob"), (1, "Mallory")) == 2
    assert write(warehouse, (2, "Mallory"), (3, "Charlie"), (3, "Mallory")) == 1
    assert rows(warehouse) == [(1, "Alice"), (2, "Bob"), (3, "Charlie")]


def test_append_keeps_the_first_of_many_repeats_in_order(warehouse: Warehouse) -> None:
    count = 300_000  # more than one engine's row group, so that order is not kept by luck
    table = pa.table(
        {"id": [n % 1_000 for n in range(count)], "name": [str(n) for n in range(count)]}
    )
    with warehouse.transaction() as transaction:
        transaction.prepare(PERSON)
        assert transaction.append(PERSON, table) == 1_000
    assert rows(warehouse) == [(n, str(n)) for n in range(1_000)]


def test_append_with_a_key_of_several_columns_takes_null_as_a_value(warehouse: Warehouse) -> None:
    pair = Table("userdata", "pair", PERSON.columns, key=("id", "name"))
    assert write(warehouse, (1, None), (1, "Alice"), (1, None), table=pair) == 2
    assert write(warehouse, (1, None), (None, None), table=pair) == 1
    assert len(rows(warehouse, pair)) == 3


def test_append_without_a_key_keeps_everything(warehouse: Warehouse) -> None:
    log = Table("_turnout", "log", PERSON.columns)
    assert write(warehouse, (1, "Alice"), (1, "Alice"), table=log) == 2
    assert write(warehouse, (1, "Alice"), table=log) == 1
    assert len(rows(warehouse, log)) == 3


def test_rows_may_name_their_columns_in_any_order_and_leave_some_out(warehouse: Warehouse) -> None:
    with warehouse.transaction() as transaction:
        transaction.prepare(PERSON)
        transaction.append(PERSON, pa.table({"name": ["Alice"], "id": [1]}))
        transaction.append(PERSON, pa.table({"id": [2]}))
        transaction.merge(PERSON, pa.table({"name": ["Bob"], "id": [3]}))
    assert rows(warehouse) == [(1, "Alice"), (2, None), (3, "Bob")]


def test_no_rows_are_rows_too(warehouse: Warehouse) -> None:
    empty = PERSON_SCHEMA.empty_table()
    write(warehouse, (1, "Alice"))
    with warehouse.transaction() as transaction:
        assert transaction.append(PERSON, empty) == 0
        assert transaction.merge(PERSON, empty) == 0
    assert rows(warehouse) == [(1, "Alice")]
    with warehouse.transaction() as transaction:
        assert transaction.replace(PERSON, empty) == 0
    assert rows(warehouse) == []


def test_merge_replaces_whole_rows_and_the_last_one_wins(warehouse: Warehouse) -> None:
    write(warehouse, (1, "Alice"), (2, "Bob"))
    with warehouse.transaction() as transaction:
        merged = transaction.merge(PERSON, people((2, "Robert"), (3, "Charlie"), (2, None)))
    assert merged == 2
    assert rows(warehouse) == [(1, "Alice"), (2, None), (3, "Charlie")]


def test_find_gives_the_rows_of_keys_each_once(warehouse: Warehouse) -> None:
    by_name = replace(PERSON, key=("name",))
    write(warehouse, (1, "Alice"), (2, "Bob"), (3, "Bob"), (4, None))
    with warehouse.transaction() as transaction:
        found = transaction.find(by_name, pa.table({"name": ["Bob", "Bob", None, "Charlie"]}))
        none = transaction.find(by_name, pa.table({"name": pa.array([], pa.string())}))
    assert sorted(found["id"].to_pylist()) == [2, 3, 4]
    assert none.num_rows == 0


def test_batches_may_come_as_a_stream(warehouse: Warehouse) -> None:
    def stream() -> pa.RecordBatchReader:
        batches = (people((n, f"person {n}")).to_batches()[0] for n in range(100))
        return pa.RecordBatchReader.from_batches(PERSON_SCHEMA, batches)

    with warehouse.transaction() as transaction:
        transaction.prepare(PERSON)
        assert transaction.append(PERSON, stream()) == 100
        assert transaction.merge(PERSON, stream()) == 100
        assert transaction.replace(PERSON, stream()) == 100
    assert len(rows(warehouse)) == 100


def test_a_stream_that_breaks_leaves_nothing(warehouse: Warehouse) -> None:
    def torn() -> Iterator[pa.RecordBatch]:
        yield people((2, "Bob")).to_batches()[0]
        raise ConnectionResetError

    write(warehouse, (1, "Alice"))
    reader = pa.RecordBatchReader.from_batches(PERSON_SCHEMA, torn())
    with pytest.raises(Exception), warehouse.transaction() as transaction:  # noqa: B017,PT011 - any
        transaction.replace(PERSON, reader)
    assert rows(warehouse) == [(1, "Alice")]


def test_replace_brings_new_columns_and_rows_and_leaves_none_of_the_old(
    warehouse: Warehouse,
) -> None:
    write(warehouse, (1, "Alice"))
    other = Table("userdata", "person", (Column("plan", Type.TEXT),))
    with warehouse.transaction() as transaction:
        assert transaction.replace(other, pa.table({"plan": ["pro", "free"]})) == 2
    answer = warehouse.query(f"SELECT * FROM {named(warehouse, PERSON)} ORDER BY plan")
    assert answer.to_pylist() == [{"plan": "free"}, {"plan": "pro"}]
    assert warehouse.tables("userdata")[0].columns == other.columns


def test_replace_touches_no_other_table(warehouse: Warehouse) -> None:
    neighbours = [Table("userdata", f"person{end}", PERSON.columns) for end in ("__new", "__old")]
    for table in neighbours:
        write(warehouse, (7, "Bob"), table=table)
    with warehouse.transaction() as transaction:
        transaction.replace(PERSON, people((1, "Alice")))
    assert [rows(warehouse, table) for table in neighbours] == [[(7, "Bob")]] * 2


def test_views_survive_the_replacement_of_their_table(warehouse: Warehouse) -> None:
    write(warehouse, (1, "Alice"))
    with warehouse.transaction() as transaction:
        transaction.execute(
            f"CREATE VIEW userdata.names AS SELECT name FROM {named(warehouse, PERSON)}"
        )
    with warehouse.transaction() as transaction:
        transaction.replace(PERSON, people((2, "Bob")))
    assert warehouse.query("SELECT name FROM userdata.names").to_pylist() == [{"name": "Bob"}]


def test_readers_see_a_replaced_group_of_tables_whole_or_not_at_all(warehouse: Warehouse) -> None:
    left, right = (Table("userdata", name, PERSON.columns) for name in ("left", "right"))

    def fill(round_: int) -> None:
        content = people(*[(round_, "x")] * 500)
        with warehouse.transaction() as transaction:
            transaction.replace(left, content)
            transaction.replace(right, content)

    def read() -> None:
        while not stop.is_set():
            answer = warehouse.query(
                "SELECT count(*) AS rows, min(id) AS low, max(id) AS high FROM "
                f"(SELECT * FROM {named(warehouse, left)} "
                f"UNION ALL SELECT * FROM {named(warehouse, right)}) AS both_tables"
            ).to_pylist()[0]
            seen.append((answer["rows"], answer["low"] == answer["high"]))

    fill(0)
    seen: list[tuple[int, bool]] = []
    stop = threading.Event()
    readers = [threading.Thread(target=read) for _ in range(2)]
    for reader in readers:
        reader.start()
    for round_ in range(1, 30):
        fill(round_)
    stop.set()
    for reader in readers:
        reader.join()
    assert len(seen) > 10
    assert set(seen) == {(1_000, True)}


def test_a_failed_transaction_leaves_nothing(warehouse: Warehouse) -> None:
    write(warehouse, (1, "Alice"))
    version = warehouse.version
    other = Table("userdata", "other", PERSON.columns)
    with pytest.raises(ZeroDivisionError), warehouse.transaction() as transaction:  # noqa: PT012
        transaction.prepare(other)
        transaction.append(other, people((1, "x")))
        transaction.merge(PERSON, people((1, "Mallory")))
        transaction.replace(PERSON, people((9, "Mallory")))
        raise ZeroDivisionError
    assert rows(warehouse) == [(1, "Alice")]
    assert [table.name for table in warehouse.tables()] == ["person"]
    assert warehouse.version == version


def test_a_refused_statement_says_why_and_the_next_transaction_works(warehouse: Warehouse) -> None:
    with pytest.raises(QueryFailed, match="nowhere"), warehouse.transaction() as transaction:
        transaction.execute("SELECT * FROM nowhere")
    with pytest.raises(QueryFailed, match="nowhere"):
        warehouse.query("SELECT * FROM nowhere")
    assert write(warehouse, (1, "Alice")) == 1


def test_transactions_wait_for_each_other(warehouse: Warehouse) -> None:
    write(warehouse, (0, "0"))

    def add_one() -> None:
        for _ in range(10):
            with warehouse.transaction() as transaction:
                transaction.execute(f"UPDATE {named(warehouse, PERSON)} SET id = id + 1")

    threads = [threading.Thread(target=add_one) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert rows(warehouse) == [(40, "0")]


def test_a_transaction_reads_what_it_wrote_and_others_do_not(warehouse: Warehouse) -> None:
    write(warehouse, (1, "Alice"))
    count = f"SELECT count(*) AS rows FROM {named(warehouse, PERSON)}"
    with warehouse.transaction() as transaction:
        transaction.append(PERSON, people((2, "Bob")))
        assert transaction.execute(count).to_pylist() == [{"rows": 2}]
        assert warehouse.query(count).to_pylist() == [{"rows": 1}]
    assert warehouse.query(count).to_pylist() == [{"rows": 2}]


def test_values_are_bound_and_never_pasted(warehouse: Warehouse) -> None:
    value = "it's ? $1 %s; DROP TABLE x --"
    assert warehouse.query("SELECT ? AS value", [value]).to_pylist() == [{"value": value}]
    with warehouse.transaction() as transaction:
        assert transaction.execute("SELECT ? AS value", [None]).to_pylist() == [{"value": None}]


def test_the_version_grows_with_every_committed_write_and_only_then(warehouse: Warehouse) -> None:
    before = warehouse.version
    write(warehouse, (1, "Alice"))
    after = warehouse.version
    assert after > before
    rows(warehouse)
    assert warehouse.version == after


@pytest.mark.parametrize(
    ("narrow", "wide", "before", "after"),
    [
        (Type.INTEGER, Type.FLOAT, 2**53, float(2**53)),
        (Type.INTEGER, Type.TEXT, -7, "-7"),
        (Type.FLOAT, Type.TEXT, 0.5, "0.5"),
        (Type.BOOLEAN, Type.TEXT, True, "true"),
        (Type.DATE, Type.TEXT, date(2026, 2, 28), "2026-02-28"),
        (Type.JSON, Type.TEXT, '{"a": 1}', '{"a": 1}'),
        (
            Type.UUID,
            Type.TEXT,
            UUID("6e0b0a3c-0000-4000-8000-ffffffffffff"),
            "6e0b0a3c-0000-4000-8000-ffffffffffff",
        ),
    ],
)
def test_widening_keeps_values(
    warehouse: Warehouse, narrow: Type, wide: Type, before: Any, after: Any
) -> None:
    table = Table("analytics", "clicked", (Column("value", narrow),))
    with warehouse.transaction() as transaction:
        transaction.prepare(table)
        transaction.append(table, pa.table({"value": [before, None]}))
    widened = Column("value", wide)
    with warehouse.transaction() as transaction:
        transaction.widen(table, widened)
        transaction.append(Table("analytics", "clicked", (widened,)), pa.table({"value": [after]}))
    values = warehouse.query(f"SELECT value FROM {named(warehouse, table)}").to_pylist()
    assert [row["value"] for row in values] == [after, None, after]
    assert warehouse.tables("analytics")[0].columns == (widened,)


def test_tables_gives_types_back_in_order(reopen: Open) -> None:
    columns = tuple(column for column, _ in KINDS.values())
    with reopen().transaction() as transaction:
        transaction.prepare(Table("userdata", "kinds", columns))
        transaction.prepare(Table("analytics", "tracks", (Column("id", Type.TEXT),)))
    found = reopen().tables()
    assert [(table.schema, table.name) for table in found] == [
        ("analytics", "tracks"),
        ("userdata", "kinds"),
    ]
    assert found[1].columns == columns
    assert [table.name for table in reopen().tables("analytics")] == ["tracks"]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("way", ["append", "merge", "replace"])
def test_values_come_back_as_they_went_in(reopen: Open, kind: str, way: str) -> None:
    column, values = KINDS[kind]
    id_ = Column("id", Type.INTEGER)
    table = Table("userdata", "kinds", (id_, column), key=("id",))
    content = pa.table({"id": range(len(values)), column.name: values})
    with reopen().transaction() as transaction:
        transaction.prepare(table)
        assert getattr(transaction, way)(table, content) == len(values)
    warehouse = reopen()
    answer = warehouse.query(
        f"SELECT {warehouse.dialect.identifier(column.name)} AS value "
        f"FROM {named(warehouse, table)} ORDER BY id"
    )
    assert plain(answer.column("value")) == [str(v) if isinstance(v, UUID) else v for v in values]


@pytest.mark.parametrize("kind", TEXTS)
@pytest.mark.parametrize("way", ["append", "merge", "replace"])
def test_text_is_cast_to_the_type_of_its_column(warehouse: Warehouse, kind: str, way: str) -> None:
    text, value = TEXTS[kind]
    column = KINDS[kind][0]
    table = Table("userdata", "kinds", (column,), key=(column.name,))
    with warehouse.transaction() as transaction:
        transaction.prepare(table)
        getattr(transaction, way)(table, pa.table({column.name: [text, None]}))
    answer = warehouse.query(f"SELECT * FROM {named(warehouse, table)}")
    assert value in plain(answer.column(0))
    assert answer.column(0).null_count == 1


def test_text_that_does_not_fit_its_column_is_an_error(warehouse: Warehouse) -> None:
    rows_ = pa.table({"id": ["1", "a secret"], "name": ["Alice", "Bob"]})
    write(warehouse, (1, "Alice"))
    for way in ("append", "merge", "replace"):
        failed = pytest.raises(QueryFailed, match="does not fit")
        with failed as error, warehouse.transaction() as transaction:
            getattr(transaction, way)(PERSON, rows_)
        # Errors are logged and shown; values of rows are neither.
        assert "secret" not in str(error.value)


def test_not_a_number_is_kept(warehouse: Warehouse) -> None:
    table = Table("userdata", "measure", (Column("value", Type.FLOAT),))
    with warehouse.transaction() as transaction:
        transaction.replace(table, pa.table({"value": [float("nan"), 1.0]}))
    (kept, one) = warehouse.query(f"SELECT value FROM {named(warehouse, table)}")[
        "value"
    ].to_pylist()
    assert kept != kept  # noqa: PLR0124 - only NaN differs from itself
    assert one == 1.0


def test_a_time_beyond_the_calendar_of_python_is_kept(warehouse: Warehouse) -> None:
    far = pa.scalar(9_000_000_000_000_000_000, pa.timestamp("us"))
    table = Table("userdata", "far", (Column("value", Type.TIME),))
    with warehouse.transaction() as transaction:
        transaction.replace(table, pa.table({"value": pa.array([far.value], pa.timestamp("us"))}))
    answer = warehouse.query(f"SELECT value FROM {named(warehouse, table)}")
    assert answer.column(0)[0].value == far.value


@pytest.mark.parametrize("name", ODD_NAMES)
def test_any_name_can_name_a_schema_a_table_and_a_column(warehouse: Warehouse, name: str) -> None:
    table = Table(name, name, (Column(name, Type.TEXT), Column("id", Type.INTEGER)), key=(name,))
    content = pa.table({name: ["a", "b", "a"], "id": [1, 2, 3]})
    with warehouse.transaction() as transaction:
        transaction.prepare(table)
        assert transaction.append(table, content) == 2
        assert transaction.merge(table, content) == 2
        transaction.prepare(Table(name, name, (Column(f"{name}2"[-63:], Type.INTEGER),)))
        transaction.widen(table, Column("id", Type.TEXT))
    assert [(found.schema, found.name) for found in warehouse.tables(name)] == [(name, name)]
    with warehouse.transaction() as transaction:
        assert transaction.replace(table, content) == 3
    assert [column.name for column in warehouse.tables(name)[0].columns] == [name, "id"]
    with warehouse.transaction() as transaction:
        transaction.prepare(staging(table))
        transaction.swap(table, staging(table))
    assert [found.name for found in warehouse.tables(name)] == [name]


def test_a_staged_table_is_listed_nowhere_until_it_takes_the_tables_place(
    warehouse: Warehouse,
) -> None:
    write(warehouse, (1, "Alice"))
    staged = staging(PERSON)
    write(warehouse, (2, "Bob"), table=staged)
    assert [table.name for table in warehouse.tables("userdata")] == ["person"]
    with warehouse.transaction() as transaction:
        transaction.append(staged, people((3, "Charlie")))
        transaction.swap(PERSON, staged)
        # Others read the old rows until the end.
        assert rows(warehouse) == [(1, "Alice")]
    assert rows(warehouse) == [(2, "Bob"), (3, "Charlie")]
    assert [table.name for table in warehouse.tables("userdata")] == ["person"]


def test_a_table_is_swapped_again_and_again_also_in_the_transaction_that_made_it(
    reopen: Open,
) -> None:
    warehouse = reopen()
    staged = staging(PERSON)
    with warehouse.transaction() as transaction:
        for n in range(3):
            transaction.prepare(staged)
            transaction.append(staged, people((n, "Alice")))
            transaction.swap(PERSON, staged)
    assert rows(reopen()) == [(2, "Alice")]


def test_a_failed_swap_leaves_both_tables(warehouse: Warehouse) -> None:
    write(warehouse, (1, "Alice"))
    write(warehouse, (2, "Bob"), table=staging(PERSON))
    with pytest.raises(QueryFailed):  # noqa: PT012, SIM117 - it is the whole transaction
        with warehouse.transaction() as transaction:
            transaction.swap(PERSON, staging(PERSON))
            transaction.execute("SELECT * FROM userdata.nowhere")
    assert rows(warehouse) == [(1, "Alice")]
    assert rows(warehouse, staging(PERSON)) == [(2, "Bob")]


def test_a_dropped_table_is_gone_and_dropping_none_is_harmless(warehouse: Warehouse) -> None:
    write(warehouse, (1, "Alice"))
    for _ in range(2):
        with warehouse.transaction() as transaction:
            transaction.drop(PERSON)
    assert warehouse.tables("userdata") == []


def test_a_published_copy_is_whole_while_writes_go_on(warehouse: Warehouse, tmp_path: Path) -> None:
    write(warehouse, (0, "x"))
    stop = threading.Event()

    def keep_writing() -> None:
        n = 0
        while not stop.is_set():
            n += 2
            write(warehouse, (n, "x"), (n + 1, "x"))

    def keep_reading() -> None:
        while not stop.is_set():
            rows(warehouse)

    threads = [threading.Thread(target=keep_writing), threading.Thread(target=keep_reading)]
    for thread in threads:
        thread.start()
    try:
        copies = [tmp_path / f"copy-{n}.duckdb" for n in range(5)]
        versions = [warehouse.publish(copy).version for copy in copies]
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    assert versions == sorted(versions)
    for copy in copies:
        # Pairs were written together, beside the very first row.
        assert int(read_elsewhere(copy, "SELECT count(*) FROM userdata.person")) % 2 == 1


def test_a_published_copy_holds_everything_committed_before(
    warehouse: Warehouse, tmp_path: Path
) -> None:
    write(warehouse, (1, "Alice"))
    version = warehouse.publish(tmp_path / "copy.duckdb").version
    assert version == warehouse.version
    assert read_elsewhere(tmp_path / "copy.duckdb", "SELECT name FROM userdata.person") == "Alice"


def test_closing_interrupts_what_runs_and_keeps_what_was_committed(reopen: Open) -> None:
    warehouse = reopen()
    write(warehouse, (1, "Alice"))
    outcome: list[BaseException] = []
    running = threading.Event()

    def run_long() -> None:
        running.set()
        try:
            warehouse.query("SELECT count(*) FROM range(10000000000) a, range(1000) b")
        except Exception as error:  # noqa: BLE001 - whatever it is, the test looks at it
            outcome.append(error)

    thread = threading.Thread(target=run_long)
    thread.start()
    assert running.wait(10)
    warehouse.close()
    thread.join(10)
    assert not thread.is_alive()
    assert isinstance(outcome[0], QueryFailed | WarehouseUnavailable)
    with pytest.raises(WarehouseUnavailable, match="closed"):
        rows(warehouse)
    assert rows(reopen()) == [(1, "Alice")]


def test_a_process_killed_between_any_two_steps_goes_on_to_the_same_result(
    tmp_path: Path, url: str
) -> None:
    script = Path(__file__).with_name("cut.py")
    run = subprocess.run(
        [sys.executable, str(script), str(tmp_path), url],
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    *cut, whole = run.stdout.splitlines()
    assert len(cut) > 20
    assert set(cut) == {whole}


PERSON_SCHEMA = people((1, "x")).schema


def read_elsewhere(path: Path, question: str) -> str:
    """The one value of an answer, asked of a published copy by another process."""
    script = (
        "import duckdb, sys; "
        "con = duckdb.connect(sys.argv[1], read_only=True); "
        "print(con.execute(sys.argv[2]).fetchone()[0])"
    )
    answer = subprocess.run(
        [sys.executable, "-c", script, str(path), question],
        capture_output=True,
        text=True,
        check=True,
    )
    return answer.stdout.strip()
