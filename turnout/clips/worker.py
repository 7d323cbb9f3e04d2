"""The sandboxed child: one process, one query, then the end.

It starts warm and waits. The job comes as one line on standard input; rows leave as an Arrow
stream on standard output, and one line on standard error says how it ended. When standard input
closes, the query is to stop. Nothing here is trusted from outside: the parent counts again.
"""

from __future__ import annotations

import os
import re
import sys
import threading
from collections.abc import Callable
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import msgspec
import pyarrow as pa

from turnout.clips import gate, walls

READY = b"ready\n"
# Rows that travel together: one vector of the engine, so that wide rows stay affordable.
BATCH_ROWS = 2048
# Wider batches are split, so that the parent can cut an answer near its limit.
MESSAGE_BYTES = 4 * 1024**2
ERROR_LENGTH_MAX = 16_000
# Room beside the engine's own memory for Python, Arrow and the allocator.
BESIDE_ENGINE_BYTES = 320 * 1024**2
CPU_GRACE_S = 5

# Before opening. One thread and no background ones, so that Landlock binds whatever comes later.
SETTINGS: dict[str, Any] = {
    "access_mode": "READ_ONLY",
    "enable_external_access": False,
    "autoinstall_known_extensions": False,
    "autoload_known_extensions": False,
    "allow_community_extensions": False,
    "allow_unsigned_extensions": False,
    "allow_persistent_secrets": False,
    "python_enable_replacements": False,
    "temp_directory": "",
    "threads": 1,
    "async_threads": 0,
}

# Engine type → our word, and how the value travels ('{}' as it is).
TYPES = {
    "VARCHAR": ("text", "{}"),
    "BOOLEAN": ("boolean", "{}"),
    "TINYINT": ("integer", "{}"),
    "SMALLINT": ("integer", "{}"),
    "INTEGER": ("integer", "{}"),
    "BIGINT": ("integer", "{}"),
    "UTINYINT": ("integer", "{}"),
    "USMALLINT": ("integer", "{}"),
    "UINTEGER": ("integer", "{}"),
    "UBIGINT": ("integer", "{}"),
    "HUGEINT": ("integer", "{}"),
    "UHUGEINT": ("integer", "{}::VARCHAR"),
    "BIGNUM": ("integer", "{}::VARCHAR"),
    "FLOAT": ("float", "{}"),
    "DOUBLE": ("float", "{}"),
    "DATE": ("date", "{}"),
    "TIME": ("clock", "{}"),
    "TIMESTAMP": ("time", "{}"),
    "TIMESTAMP WITH TIME ZONE": ("time", "{}"),
    "TIMESTAMP_S": ("time", "{}::TIMESTAMP"),
    "TIMESTAMP_MS": ("time", "{}::TIMESTAMP"),
    "TIMESTAMP_NS": ("time", "{}::TIMESTAMP"),
    "INTERVAL": ("interval", "{}::VARCHAR"),
    "UUID": ("uuid", "{}"),
    "BLOB": ("bytes", "{}"),
    "JSON": ("json", "{}"),
}
NESTED = re.compile(r"\]$|^(?:STRUCT|MAP|UNION|VARIANT|LIST|ARRAY)\b")


class Job(msgspec.Struct, frozen=True):
    """What the parent asks for."""

    sql: str
    path: str
    memory_bytes_max: int
    threads: int
    timeout_s: float
    rows_max: int
    # By name: the value's type and its text, or texts.
    values: dict[str, tuple[str, str | tuple[str, ...]]] = {}


class Report(msgspec.Struct, frozen=True, omit_defaults=True):
    """How it ended. `error` is '' or one of refused, failed, memory, stopped."""

    error: str = ""
    message: str = ""
    walls: tuple[str, ...] = ()


class _Refused(Exception):
    """The gate's answer."""


class _NotOpened(Exception):
    """The follower's file could not be opened."""


