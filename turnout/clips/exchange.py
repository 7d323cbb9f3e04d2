"""One conversation with one worker: the job goes in, counted rows come out into a file.

Everything here blocks and runs in a thread; the runner holds the clock and the kill. What the
worker says is not trusted: rows and bytes are counted again, messages have a largest size.
"""

from __future__ import annotations

import contextlib
import signal
import subprocess
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from time import monotonic
from typing import IO, Any

import msgspec
import pyarrow as pa

from turnout.clips import gate
from turnout.clips.worker import MESSAGE_BYTES, READY, Job, Report
from turnout.errors import QueryFailed, QueryRefused, QueryTooLarge

REPORT_BYTES_MAX = 65_536
COLUMNS_MAX = 2_000


@dataclass(frozen=True, slots=True)
class Ran:
    """What a run left in its file."""

    fields: list[str]
    types: list[str]
    row_count: int
    truncated: bool
    bytes: int
    ran_at: datetime
    duration_ms: int


class NeverBegan(Exception):
    """The worker had died before it took the job."""


class Head(msgspec.Struct, frozen=True):
    """What the worker says about the columns."""

    fields: list[str]
    types: list[str]


@dataclass(slots=True)
class _Kept:
    """What has been written so far."""

    rows: int = 0
    bytes: int = 0
    truncated: bool = False


def converse(process: subprocess.Popen[bytes], job: Job, bytes_max: int, into: Path) -> Ran:
    """Give `job` to a waiting worker and write its answer to `into`, whole or not at all.

    Raises `NeverBegan`, or the query's own error.
    """
    began_at, began = datetime.now(UTC), monotonic()
    _hand_over(process, job)
    part = into.with_name(f"{into.name}.part")
    try:
        head, kept = _receive(process, part, job.rows_max, bytes_max)
        if not kept.truncated:
            _raise_for(_report(process), process, job)
        part.rename(into)
    except (pa.ArrowException, OSError, EOFError, msgspec.MsgspecError) as error:
        _raise_for(_report(process), process, job)
        raise QueryFailed("The answer broke off on its way.", hint="Run it again.") from error
    finally:
        end(process)
        part.unlink(missing_ok=True)
    duration_ms = round((monotonic() - began) * 1000)
    return Ran(
        head.fields, head.types, kept.rows, kept.truncated, kept.bytes, began_at, duration_ms
    )


def await_ready(process: subprocess.Popen[bytes]) -> bool:
    """Whether the worker is warm and waits for a job; False when it has ended."""
    return _pipe(process.stderr).readline(REPORT_BYTES_MAX) == READY


def end(process: subprocess.Popen[bytes]) -> None:
    """Kill the worker, wait until it is gone, close what led to it."""
    process.kill()
    process.wait()
    for pipe in (process.stdin, process.stdout, process.stderr):
        with contextlib.suppress(OSError):
            _pipe(pipe).close()


def _hand_over(process: subprocess.Popen[bytes], job: Job) -> None:
    try:
        _pipe(process.stdin).write(msgspec.json.encode(job) + b"\n")
        _pipe(process.stdin).flush()
    except (BrokenPipeError, ValueError):
        raise NeverBegan from None


def _receive(
    process: subprocess.Popen[bytes], part: Path, rows_max: int, bytes_max: int
) -> tuple[Head, _Kept]:
    source = _Metered(_pipe(process.stdout), bytes_max + 2 * MESSAGE_BYTES)
    with pa.ipc.open_stream(source) as stream:
        head = _head(stream.schema)
        with part.open("wb") as file, pa.ipc.new_file(file, stream.schema) as writer:
            kept = _Kept()
            for batch in stream:
                if not _keep(batch, writer, kept, rows_max, bytes_max):
                    break
    return head, kept


def _head(schema: pa.Schema) -> Head:
    head = msgspec.json.decode((schema.metadata or {}).get(b"turnout", b""), type=Head)
    if not len(head.fields) == len(head.types) == len(schema):
        raise pa.ArrowInvalid("columns and their names differ in number")
    if len(schema) > COLUMNS_MAX:
        raise QueryTooLarge(
            f"The answer has {len(schema):,} columns; clips show at most {COLUMNS_MAX:,}."
        )
    return head


def _keep(batch: pa.RecordBatch, writer: Any, kept: _Kept, rows_max: int, bytes_max: int) -> bool:
    """Write what fits; whether more may come."""
    fits = batch.slice(0, rows_max - kept.rows)
    while fits.num_rows and kept.bytes + fits.nbytes > bytes_max:
        fits = fits.slice(0, fits.num_rows // 2)
    if batch.num_rows and not fits.num_rows and not kept.rows:
        raise QueryTooLarge(f"One row of the answer is larger than {_size(bytes_max)}.")
    if fits.num_rows:
        writer.write_batch(fits)
    kept.rows += fits.num_rows
    kept.bytes += fits.nbytes
    kept.truncated = fits.num_rows < batch.num_rows
    return not kept.truncated


def _report(process: subprocess.Popen[bytes]) -> Report | None:
    """The worker's last line, if it could still speak."""
    # Not to the end of the pipe: the process takes some milliseconds to be gone.
    for line in iter(lambda: _pipe(process.stderr).readline(REPORT_BYTES_MAX), b""):
        with contextlib.suppress(msgspec.MsgspecError):
            return msgspec.json.decode(line, type=Report)
    return None


def _raise_for(report: Report | None, process: subprocess.Popen[bytes], job: Job) -> None:
    """Raise what went wrong; return when nothing did."""
    if report is None:
        raise _died(process.wait())
    if report.error == "memory":
        raise QueryTooLarge(
            f"This query needs more memory than the {_size(job.memory_bytes_max)} clips may use.",
            hint="Read fewer columns or rows, or aggregate before joining.",
        )
    if report.error == "refused":
        hint = gate.HINT if report.message.startswith(gate.READS_ONLY) else None
        raise QueryRefused(report.message, hint=hint)
    if report.error:
        raise QueryFailed(report.message or "The query was stopped.")


def _died(code: int) -> QueryFailed:
    if code == -signal.SIGKILL:
        return QueryFailed(
            "The query's process was killed from outside before it finished.", hint="Run it again."
        )
    return QueryTooLarge(
        "The engine gave up on this query, most likely for want of memory.",
        hint="Read fewer columns or rows, or return shorter texts.",
    )


class _Metered:
    """A pipe that refuses messages larger than an answer may be."""

    closed = False

    def __init__(self, pipe: IO[bytes], bytes_max: int) -> None:
        self._pipe = pipe
        self._bytes_max = bytes_max

    def read(self, size: int = -1) -> bytes:
        if not 0 <= size <= self._bytes_max:
            raise QueryTooLarge(f"One row of the answer is larger than {_size(self._bytes_max)}.")
        return self._pipe.read(size)

    def readable(self) -> bool:
        return True

    def close(self) -> None:
        self.closed = True


def _pipe(pipe: IO[bytes] | None) -> IO[bytes]:
    assert pipe is not None  # noqa: S101 - all three were asked for when the process was made
    return pipe


def _size(count: int) -> str:
    for unit, size in (("GB", 1024**3), ("MB", 1024**2), ("KB", 1024)):
        if count >= size:
            return f"{count / size:.3g} {unit}"
    return f"{count} bytes"
