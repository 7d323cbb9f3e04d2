"""Rows on their way into a staging table: treated first, then written bit by bit.

Each write is short, so that nobody who writes to the warehouse waits for a copy; no more is held in
memory than twice `WRITE_BYTES` and what is being read.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from time import monotonic

import pyarrow as pa

from turnout.sync.privacy.passage import Passage
from turnout.sync.source import SourceRows
from turnout.warehouse import Table, Warehouse

# One write: enough rows that the engine puts whole groups of them straight into its file.
WRITE_ROWS = 2 * 122_880
WRITE_BYTES = 24 * 1024 * 1024


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
    _write(warehouse, table, _written_together(_counted(rows, passage, landed, told)))
    landed.lost = dict(rows.lost)
    landed.duration_s = monotonic() - began
    return landed


def _write(warehouse: Warehouse, table: Table, writes: Iterator[Sequence[pa.RecordBatch]]) -> None:
    """What comes is read while what came before is written."""

    def write(batches: Sequence[pa.RecordBatch]) -> None:
        with warehouse.transaction() as transaction:
            transaction.prepare(table)
            if batches:
                transaction.append(table, pa.Table.from_batches(batches))

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


def _written_together(batches: Iterator[pa.RecordBatch]) -> Iterator[Sequence[pa.RecordBatch]]:
    held: list[pa.RecordBatch] = []
    rows = bytes_ = 0
    for batch in batches:
        held.append(batch)
        rows += batch.num_rows
        bytes_ += batch.nbytes
        if rows >= WRITE_ROWS or bytes_ >= WRITE_BYTES:
            yield held
            held, rows, bytes_ = [], 0, 0
    if held:
        yield held
