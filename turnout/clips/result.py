"""A clip's answer: an Arrow file on disk, memory-mapped, and what is known about it.

A `Result` stays readable when its file is deleted meanwhile: it was mapped when it was made.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc


@dataclass(frozen=True, slots=True)
class Result:
    """The rows of one run. `types` are our own words, one per field; names may repeat.

    `as_of` is when the oldest data read left its source. `is_stale` marks a last good answer
    that stands in for a run that failed, and `problem` says how it failed.
    """

    fields: list[str]
    types: list[str]
    row_count: int
    truncated: bool
    as_of: datetime
    ran_at: datetime
    duration_ms: int
    etag: str
    snapshot: int
    bytes: int
    rows_file: pa.MemoryMappedFile
    is_stale: bool = False
    problem: str | None = None

    def batches(self) -> Iterator[pa.RecordBatch]:
        """The rows as they lie on disk; columns are named c0, c1 and so on."""
        reader = pa.ipc.open_file(self.rows_file)
        for number in range(reader.num_record_batches):
            yield reader.get_batch(number)

    def rows(self, limit: int, offset: int = 0) -> list[list[Any]]:
        """Rows from `offset` on as Python values, times aware; for a page of a table."""
        rows: list[list[Any]] = []
        for batch in self.batches():
            if offset >= batch.num_rows:
                offset -= batch.num_rows
                continue
            part = batch.slice(offset, limit - len(rows))
            offset = 0
            rows += self.values(part)
            if len(rows) >= limit:
                break
        return rows

    def values(self, batch: pa.RecordBatch) -> list[list[Any]]:
        """The rows of one batch as Python values."""
        columns = [
            _values(column, type_) for column, type_ in zip(batch.columns, self.types, strict=True)
        ]
        return [list(row) for row in zip(*columns, strict=True)]


def open_rows(path: Path) -> pa.MemoryMappedFile:
    """Map the Arrow file at `path`. Raises `OSError` or `pa.ArrowInvalid` when it is none."""
    source = pa.memory_map(str(path))
    pa.ipc.open_file(source)
    return source


def _values(column: pa.Array, type_: str) -> list[Any]:
    if type_ == "time" and column.type.tz is None:
        column = column.cast(pa.timestamp("us", "UTC"))
    if type_ == "integer" and not pa.types.is_integer(column.type):
        return [None if value is None else int(value) for value in column.to_pylist()]
    try:
        values: list[Any] = column.to_pylist()
    except (ValueError, OverflowError):
        # A date beyond the year 9999 exists in the engine and not in Python.
        values = pc.cast(column, pa.string()).to_pylist()
    return values