def main() -> None:
    """Take one job and end. `argv[1]` is the parent's process id."""
    walls.die_with(int(sys.argv[1]))
    walls.keep_low()
    rows_to, report_to = _private(1), _private(2)
    _warm_up()
    stands = ["network"] if walls.leave_network() else []
    os.write(report_to, READY)
    line = _read_line()
    if not line:
        os._exit(0)
    job = msgspec.json.decode(line, type=Job)
    report = _attempt(job, rows_to, stands)
    os.write(report_to, msgspec.json.encode(report) + b"\n")
    # No interpreter shutdown: an engine thread still busy must not hold the process.
    os._exit(0)


def _private(descriptor: int) -> int:
    """The same pipe under a number of our own; what others print there afterwards goes nowhere."""
    ours = os.dup(descriptor)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, descriptor)
    os.close(nowhere)
    return ours


def _warm_up() -> None:
    """Pay for imports and first uses before there is a job: afterwards no file can be opened."""
    with duckdb.connect(config={**SETTINGS, "access_mode": "AUTOMATIC"}) as connection:
        connection.extract_statements("SELECT 1")
        reader = connection.sql("SELECT 1 AS a, 'x' AS b, now() AS c").to_arrow_reader(1)
        with pa.ipc.new_stream(pa.BufferOutputStream(), reader.schema) as stream:
            for batch in reader:
                stream.write_batch(batch)
        reader.close()
    "".encode("idna")  # a codec is a module, and modules are files


def _read_line() -> bytes:
    line = bytearray()
    while not line.endswith(b"\n"):
        part = os.read(0, 65536)
        if not part:
            return b""
        line += part
    return bytes(line)


def _attempt(job: Job, rows_to: int, stands: list[str]) -> Report:
    """Run the job; every way it can end is a `Report`."""
    try:
        connection = _open(job)
        stands += _close_doors()
        _start_threads(connection, job)
        _listen(connection.interrupt)
        _stream(connection, job, rows_to)
    except Exception as error:  # noqa: BLE001 - the edge of the job; the parent decides
        return _ending(error, Path(job.path))
    return Report(walls=tuple(stands))


def _ending(error: Exception, path: Path) -> Report:
    """What to say of `error`, without paths."""
    message = str(error)
    if isinstance(error, _Refused):
        return Report("refused", message)
    if isinstance(error, duckdb.InterruptException | BrokenPipeError):
        return Report("stopped")
    if isinstance(error, MemoryError) or gate.is_memory(message):
        return Report("memory")
    sentence = gate.friendly(message)
    if sentence:
        return Report("refused", sentence)
    clean = message.replace(str(path), "the follower").replace(str(path.parent), "the follower")
    return Report("failed", clean.strip()[:ERROR_LENGTH_MAX])


