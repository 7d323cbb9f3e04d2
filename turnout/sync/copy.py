"""One copy of a source: every selected table at one instant, replaced together or not at all."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from time import monotonic

import pyarrow as pa

from turnout import config
from turnout.errors import TurnoutError
from turnout.sync.opening import open_source
from turnout.sync.run import Progress, Run, TableCopied, record, record_failure
from turnout.sync.selection import selected_tables
from turnout.sync.source import SourceRows, SourceSnapshot, SourceTable
from turnout.warehouse import Table, Transaction, Warehouse

# So much is read before the warehouse's one write is opened. Most companies' tables fit, so a
# slow or silent source holds up nobody; what exceeds it streams on, in constant memory.
READ_AHEAD_BYTES_MAX = 64 * 1024 * 1024


def copy(
    name: str,
    source: config.Source,
    warehouse: Warehouse,
    *,
    progress: Callable[[Progress], None] | None = None,
) -> Run:
    """Copy the whole selection of the source `name` and say what was copied.

    When it fails, the tables stay as they were, and the run is remembered with its error:
    `SourceUnavailable` (a later run may succeed), `SourceRefused` (an operator must act).
    """
    started_at = datetime.now(UTC)
    try:
        return _copy(name, source, warehouse, started_at, progress or _silent)
    except TurnoutError as error:
        with warehouse.transaction() as transaction:
            record_failure(transaction, name, started_at, error)
        raise


def check(name: str, source: config.Source) -> list[str]:
    """What is wrong with the selection or more than needed in the role: sentences."""
    return open_source(name, source).check(selected_tables(name, source))


def _copy(
    name: str,
    source: config.Source,
    warehouse: Warehouse,
    started_at: datetime,
    progress: Callable[[Progress], None],
) -> Run:
    selection = selected_tables(name, source)
    with open_source(name, source).snapshot(selection) as snapshot:
        passages = [_Passage(snapshot, table, progress) for table in snapshot.tables]
        _read_ahead(passages)
        with warehouse.transaction() as transaction:
            tables = tuple(passage.land(transaction, source.schema) for passage in passages)
            run = Run(name, started_at, datetime.now(UTC), snapshot.as_of, tables)
            record(transaction, run)
    return run


def _silent(_: Progress) -> None:
    """For callers that watch nothing."""


def _read_ahead(passages: Sequence[_Passage]) -> None:
    bytes_left = READ_AHEAD_BYTES_MAX
    for passage in passages:
        bytes_left -= passage.read_ahead(bytes_left)
        if bytes_left <= 0:
            return


class _Passage:
    """One table on its way: batches held in memory, and those still at the source."""

    def __init__(
        self, snapshot: SourceSnapshot, table: SourceTable, progress: Callable[[Progress], None]
    ) -> None:
        self._snapshot = snapshot
        self._table = table
        self._progress = progress
        self._rows: SourceRows | None = None
        self._held: deque[pa.RecordBatch] = deque()
        self._coming = self._read()
        self._count = 0
        self._busy_s = 0.0
        self._error: Exception | None = None

    def read_ahead(self, bytes_max: int) -> int:
        """Hold batches until the table ends or `bytes_max` is reached; how many bytes are held."""
        began = monotonic()
        held = 0
        for batch in self._coming:
            self._held.append(batch)
            held += batch.nbytes
            if held >= bytes_max:
                break
        self._busy_s = monotonic() - began
        return held

    def land(self, transaction: Transaction, schema: str) -> TableCopied:
        """Make these rows the whole content of the table in the warehouse."""
        began = monotonic()
        rows = self._begun()
        target = Table(schema, self._table.selected.name, self._table.columns)
        reader = pa.RecordBatchReader.from_batches(rows.schema, self._all())
        try:
            transaction.replace(target, reader)
        except Exception:
            if self._error is not None:
                # The engine met the source's error and can only say so in its own words.
                raise self._error from None
            raise
        took_s = self._busy_s + monotonic() - began
        return TableCopied(target.name, self._count, took_s, dict(rows.lost))

    def _begun(self) -> SourceRows:
        if self._rows is None:
            self._rows = self._snapshot.rows(self._table)
        return self._rows

    def _all(self) -> Iterator[pa.RecordBatch]:
        while self._held:
            yield self._held.popleft()
        yield from self._coming

    def _read(self) -> Iterator[pa.RecordBatch]:
        """The table's batches, counted, with the source's error kept."""
        tables = len(self._snapshot.tables)
        done = self._snapshot.tables.index(self._table)
        try:
            for batch in self._begun():
                self._count += batch.num_rows
                yield batch
                self._progress(
                    Progress(
                        self._table.selected.label,
                        self._count,
                        self._table.rows_estimated,
                        done,
                        tables,
                    )
                )
        except Exception as error:
            self._error = error
            raise
