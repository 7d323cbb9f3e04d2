"""Rows on their way into a staging table: treated first, then written bit by bit.

Each write is short, so that nobody who writes to the warehouse waits for a copy; no more is held in
memory than twice `WRITE_BYTES` and what is being read.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from time import monotonic

import pyarrow as pa

from turnout.sync.privacy.passage import Passage
from turnout.sync.source import SourceRows
from turnout.warehouse import Table, Warehouse

# DuckDB puts groups of so many rows straight into its file. Of a batch that is not one group its
# threads make groups that are not full, and the next checkpoint writes them all anew (measured:
# twice the file and twice the work).
GROUP_ROWS = 122_880
# One group for each of two threads.
WRITE_GROUPS = 2
WRITE_BYTES = 32 * 1024 * 1024


@dataclass(slots=True)
class Landed:
    """What has come so far."""

    table: Table
    rows: int = 0
    bytes: int = 0
    duration_s: float = 0.0
    lost: dict[str, int] = field(default_factory=dict)


def land(
    warehouse: Warehouse,
    rows: SourceRows,
    passage: Passage,
    table: Table,
    told: Callable[[int], None],
) -> Landed:
    """Read `rows` to their end into the new `table`; `told` hears how many have come.

    Raises what the source raises; what has landed by then stays to be dropped.
    """
    began = monotonic()
    landed = Landed(table)
    _write(warehouse, table, _writes(_counted(rows, passage, landed, told)))
    landed.lost = dict(rows.lost)
    landed.duration_s = monotonic() - began
    return landed


def _write(warehouse: Warehouse, table: Table, writes: Iterator[Sequence[pa.RecordBatch]]) -> None:
    """What comes is read while what came before is written."""
    # Of one snapshot no key comes twice: looking for one would cost more than writing.
    keyless = replace(table, key=())

    def write(batches: Sequence[pa.RecordBatch]) -> None:
        with warehouse.transaction() as transaction:
            transaction.prepare(table)
            if batches:
                transaction.append(keyless, pa.Table.from_batches(batches))

    with ThreadPoolExecutor(1, "landing") as writer:
        written: Future[None] | None = None
        for batches in writes:
            if written is not None:
                written.result()
            written = writer.submit(write, batches)
        # A table without rows is a table all the same.
        (written or writer.submit(write, ())).result()


def _counted(
    rows: SourceRows, passage: Passage, landed: Landed, told: Callable[[int], None]
) -> Iterator[pa.RecordBatch]:
    for batch in rows:
        landed.bytes += batch.nbytes
        treated = passage.through(batch)
        landed.rows += treated.num_rows
        told(landed.rows)
        if treated.num_rows:
            yield treated


def _writes(batches: Iterator[pa.RecordBatch]) -> Iterator[Sequence[pa.RecordBatch]]:
    """Groups that are written together."""
    held: list[pa.RecordBatch] = []
    for group in _groups(batches):
        held.append(group)
        if len(held) == WRITE_GROUPS or sum(each.nbytes for each in held) >= WRITE_BYTES:
            yield held
            held = []
    if held:
        yield held


def _groups(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """Batches of exactly `GROUP_ROWS`; of fewer where rows are large, and at the end."""
    held: list[pa.RecordBatch] = []
    rows = bytes_ = 0
    for batch in batches:
        left = batch
        while rows + left.num_rows >= GROUP_ROWS:
            yield _joined([*held, left.slice(0, GROUP_ROWS - rows)])
            left = left.slice(GROUP_ROWS - rows)
            held, rows, bytes_ = [], 0, 0
        held.append(left)
        rows += left.num_rows
        bytes_ += left.nbytes
        if bytes_ >= WRITE_BYTES:
            yield _joined(held)
            held, rows, bytes_ = [], 0, 0
    if rows:
        yield _joined(held)


def _joined(batches: Sequence[pa.RecordBatch]) -> pa.RecordBatch:
    return pa.Table.from_batches(batches).combine_chunks().to_batches()[0]
