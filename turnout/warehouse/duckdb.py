"""DuckDB inside the app process: the warehouse that needs nothing installed.

One process holds the file for writing and no other may open it, so readers get copies:
`publish` writes them. Tables carry no primary key; `append` and `merge` keep keys unique
inside the one write transaction that may be open (2–8 times faster than a key index).
"""

from __future__ import annotations

import os
import shutil
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from turnout.errors import AlreadyRunning, QueryFailed, WarehouseUnavailable
from turnout.warehouse.table import Column, Table, Type
from turnout.warehouse.warehouse import Rows

# Files are written in this format so that DuckDB 1.5 and desktop tools open them too.
STORAGE_VERSION = "v1.5.0"

TYPE_NAMES = {
    Type.TEXT: "VARCHAR",
    Type.INTEGER: "BIGINT",
    Type.FLOAT: "DOUBLE",
    Type.BOOLEAN: "BOOLEAN",
    Type.TIME: "TIMESTAMP",
    Type.DATE: "DATE",
    Type.CLOCK: "TIME",
    Type.INTERVAL: "INTERVAL",
    Type.JSON: "JSON",
    Type.UUID: "UUID",
    Type.BYTES: "BLOB",
}
TYPES = {name: type_ for type_, name in TYPE_NAMES.items()}


class DuckDBDialect:
    """How DuckDB spells things."""

    name = "duckdb"

    def identifier(self, name: str) -> str:
        return '"' + name.replace('"', '""') + '"'

    def table(self, schema: str, name: str) -> str:
        return f"{self.identifier(schema)}.{self.identifier(name)}"

    def literal(self, value: str) -> str:
        return "'" + value.replace("'", "''") + "'"

    def type_name(self, column: Column) -> str:
        if column.type is Type.DECIMAL:
            return f"DECIMAL({column.precision},{column.scale})"
        return TYPE_NAMES[column.type]


DIALECT = DuckDBDialect()


class DuckDB:
    """A DuckDB file, opened for writing."""

    dialect = DIALECT

    def __init__(self, path: Path, *, memory_bytes_max: int, threads: int) -> None:
        """Open or create the file at `path`.

        Raises `AlreadyRunning` when another process holds it, `WarehouseUnavailable` when it
        cannot be opened at all.
        """
        self._path = path
        self._version = 0
        self._write_lock = threading.RLock()
        path.parent.mkdir(parents=True, exist_ok=True)
        settings: dict[str, str | bool | int | float | list[str]] = {
            "storage_compatibility_version": STORAGE_VERSION,
            "memory_limit": f"{memory_bytes_max // 1024}KiB",
            "threads": threads,
            "autoinstall_known_extensions": False,
            "autoload_known_extensions": False,
        }
        try:
            self._connection = duckdb.connect(str(path), config=settings)
            self._connection.execute("SET GLOBAL TimeZone = 'UTC'")
        except duckdb.IOException as error:
            if "lock" in str(error).lower():
                raise AlreadyRunning(
                    f"Another process holds the warehouse {path}.",
                    hint="Stop the Turnout that runs in this home folder first.",
                ) from None
            raise WarehouseUnavailable(f"The warehouse {path} cannot be opened: {error}") from None

    @property
    def version(self) -> int:
        return self._version

    def query(self, sql: str, values: Sequence[Any] = ()) -> pa.Table:
        with self._connection.cursor() as cursor:
            return _run(cursor, sql, values)

    @contextmanager
    def transaction(self) -> Iterator[DuckDBTransaction]:
        with self._write_lock, self._connection.cursor() as cursor:
            cursor.begin()
            try:
                yield DuckDBTransaction(cursor)
                cursor.commit()
            except BaseException:
                _roll_back(cursor)
                raise
            self._version += 1

    def tables(self, schema: str | None = None) -> list[Table]:
        with self._connection.cursor() as cursor:
            return _tables(cursor, schema)

    def publish(self, path: Path) -> int:
        # No write can be open while we hold the lock, so after the checkpoint the file alone
        # is complete and the copy needs no log beside it.
        with self._write_lock:
            with self._connection.cursor() as cursor:
                cursor.execute("CHECKPOINT")
            version = self._version
            shutil.copyfile(self._path, path)
        with path.open("rb+") as file:
            os.fsync(file.fileno())
        return version

    def close(self) -> None:
        self._connection.interrupt()
        with self._write_lock:
            self._connection.close()


