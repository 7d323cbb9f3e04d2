"""Answers as Parquet and as an Arrow stream: columns with their types, for programs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from turnout.clips.formats.names import unique
from turnout.clips.result import Result

# Parquet is read by row groups: so many rows make one, whatever the batches are.
GROUP_ROWS = 122_880


def as_parquet(result: Result) -> Iterator[bytes]:
    """One Parquet file, compressed with zstd. Times are UTC instants; JSON is text."""
    return _written(result, _open_parquet)


def as_arrow(result: Result) -> Iterator[bytes]:
    """One Arrow IPC stream, under the same types."""
    return _written(result, pa.ipc.new_stream)


def _written(result: Result, open_: Callable[[Any, pa.Schema], Any]) -> Iterator[bytes]:
    """What a writer has made of each batch so far; memory holds one row group."""
    sink = _Sink()
    writer = None
    for batch in _grouped(result):
        if writer is None:
            writer = open_(sink, batch.schema)
        writer.write_batch(batch)
        yield sink.take()
    if writer is None:
        writer = open_(sink, _typed(result, _empty(result)).schema)
    writer.close()
    yield sink.take()


def _open_parquet(sink: Any, schema: pa.Schema) -> pq.ParquetWriter:
    return pq.ParquetWriter(sink, schema, compression="zstd", version="2.6")


def _grouped(result: Result) -> Iterator[pa.RecordBatch]:
    """The typed batches, small ones put together."""
    held: list[pa.RecordBatch] = []
    count = 0
    for batch in result.batches():
        held.append(_typed(result, batch))
        count += batch.num_rows
        if count >= GROUP_ROWS:
            yield _one(held)
            held, count = [], 0
    if held:
        yield _one(held)


def _one(batches: list[pa.RecordBatch]) -> pa.RecordBatch:
    return batches[0] if len(batches) == 1 else pa.concat_batches(batches)


def _typed(result: Result, batch: pa.RecordBatch) -> pa.RecordBatch:
    columns = [_instants(column, type_) for column, type_ in zip(batch, result.types, strict=True)]
    return pa.RecordBatch.from_arrays(columns, unique(result.fields))


def _instants(column: pa.Array, type_: str) -> pa.Array:
    """Times without a zone are UTC; programs are told so."""
    if type_ == "time" and pa.types.is_timestamp(column.type) and column.type.tz is None:
        return pc.cast(column, pa.timestamp(column.type.unit, "UTC"))
    return column


def _empty(result: Result) -> pa.RecordBatch:
    schema = pa.ipc.open_file(result.rows_file).schema
    return pa.RecordBatch.from_pylist([], schema)


class _Sink:
    """A file whose content is taken away as it grows."""

    closed = False

    def __init__(self) -> None:
        self._pieces: list[bytes] = []

    def write(self, piece: Any) -> int:
        self._pieces.append(bytes(piece))
        return len(self._pieces[-1])

    def flush(self) -> None:
        """Nothing is held back."""

    def close(self) -> None:
        """There is nothing to let go of."""

    def readable(self) -> bool:
        return False

    def writable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return False

    def take(self) -> bytes:
        taken = b"".join(self._pieces)
        self._pieces.clear()
        return taken
