"""One part of a table on its way: batches of Arrow, and how many values were lost."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from turnout.sync.postgres.errors import explained
from turnout.sync.postgres.pace import Pace, Term
from turnout.sync.postgres.pieces import Piece, read
from turnout.sync.postgres.statement import Statement
from turnout.sync.postgres.together import together
from turnout.sync.postgres.worker import Worker
from turnout.sync.selection import SelectedTable


@dataclass(frozen=True, slots=True)
class Limits:
    """What one snapshot asks of its source at most."""

    pace: Pace
    term: Term


@dataclass(frozen=True, slots=True)
class Plan:
    """What is read, in which pieces, and by whom; there is one worker at least."""

    statement: Statement
    pieces: Sequence[Piece]
    workers: Sequence[Worker]


class PostgresRows:
    """See `SourceRows`. The server adds numbers to each row that mark its lost values."""

    def __init__(self, url: str, selected: SelectedTable, plan: Plan, limits: Limits) -> None:
        self.lost: dict[str, int] = {}
        self._url = url
        self._selected = selected
        self._plan = plan
        self._limits = limits
        first = plan.workers[0]
        reader = first.open(plan.statement.empty)
        found = reader.schema
        for _ in first.drain(reader):
            """Nothing comes."""
        self.schema = pa.schema([found.field(place) for place in range(plan.statement.columns)])

    def __iter__(self) -> Iterator[pa.RecordBatch]:
        with explained(self._url, self._selected), closing(self._read()) as batches:
            for batch in batches:
                self._limits.term.check()
                self._count_lost(batch)
                yield batch.select(range(len(self.schema)))
                self._limits.pace.keep(batch.num_rows)

    def _read(self) -> Generator[pa.RecordBatch]:
        def one(worker: Worker, piece: Piece) -> Iterator[pa.RecordBatch]:
            return read(worker, self._plan.statement, piece)

        if len(self._plan.workers) > 1:
            yield from together(self._plan.workers, self._plan.pieces, one)
            return
        for piece in self._plan.pieces:
            yield from one(self._plan.workers[0], piece)

    def _count_lost(self, batch: pa.RecordBatch) -> None:
        for number, names in enumerate(self._plan.statement.masks):
            mask = batch.column(len(self.schema) + number)
            if not pc.max(mask).as_py():
                continue
            for bit, name in enumerate(names):
                marked = pc.sum(pc.bit_wise_and(pc.shift_right(mask, bit), 1)).as_py()
                if marked:
                    self.lost[name] = self.lost.get(name, 0) + marked