class DuckDBTransaction:
    """The open write of a `DuckDB`."""

    def __init__(self, cursor: duckdb.DuckDBPyConnection) -> None:
        self._cursor = cursor

    def execute(self, sql: str, values: Sequence[Any] = ()) -> pa.Table:
        return _run(self._cursor, sql, values)

    def prepare(self, table: Table) -> None:
        name = DIALECT.table(table.schema, table.name)
        there = _tables(self._cursor, table.schema, table.name)
        if not there:
            self._cursor.execute(f"CREATE SCHEMA IF NOT EXISTS {DIALECT.identifier(table.schema)}")
            self._cursor.execute(f"CREATE TABLE {name} ({_definitions(table)})")
            return
        for column in table.columns:
            if there[0].column(column.name) is None:
                self._cursor.execute(f"ALTER TABLE {name} ADD COLUMN {_definition(column)}")

    def widen(self, table: Table, column: Column) -> None:
        self._cursor.execute(
            f"ALTER TABLE {DIALECT.table(table.schema, table.name)} "
            f"ALTER COLUMN {DIALECT.identifier(column.name)} TYPE {DIALECT.type_name(column)}"
        )

    def append(self, table: Table, rows: Rows) -> int:
        name = DIALECT.table(table.schema, table.name)
        if not table.key:
            with _staged(self._cursor, rows) as staged:
                return self._count(f"INSERT INTO {name} BY NAME SELECT * FROM {staged}")
        key = _names(table.key)
        # Arrow rows are first put into a real table: every one of the steps below reads them.
        with _staged(self._cursor, rows, materialised=True) as staged:
            return self._count(
                f"INSERT INTO {name} BY NAME "
                f"SELECT staged.* FROM (SELECT * FROM {staged} "
                f"QUALIFY row_number() OVER (PARTITION BY {key} ORDER BY rowid) = 1) AS staged "
                f"ANTI JOIN {name} USING ({key})"
            )

    def merge(self, table: Table, rows: Rows) -> int:
        name = DIALECT.table(table.schema, table.name)
        key = _names(table.key)
        same = " AND ".join(
            f"existing.{DIALECT.identifier(k)} = staged.{DIALECT.identifier(k)}" for k in table.key
        )
        with _staged(self._cursor, rows, materialised=True) as staged:
            self._cursor.execute(
                f"DELETE FROM {name} AS existing USING {staged} AS staged WHERE {same}"
            )
            return self._count(
                f"INSERT INTO {name} BY NAME SELECT * FROM {staged} "
                f"QUALIFY row_number() OVER (PARTITION BY {key} ORDER BY rowid DESC) = 1"
            )

    def replace(self, table: Table, rows: Rows) -> int:
        name = DIALECT.table(table.schema, table.name)
        aside = DIALECT.table(table.schema, f"{table.name}__new")
        self._cursor.execute(f"CREATE SCHEMA IF NOT EXISTS {DIALECT.identifier(table.schema)}")
        self._cursor.execute(f"DROP TABLE IF EXISTS {aside}")
        self._cursor.execute(f"CREATE TABLE {aside} ({_definitions(table)})")
        with _staged(self._cursor, rows) as staged:
            count = self._count(f"INSERT INTO {aside} BY NAME SELECT * FROM {staged}")
        self._cursor.execute(f"DROP TABLE IF EXISTS {name}")
        self._cursor.execute(f"ALTER TABLE {aside} RENAME TO {DIALECT.identifier(table.name)}")
        return count

    def _count(self, sql: str) -> int:
        row = self._cursor.execute(sql).fetchone()
        return int(row[0]) if row else 0


def _run(cursor: duckdb.DuckDBPyConnection, sql: str, values: Sequence[Any]) -> pa.Table:
    try:
        answer = cursor.sql(sql, params=list(values))
        return pa.table({}) if answer is None else answer.to_arrow_table()
    except duckdb.Error as error:
        raise QueryFailed(str(error)) from error


def _roll_back(cursor: duckdb.DuckDBPyConnection) -> None:
    try:
        cursor.rollback()
    except duckdb.Error:
        pass  # the engine has already aborted it


@contextmanager
def _staged(
    cursor: duckdb.DuckDBPyConnection, rows: Rows, *, materialised: bool = False
) -> Iterator[str]:
    """A name in SQL for Arrow `rows`, gone afterwards."""
    cursor.register("arrow_rows", rows)
    try:
        if not materialised:
            yield "arrow_rows"
            return
        cursor.execute("CREATE OR REPLACE TEMP TABLE staged_rows AS SELECT * FROM arrow_rows")
        yield "staged_rows"
        cursor.execute("DROP TABLE staged_rows")
    finally:
        cursor.unregister("arrow_rows")


def _tables(
    cursor: duckdb.DuckDBPyConnection, schema: str | None, name: str | None = None
) -> list[Table]:
    found: dict[tuple[str, str], list[Column]] = {}
    rows = cursor.execute(
        "SELECT schema_name, table_name, column_name, data_type FROM duckdb_columns() "
        "WHERE database_name = current_database() AND NOT internal "
        "AND schema_name = coalesce(?, schema_name) AND table_name = coalesce(?, table_name) "
        "ORDER BY schema_name, table_name, column_index",
        [schema, name],
    ).fetchall()
    for table_schema, table_name, column_name, type_name in rows:
        columns = found.setdefault((table_schema, table_name), [])
        columns.append(_column(column_name, type_name))
    return [Table(schema, name, tuple(columns)) for (schema, name), columns in found.items()]


def _column(name: str, type_name: str) -> Column:
    if type_name.startswith("DECIMAL("):
        precision, scale = type_name.removeprefix("DECIMAL(").rstrip(")").split(",")
        return Column(name, Type.DECIMAL, int(precision), int(scale))
    # A view may hold a type no table of ours has; it reads as text.
    return Column(name, TYPES.get(type_name, Type.TEXT))


def _definitions(table: Table) -> str:
    return ", ".join(_definition(column) for column in table.columns)


def _definition(column: Column) -> str:
    return f"{DIALECT.identifier(column.name)} {DIALECT.type_name(column)}"


def _names(names: Sequence[str]) -> str:
    return ", ".join(DIALECT.identifier(name) for name in names)
