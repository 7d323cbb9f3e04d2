"""All selected tables of a PostgreSQL server at one instant."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

import psycopg

from turnout.errors import SourceRefused, SourceUnavailable, TurnoutError
from turnout.sync.postgres.catalogue import Catalogue, moved, read_blocks
from turnout.sync.postgres.errors import TableLocked, explained
from turnout.sync.postgres.instant import Begun
from turnout.sync.postgres.pieces import Piece, pieces
from turnout.sync.postgres.rows import Limits, Plan, PostgresRows
from turnout.sync.postgres.statement import Statement, TableRead
from turnout.sync.postgres.worker import Worker
from turnout.sync.selection import SelectedTable
from turnout.sync.source import WHOLE, Part, Since, SourceTable

# With fewer processors a second connection only takes turns with the first (measured: no gain).
CORES_MIN = 4


class PostgresSnapshot:
    """See `SourceSnapshot`. `control` is the connection whose snapshot the `workers` join."""

    def __init__(
        self,
        url: str,
        begun: Begun,
        control: psycopg.Connection[Any],
        workers: Sequence[Worker],
        limits: Limits,
    ) -> None:
        self.as_of = begun.as_of
        self.instant = begun.instant
        self.tables: list[SourceTable] = []
        self.problems: dict[SelectedTable, str] = {}
        self._url = url
        self._control = control
        self._workers = workers
        self._limits = limits
        self._reads: dict[SelectedTable, TableRead] = {}
        self._blocks: dict[SelectedTable, int] = {}

    def take(self, catalogue: Catalogue, selection: Sequence[SelectedTable]) -> None:
        """Lock every selected table's shape, and sort out those that cannot be read.

        Raises `SourceUnavailable` when a table changed while the snapshot was being taken.
        """
        for selected in selection:
            try:
                read = TableRead(selected, catalogue.find(selected))
                self._lock(read)
            except (SourceRefused, TableLocked) as error:
                self.problems[selected] = str(error)
                continue
            self._reads[selected] = read
            self.tables.append(read.table)
        with explained(self._url):
            if moved(self._control, [read.found.oid for read in self._reads.values()]):
                raise _changed()
            for selected, read in self._reads.items():
                if read.found.has_places:
                    self._blocks[selected] = read_blocks(self._control, read.found.oid)

    def rows(self, table: SourceTable, part: Part = WHOLE) -> PostgresRows:
        read = self._reads[table.selected]
        with explained(self._url, table.selected):
            statement = read.statement(part, self.instant.xmin)
            cut = self._pieces(read, statement, part)
            plan = Plan(statement, cut, self._workers[: _useful(len(cut))])
            return PostgresRows(self._url, read.selected, plan, self._limits)

    def cursor_max(self, table: SourceTable) -> str | None:
        with explained(self._url, table.selected):
            sql = self._reads[table.selected].cursor_max_sql()
            largest: str | None = self._control.execute(sql).fetchall()[0][0]
            return largest

    def _lock(self, read: TableRead) -> None:
        """Keep others from changing the table's shape until the snapshot ends.

        The catalogue is as of the snapshot, but what a statement finds is as of now.
        """
        self._control.execute("SAVEPOINT lock")
        try:
            with explained(self._url, read.selected):
                found = self._control.execute(read.plain_sql).pgresult
                self._control.execute(read.statement(WHOLE).empty)
        except TurnoutError:
            if not self._control.broken:
                self._control.execute("ROLLBACK TO lock")
            raise
        if found and read.places != [
            (found.ftablecol(place), found.ftype(place)) for place in range(found.nfields)
        ]:
            raise _changed()

    def _pieces(self, read: TableRead, statement: Statement, part: Part) -> list[Piece]:
        if isinstance(part, Since) or not read.found.has_places:
            return [Piece()]
        if statement.is_filtered and not self._reads_all(statement):
            return [Piece()]
        return pieces(self._blocks[read.selected])

    def _reads_all(self, statement: Statement) -> bool:
        """Whether the server would look at every row anyway, having no index for the condition."""
        ((plan,),) = self._control.execute(f"EXPLAIN (FORMAT JSON) {statement.sql()}")
        return plan[0]["Plan"]["Node Type"] in ("Seq Scan", "Append")


def _useful(pieces: int) -> int:
    """How many connections read a table of so many pieces sooner than one."""
    return pieces if (os.cpu_count() or 1) >= CORES_MIN else 1


def _changed() -> SourceUnavailable:
    return SourceUnavailable(
        "A table was changed while the snapshot was being taken.",
        hint="The copy begins again with a new one.",
    )
