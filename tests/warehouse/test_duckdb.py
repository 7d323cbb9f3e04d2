from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import duckdb
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from turnout.errors import AlreadyRunning, QueryFailed, WarehouseUnavailable
from turnout.warehouse import Column, Table, Type
from turnout.warehouse.duckdb import DIALECT, TYPE_NAMES, DuckDB

text = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))
names = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1)

engine = duckdb.connect()


def opened(path: Path) -> DuckDB:
    return DuckDB(path, memory_bytes_max=256 * 1024**2, threads=1)


@given(text)
def test_any_text_survives_as_a_literal(value: str) -> None:
    assert engine.execute(f"SELECT {DIALECT.literal(value)}").fetchall() == [(value,)]


@given(names)
def test_any_name_survives_as_an_identifier(name: str) -> None:
    with engine.cursor() as cursor:
        cursor.execute(f"SELECT 1 AS {DIALECT.identifier(name)}")
        assert cursor.description is not None
        assert cursor.description[0][0] == name


@given(names, names)
def test_a_qualified_name_names_that_table_and_no_other(schema: str, name: str) -> None:
    with engine.cursor() as cursor:
        cursor.begin()
        cursor.execute(f"CREATE SCHEMA IF NOT EXISTS {DIALECT.identifier(schema)}")
        cursor.execute(f"CREATE TABLE {DIALECT.table(schema, name)} (id INTEGER)")
        there = "SELECT table_schema, table_name FROM information_schema.tables"
        assert cursor.execute(there).fetchall() == [(schema, name)]
        cursor.rollback()


@pytest.mark.parametrize("type_", Type)
def test_every_type_has_a_name_that_the_engine_gives_back(type_: Type) -> None:
    assert type_ in TYPE_NAMES or type_ is Type.DECIMAL
    column = Column("value", type_, *((12, 2) if type_ is Type.DECIMAL else ()))
    name = DIALECT.type_name(column)
    found = engine.execute(f"SELECT typeof(NULL::{name})").fetchall()
    assert found == [(name,)]


def test_a_warehouse_held_by_another_process_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "warehouse.duckdb"
    holder = subprocess.Popen(
        [
            sys.executable,
            "-c",
            "import duckdb, sys; c = duckdb.connect(sys.argv[1]); print(flush=True); input()",
            str(path),
        ],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    with holder:
        assert holder.stdout is not None
        holder.stdout.readline()
        try:
            with pytest.raises(AlreadyRunning, match="Another process holds the warehouse"):
                opened(path)
        finally:
            holder.kill()
    opened(path).close()


def test_a_file_that_is_no_warehouse_is_one_sentence(tmp_path: Path) -> None:
    path = tmp_path / "warehouse.duckdb"
    path.write_bytes(b"not a database at all " * 1000)
    with pytest.raises(WarehouseUnavailable, match="cannot be opened"):
        opened(path)


def test_a_folder_that_cannot_be_made_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(WarehouseUnavailable, match="cannot be opened"):
        opened(tmp_path / "file" / "warehouse.duckdb")


def test_files_are_written_so_that_the_older_engine_opens_them(tmp_path: Path) -> None:
    warehouse = opened(tmp_path / "warehouse.duckdb")
    try:
        answer = warehouse.query(
            "SELECT tags['storage_version'] AS version FROM duckdb_databases() "
            "WHERE database_name = current_database()"
        )
        assert str(answer["version"][0]).startswith("v1.5")
    finally:
        warehouse.close()


def test_the_warehouse_reaches_for_no_extension(tmp_path: Path) -> None:
    warehouse = opened(tmp_path / "warehouse.duckdb")
    try:
        with pytest.raises(QueryFailed):
            warehouse.query("SELECT * FROM 'https://example.invalid/x.parquet'")
        answer = warehouse.query(
            "SELECT count(*) AS n FROM duckdb_settings() "
            "WHERE name LIKE 'auto%_known_extensions' AND value = 'true'"
        )
        assert answer.to_pylist() == [{"n": 0}]
    finally:
        warehouse.close()


def test_times_are_utc_whatever_the_machine_says(tmp_path: Path) -> None:
    script = (
        "import sys; from pathlib import Path; from turnout.warehouse.duckdb import DuckDB; "
        "w = DuckDB(Path(sys.argv[1]), memory_bytes_max=2**28, threads=1); "
        "print(w.query(\"SELECT (TIMESTAMPTZ '2026-07-01 12:00:00+00')::TIMESTAMP::VARCHAR AS t\")"
        "['t'][0]); w.close()"
    )
    run = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path / "w.duckdb")],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "TZ": "Asia/Tokyo"},
    )
    assert run.stdout.strip() == "2026-07-01 12:00:00"


def test_ids_are_left_as_they_are_and_all_else_is_packed(tmp_path: Path) -> None:
    warehouse = DuckDB(tmp_path / "w.duckdb", memory_bytes_max=256 * 1024**2, threads=2)
    columns = (Column("id", Type.TEXT), Column("plan", Type.TEXT))
    table = Table("userdata", "company", columns, key=("id",))
    rows = pa.table({"id": [str(n) * 12 for n in range(5_000)], "plan": ["pro"] * 5_000})
    with warehouse.transaction() as transaction:
        transaction.prepare(table)
        transaction.append(table, rows)
    warehouse.publish(tmp_path / "copy.duckdb")
    found = warehouse.query(
        "SELECT column_name, list(DISTINCT compression) AS how FROM "
        "pragma_storage_info('userdata.company') WHERE segment_type = 'VARCHAR' GROUP BY 1"
    ).to_pylist()
    how = {row["column_name"]: row["how"] for row in found}
    assert how["id"] == ["Uncompressed"]
    assert how["plan"] != ["Uncompressed"]
    warehouse.close()