def _open(job: Job) -> duckdb.DuckDBPyConnection:
    """The follower, read-only. Settings that only an open database takes come after."""
    walls.limit_memory(job.memory_bytes_max)
    walls.limit_cpu(int(job.timeout_s * job.threads) + CPU_GRACE_S)
    engine_bytes = max(job.memory_bytes_max - BESIDE_ENGINE_BYTES, job.memory_bytes_max // 3)
    config = {**SETTINGS, "memory_limit": f"{engine_bytes // 1024}KiB"}
    try:
        connection = duckdb.connect(job.path, config=config)
    except duckdb.IOException:
        raise _NotOpened(_NotOpened.__doc__) from None
    connection.execute("SET disabled_filesystems = 'LocalFileSystem'")
    connection.execute("SET TimeZone = 'UTC'")
    connection.execute("SET enable_progress_bar = false")
    connection.execute(f"SET search_path = '{_search_path(connection)}'")
    return connection


def _search_path(connection: duckdb.DuckDBPyConnection) -> str:
    """Every schema of the follower but our own private ones, so that short names are found."""
    rows = connection.execute(
        "SELECT schema_name FROM duckdb_schemas() WHERE database_name = current_database() "
        "AND schema_name <> 'main' AND regexp_matches(schema_name, '^[a-z][a-z0-9_]*$') "
        "AND NOT internal ORDER BY schema_name <> 'turnout', schema_name"
    ).fetchall()
    return ",".join(["main", *(name for (name,) in rows)])


def _close_doors() -> list[str]:
    """From here on nothing more can be opened or written; which walls stand."""
    built = {
        "files": walls.touch_nothing(),
        "descriptors": walls.open_nothing(),
        "writing": walls.write_nothing(),
    }
    return [name for name, stands in built.items() if stands]


def _start_threads(connection: duckdb.DuckDBPyConnection, job: Job) -> None:
    """The engine's threads, born inside the walls; then the configuration is locked for good."""
    connection.execute(f"SET threads = {job.threads}")
    connection.execute("SET lock_configuration = true")


def _listen(stop: Callable[[], None]) -> None:
    """Stop the query when standard input closes."""

    def wait() -> None:
        while os.read(0, 4096):
            pass
        stop()

    threading.Thread(target=wait, daemon=True).start()
    walls.start_nothing()


def _stream(connection: duckdb.DuckDBPyConnection, job: Job, rows_to: int) -> None:
    """Pass the gate, then write rows as they come. Field names and our types go ahead of them."""
    statements = connection.extract_statements(job.sql)
    refused = gate.refusal([(statement.type.name, statement.query) for statement in statements])
    if refused:
        raise _Refused(refused)
    answer = _bind(connection, job)
    if answer is None:
        raise _Refused(gate.READS_ONLY)
    names, types = list(answer.columns), [_our_type(str(type_)) for type_ in answer.types]
    reader = _travelling(answer, types).to_arrow_reader(BATCH_ROWS)
    head = {"fields": names, "types": [word for word, _ in types]}
    schema = pa.schema(
        [pa.field(f"c{i}", field.type) for i, field in enumerate(reader.schema)],
        metadata={"turnout": msgspec.json.encode(head)},
    )
    _send(reader, schema, job.rows_max, rows_to)


def _bind(connection: duckdb.DuckDBPyConnection, job: Job) -> Any:
    """The query with its values, planned and not yet run."""
    values = {name: _value(*typed) for name, typed in job.values.items()}
    try:
        return connection.sql(job.sql, params=values) if values else connection.sql(job.sql)
    except duckdb.ProgrammingError:
        # The other way of asking also says at which line and word the mistake is.
        connection.execute(job.sql, values or None)
        raise


def _value(type_: str, text: str | tuple[str, ...]) -> Any:
    """A value as the engine is to see it: never as part of the text of a query."""
    if isinstance(text, tuple):
        return list(text)
    if type_ == "number":
        return _number(text)
    if type_ == "date":
        return date.fromisoformat(text)
    return text == "true" if type_ == "boolean" else text


def _number(text: str) -> int | float | Decimal:
    """What the same digits would be in SQL: exact, unless they have an exponent."""
    if re.fullmatch("[+-]?[0-9]+", text):
        return int(text)
    return float(text) if "e" in text.lower() else Decimal(text)


def _our_type(name: str) -> tuple[str, str]:
    """Our word for an engine type, and the expression that carries its values."""
    if name in TYPES:
        return TYPES[name]
    if name.startswith("DECIMAL("):
        return "decimal", "{}"
    if NESTED.search(name):
        return "json", "to_json({})::VARCHAR"
    return "text", "{}::VARCHAR"


def _travelling(answer: Any, types: list[tuple[str, str]]) -> Any:
    """`answer` with those columns cast that Arrow or our formats would not carry as they are."""
    if all(how == "{}" for _, how in types):
        return answer
    columns = (f"{how.format(f'#{i}')} AS c{i}" for i, (_, how) in enumerate(types, start=1))
    return answer.project(", ".join(columns))


def _send(reader: pa.RecordBatchReader, schema: pa.Schema, rows_max: int, rows_to: int) -> None:
    # One row more than is kept tells the parent that there were more.
    left = rows_max + 1
    with os.fdopen(rows_to, "wb") as sink, pa.ipc.new_stream(sink, schema) as stream:
        for batch in reader:
            kept = pa.RecordBatch.from_arrays(batch.slice(0, left).columns, schema=schema)
            step = max(1, kept.num_rows * MESSAGE_BYTES // max(kept.nbytes, MESSAGE_BYTES))
            for start in range(0, kept.num_rows, step):
                stream.write_batch(kept.slice(start, step))
            left -= kept.num_rows
            if left <= 0:
                break


if __name__ == "__main__":
    main()
