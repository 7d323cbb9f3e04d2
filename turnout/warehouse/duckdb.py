"""DuckDB inside the app process: the warehouse that needs nothing installed.

One process holds the file for writing and no other may open it, so readers get copies:
`publish` writes them. Tables carry no primary key; `append` and `merge` keep keys unique
inside the one write transaction that may be open (2 to 8 times faster than a key index).
"""

from __future__ import annotations

import os
import re
import shutil
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from turnout.errors import AlreadyRunning, QueryFailed, WarehouseUnavailable
from turnout.warehouse.table import STAGING, Column, Table, Type
from turnout.warehouse.turn import Turn
from turnout.warehouse.warehouse import Published, Rows

# Files are written in this format so that DuckDB 1.5 and desktop tools open them too.
STORAGE_VERSION = "v1.5.0"
# A checkpoint writes the last rows of each table again: done seldom, and at every publishing.
CHECKPOINT_BYTES = "256MiB"

# Texts that are all different are left as they are: nothing packs them well, and trying costs more
# than writing them (measured: a table with one uuid takes two thirds of the time, and a third more
# room for that column alone).
UNPACKED = " USING COMPRESSION uncompressed"

# Names, in SQL, of rows on their way in.
ARROW = "arrow_rows"
STAGED = "temp.staged_rows"
# How the engine names the column of a value it could not cast.
CONVERTED = re.compile(r"when casting from source column (.+)")
ORDINAL = '"place among the staged rows"'

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
        self._write_lock = Turn()
        self._open_cursors = _OpenCursors()
        settings: dict[str, str | bool | int | float | list[str]] = {
            "storage_compatibility_version": STORAGE_VERSION,
            "memory_limit": f"{memory_bytes_max // 1024}KiB",
            "threads": threads,
            "checkpoint_threshold": CHECKPOINT_BYTES,
            "autoinstall_known_extensions": False,
            "autoload_known_extensions": False,
        }
        self._settings = settings
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._connection = self._connect()
        except (duckdb.Error, OSError) as error:
            if isinstance(error, duckdb.IOException) and "lock" in str(error).lower():
                raise AlreadyRunning(
                    f"Another process holds the warehouse {path}.",
                    hint="Stop the Turnout that runs in this home folder first.",
                ) from None
            raise WarehouseUnavailable(f"The warehouse {path} cannot be opened: {error}") from None

    @property
    def version(self) -> int:
        return self._version

    def query(self, sql: str, values: Sequence[Any] = ()) -> pa.Table:
        with self._cursor() as cursor:
            return _run(cursor, sql, values)

    @contextmanager
    def transaction(self) -> Iterator[DuckDBTransaction]:
        with self._write_lock, self._cursor() as cursor:
            with _explained():
                cursor.begin()
            try:
                yield DuckDBTransaction(cursor)
                _commit(cursor)
            except BaseException:
                _roll_back(cursor)
                raise
            self._version += 1

    def tables(self, schema: str | None = None) -> list[Table]:
        with self._cursor() as cursor, _explained():
            return _tables(cursor, schema)

    def publish(self, path: Path) -> Published:
        # No write can be open while we hold the lock, so after the checkpoint the file alone
        # is complete and the copy needs no log beside it.
        with self._write_lock:
            began_s = time.perf_counter()
            with self._cursor() as cursor, _explained():
                cursor.execute("CHECKPOINT")
            version = self._version
            shutil.copyfile(self._path, path)
            duration_s = time.perf_counter() - began_s
        with path.open("rb+") as file:
            os.fsync(file.fileno())
        return Published(version, duration_s)

    def compact(self) -> None:
        # The engine marks what is deleted as free, and leaves its bytes where they are.
        part = self._path.with_suffix(".compact")
        part.unlink(missing_ok=True)
        with self._write_lock, self._open_cursors.away(), _explained():
            self._copy_into(part)
            self._connection.close()
            try:
                part.replace(self._path)
            finally:
                self._connection = self._connect()

    def close(self) -> None:
        self._open_cursors.finish()
        self._connection.close()

    def _connect(self) -> duckdb.DuckDBPyConnection:
        connection = duckdb.connect(str(self._path), config=self._settings)
        connection.execute("SET GLOBAL TimeZone = 'UTC'")
        return connection

    def _copy_into(self, part: Path) -> None:
        """All that the file holds, whole and synced, in a new one."""
        with self._connection.cursor() as cursor:
            row = cursor.execute("SELECT current_database()").fetchone()
            here = DIALECT.identifier(str(row[0]) if row else "")
            place = DIALECT.literal(str(part))
            cursor.execute(f"ATTACH {place} AS compacted (STORAGE_VERSION '{STORAGE_VERSION}')")
            try:
                cursor.execute(f"COPY FROM DATABASE {here} TO compacted")
                cursor.execute("CHECKPOINT compacted")
            finally:
                cursor.execute("DETACH compacted")
        with part.open("rb+") as file:
            os.fsync(file.fileno())

    def _new_cursor(self) -> duckdb.DuckDBPyConnection:
        # Compacting replaces the connection while somebody waits for a cursor.
        return self._connection.cursor()

    @contextmanager
    def _cursor(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """One query's own cursor: a second query on the same one would end the first's result."""
        cursor = self._open_cursors.add(self._new_cursor)
        try:
            yield cursor
        finally:
            cursor.close()
            self._open_cursors.remove(cursor)


class _OpenCursors:
    """Every cursor in use, so that closing can stop them: an interrupt reaches one at a time."""

    AGAIN_S = 0.05

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._cursors: list[duckdb.DuckDBPyConnection] = []
        self._is_finished = False
        self._is_held = False

    def add(self, make: Callable[[], duckdb.DuckDBPyConnection]) -> duckdb.DuckDBPyConnection:
        with self._changed:
            self._changed.wait_for(lambda: not self._is_held or self._is_finished)
            if self._is_finished:
                raise WarehouseUnavailable("The warehouse is closed.")
            self._cursors.append(cursor := make())
            return cursor

    def remove(self, cursor: duckdb.DuckDBPyConnection) -> None:
        with self._changed:
            self._cursors.remove(cursor)
            self._changed.notify_all()

    @contextmanager
    def away(self) -> Iterator[None]:
        """Begins when all are given back; whoever wants one meanwhile waits."""
        with self._changed:
            self._is_held = True
            self._changed.wait_for(lambda: not self._cursors)
        try:
            yield
        finally:
            with self._changed:
                self._is_held = False
                self._changed.notify_all()

    def finish(self) -> None:
        """Admit no more, and return when the last one has been interrupted and given back."""
        with self._changed:
            self._is_finished = True
            self._changed.notify_all()
            while self._cursors:
                for cursor in self._cursors:
                    cursor.interrupt()
                # A transaction between two statements is met at its next one.
                self._changed.wait(self.AGAIN_S)


class DuckDBTransaction:
    """The open write of a `DuckDB`."""

    def __init__(self, cursor: duckdb.DuckDBPyConnection) -> None:
        self._cursor = cursor

    def execute(self, sql: str, values: Sequence[Any] = ()) -> pa.Table:
        return _run(self._cursor, sql, values)

    def prepare(self, table: Table) -> None:
        name = DIALECT.table(table.schema, table.name)
        with _explained():
            self._create(f"CREATE TABLE IF NOT EXISTS {name}", table)
            there = _table(self._cursor, table)
            for column in table.columns:
                if there.column(column.name) is None:
                    self._cursor.execute(f"ALTER TABLE {name} ADD COLUMN {_definition(column)}")

    def widen(self, table: Table, column: Column) -> None:
        with _explained():
            self._cursor.execute(
                f"ALTER TABLE {DIALECT.table(table.schema, table.name)} "
                f"ALTER COLUMN {DIALECT.identifier(column.name)} TYPE {DIALECT.type_name(column)}"
            )

    def append(self, table: Table, rows: Rows, *, among: str = "") -> int:
        name = DIALECT.table(table.schema, table.name)
        if not table.key:
            with _explained(), _registered(self._cursor, rows):
                return self._count(f"INSERT INTO {name} BY NAME SELECT * FROM {ARROW}")
        existing = f"(SELECT {_names(table.key)} FROM {name} WHERE {among})" if among else name
        with _explained(), _staged(self._cursor, table, rows) as columns:
            return self._count(
                f"INSERT INTO {name} BY NAME SELECT {columns} FROM (SELECT * FROM {STAGED} QUALIFY "
                f"row_number() OVER (PARTITION BY {_names(table.key)} ORDER BY {ORDINAL}) = 1"
                f") AS staged ANTI JOIN {existing} AS existing ON {_same(table.key)}"
            )

    def merge(self, table: Table, rows: Rows) -> int:
        name = DIALECT.table(table.schema, table.name)
        with _explained(), _staged(self._cursor, table, rows) as columns:
            self._cursor.execute(
                f"DELETE FROM {name} AS existing USING {STAGED} AS staged WHERE {_same(table.key)}"
            )
            return self._count(
                f"INSERT INTO {name} BY NAME SELECT {columns} FROM {STAGED} QUALIFY row_number() "
                f"OVER (PARTITION BY {_names(table.key)} ORDER BY {ORDINAL} DESC) = 1"
            )

    def delete(self, table: Table, rows: Rows) -> int:
        name = DIALECT.table(table.schema, table.name)
        with _explained(), _staged(self._cursor, table, rows):
            return self._count(
                f"DELETE FROM {name} AS existing USING {STAGED} AS staged WHERE {_same(table.key)}"
            )

    def find(self, table: Table, rows: Rows) -> pa.Table:
        name = DIALECT.table(table.schema, table.name)
        with _explained(), _registered(self._cursor, rows):
            return _run(
                self._cursor,
                f"SELECT existing.* FROM {name} AS existing "
                f"SEMI JOIN {ARROW} AS staged ON {_same(table.key)}",
                (),
            )

    def replace(self, table: Table, rows: Rows) -> int:
        name = DIALECT.table(table.schema, table.name)
        with _explained(), _registered(self._cursor, rows):
            # Until we commit, others keep reading the table that was there.
            self._create(f"CREATE OR REPLACE TABLE {name}", table)
            return self._count(f"INSERT INTO {name} BY NAME SELECT * FROM {ARROW}")

    def swap(self, table: Table, staged: Table) -> None:
        self.drop(table)
        with _explained():
            self._cursor.execute(
                f"ALTER TABLE {DIALECT.table(staged.schema, staged.name)} "
                f"RENAME TO {DIALECT.identifier(table.name)}"
            )

    def drop(self, table: Table) -> None:
        with _explained():
            self._cursor.execute(f"DROP TABLE IF EXISTS {DIALECT.table(table.schema, table.name)}")

    def _create(self, statement: str, table: Table) -> None:
        schema = DIALECT.identifier(table.schema)
        definitions = ", ".join(
            _definition(column) + (UNPACKED if _is_id(table, column) else "")
            for column in table.columns
        )
        self._cursor.execute(f"CREATE SCHEMA IF NOT EXISTS {schema}")
        self._cursor.execute(f"{statement} ({definitions})")

    def _count(self, sql: str) -> int:
        row = self._cursor.execute(sql).fetchone()
        return int(row[0]) if row else 0


def _run(cursor: duckdb.DuckDBPyConnection, sql: str, values: Sequence[Any]) -> pa.Table:
    with _explained():
        answer = cursor.sql(sql, params=list(values))
        return pa.table({}) if answer is None else answer.to_arrow_table()


@contextmanager
def _explained() -> Iterator[None]:
    """Raise the engine's errors as ours: its own trouble is retried, a wrong statement is not."""
    try:
        yield
    except (duckdb.IOException, duckdb.FatalException, duckdb.OutOfMemoryException) as error:
        raise WarehouseUnavailable(f"The warehouse cannot go on: {error}") from error
    except (duckdb.ConversionException, duckdb.OutOfRangeException) as error:
        # The engine's own sentence quotes the value, and that is nobody's business.
        column = CONVERTED.search(str(error))
        which = f"the column '{column[1]}'" if column else "its column"
        raise QueryFailed(f"A value does not fit the type of {which}.") from None
    except duckdb.Error as error:
        raise QueryFailed(str(error)) from error


def _commit(cursor: duckdb.DuckDBPyConnection) -> None:
    # Nobody else writes, so what fails now is no conflict: it is the disk.
    try:
        with _explained():
            cursor.commit()
    except QueryFailed as error:
        if isinstance(error.__cause__, duckdb.TransactionException):
            raise WarehouseUnavailable(f"The warehouse cannot go on: {error}") from error
        raise


def _roll_back(cursor: duckdb.DuckDBPyConnection) -> None:
    # What has failed may have been rolled back by the engine already.
    with suppress(duckdb.Error):
        cursor.rollback()


@contextmanager
def _registered(cursor: duckdb.DuckDBPyConnection, rows: Rows) -> Iterator[None]:
    """Arrow `rows` under the name `ARROW`, gone afterwards."""
    cursor.register(ARROW, rows)
    try:
        yield
    finally:
        # In a transaction that has failed nothing more can be done, and nothing needs to be.
        with suppress(duckdb.Error):
            cursor.unregister(ARROW)


@contextmanager
def _staged(cursor: duckdb.DuckDBPyConnection, table: Table, rows: Rows) -> Iterator[str]:
    """`rows` as a real table `STAGED`, in the types of `table`; the names of their columns.

    They are read more than once, which a stream cannot. Their order is written down beside them:
    the `rowid` of uncommitted rows cannot be trusted (2.0.0 found none of 300,000).
    """
    there = _table(cursor, table)
    casts = ", ".join(_cast(there, name) for name in rows.schema.names)
    with _registered(cursor, rows):
        cursor.execute(
            f"CREATE OR REPLACE TEMP TABLE {STAGED} AS "
            f"SELECT {casts}, row_number() OVER () AS {ORDINAL} FROM {ARROW}"
        )
    yield _names(rows.schema.names)
    cursor.execute(f"DROP TABLE {STAGED}")


def _cast(table: Table, name: str) -> str:
    column = table.column(name)
    quoted = DIALECT.identifier(name)
    if column is None:
        return quoted  # the insert will say that there is no such column
    return f"CAST({quoted} AS {DIALECT.type_name(column)}) AS {quoted}"


def _table(cursor: duckdb.DuckDBPyConnection, table: Table) -> Table:
    """One table as it is. Unlike `_tables` this looks at no other: there may be thousands."""
    rows = cursor.execute(
        "SELECT name, type FROM pragma_table_info(?)", [DIALECT.table(table.schema, table.name)]
    ).fetchall()
    return Table(table.schema, table.name, tuple(_column(*row) for row in rows))


def _tables(cursor: duckdb.DuckDBPyConnection, schema: str | None) -> list[Table]:
    found: dict[tuple[str, str], list[Column]] = {}
    rows = cursor.execute(
        "SELECT schema_name, table_name, column_name, data_type FROM duckdb_columns() "
        "WHERE database_name = current_database() AND NOT internal "
        "AND schema_name = coalesce(?, schema_name) AND NOT starts_with(table_name, ?) "
        "ORDER BY schema_name, table_name, column_index",
        [schema, STAGING],
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


def _definition(column: Column) -> str:
    return f"{DIALECT.identifier(column.name)} {DIALECT.type_name(column)}"


def _is_id(table: Table, column: Column) -> bool:
    return table.key == (column.name,) and column.type is Type.TEXT


def _names(names: Sequence[str]) -> str:
    return ", ".join(DIALECT.identifier(name) for name in names)


def _same(key: Sequence[str]) -> str:
    """The condition that two rows share `key`. A missing part equals a missing part."""
    columns = [DIALECT.identifier(name) for name in key]
    return " AND ".join(f"existing.{name} IS NOT DISTINCT FROM staged.{name}" for name in columns)
