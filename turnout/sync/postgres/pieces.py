"""A big table read in pieces that lie one after the other on the server's disk.

Each piece is a statement of its own: none runs for long, several can run at once, and one that
was cut off is taken up again where it was, inside the same snapshot. What a snapshot sees of
some blocks never changes, nor does its order; so a count says how far a piece was read.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import pyarrow as pa

from turnout.sync.postgres.errors import DRIVER_ERRORS, TIMEOUT, code_of, is_repeatable
from turnout.sync.postgres.statement import Blocks, Statement
from turnout.sync.postgres.worker import Worker

# 256 MiB where a block has 8 KiB: some seconds of reading each.
PIECE_BLOCKS = 32 * 1024
# A piece that fails is cut in two so often.
RETRIES = 2


@dataclass(frozen=True, slots=True)
class Piece:
    """Blocks to read without their first `skip` rows, or all there is, wherever it lies.

    `end` is where the heap ended when it was asked.
    """

    blocks: Blocks | None = None
    end: int = 0
    skip: int = 0
    retries: int = 0


def pieces(blocks: int) -> list[Piece]:
    """All blocks of a heap that had so many; the last piece has no end, should it have grown."""
    starts = range(0, max(blocks, 1), PIECE_BLOCKS)
    ends: Sequence[int | None] = [*starts[1:], None]
    return [
        Piece(Blocks(first, end), blocks if end is None else end)
        for first, end in zip(starts, ends, strict=True)
    ]


def read(worker: Worker, statement: Statement, piece: Piece) -> Iterator[pa.RecordBatch]:
    """The rows of one piece. What fails for a passing reason is taken up again, in two halves."""
    handed = 0
    try:
        for batch in worker.drain(worker.open(statement.sql(piece.blocks, piece.skip))):
            handed += batch.num_rows
            yield batch
    except DRIVER_ERRORS as error:
        if not _may_go_on(error, statement, piece, handed):
            raise
        worker.close()
        for half in _halves(worker, statement, piece, piece.skip + handed):
            yield from read(worker, statement, half)


def _may_go_on(error: BaseException, statement: Statement, piece: Piece, handed: int) -> bool:
    code = code_of(error)
    if piece.retries == RETRIES or not is_repeatable(code):
        return False
    if piece.blocks is None:
        # In no order that could be counted on, and no shorter the second time.
        return not handed and code != TIMEOUT
    # A condition may speak of the time, which another connection has another one of.
    return not (handed and statement.is_filtered)


def _halves(worker: Worker, statement: Statement, piece: Piece, skip: int) -> Iterator[Piece]:
    """The same piece in two, without the `skip` rows that were read of it."""
    retries = piece.retries + 1
    first = piece.blocks.first if piece.blocks else 0
    middle = (first + piece.end) // 2
    if piece.blocks is None or middle == first:
        yield replace(piece, skip=skip, retries=retries)
        return
    half = Blocks(first, middle)
    # Counted only where it matters: the first half may have been read to its end.
    rows = worker.value(statement.count(half)) if skip else 0
    if skip < rows or not skip:
        yield Piece(half, middle, skip, retries)
    yield Piece(Blocks(middle, piece.blocks.end), piece.end, max(0, skip - rows), retries)
