"""One run of a copy, and the table `_turnout.sync_runs` that remembers each, failed ones too."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa

from turnout.errors import TurnoutError
from turnout.warehouse import Column, Table, Transaction, Type

SYNC_RUNS = Table(
    "_turnout",
    "sync_runs",
    (
        Column("source", Type.TEXT),
        Column("started_at", Type.TIME),
        Column("finished_at", Type.TIME),
        Column("as_of", Type.TIME),
        Column("tables", Type.INTEGER),
        Column("rows", Type.INTEGER),
        Column("lost_values", Type.INTEGER),
        Column("error", Type.TEXT),
        Column("details", Type.JSON),
    ),
)


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a run is; `rows_estimated` is the source's guess for this table, 0 if it has none."""

    table: str
    rows: int
    rows_estimated: int
    tables_done: int
    tables: int


@dataclass(frozen=True, slots=True)
class TableCopied:
    """One table of a run. `lost` counts, per column, values no warehouse type can hold."""

    name: str
    rows: int
    duration_s: float
    lost: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Run:
    """A finished copy of a whole selection, as the source was at `as_of`."""

    source: str
    started_at: datetime
    finished_at: datetime
    as_of: datetime
    tables: tuple[TableCopied, ...]

    @property
    def rows(self) -> int:
        return sum(table.rows for table in self.tables)

    @property
    def lost_values(self) -> int:
        return sum(sum(table.lost.values()) for table in self.tables)

    @property
    def sentence(self) -> str:
        """The run in words, for a terminal or a page."""
        took_s = (self.finished_at - self.started_at).total_seconds()
        tables = "1 table" if len(self.tables) == 1 else f"{len(self.tables)} tables"
        said = f"{self.source}: {self.rows:,} rows of {tables} in {took_s:.1f} s"
        if self.lost_values:
            said += f", {self.lost_values:,} values that no column can hold left empty"
        return f"{said}, as of {self.as_of:%Y-%m-%d %H:%M:%S} UTC."


def record(transaction: Transaction, run: Run) -> None:
    """Remember `run`, in the transaction that makes its rows visible."""
    _append(
        transaction,
        source=run.source,
        started_at=run.started_at,
        finished_at=run.finished_at,
        as_of=run.as_of,
        tables=len(run.tables),
        rows=run.rows,
        lost_values=run.lost_values,
        error=None,
        details=_details(run),
    )


def record_failure(
    transaction: Transaction, source: str, started_at: datetime, error: TurnoutError
) -> None:
    """Remember a run that changed nothing, and why."""
    _append(
        transaction,
        source=source,
        started_at=started_at,
        finished_at=datetime.now(UTC),
        as_of=None,
        tables=0,
        rows=0,
        lost_values=0,
        error=str(error),
        details=None,
    )


def _append(transaction: Transaction, **row: Any) -> None:
    transaction.prepare(SYNC_RUNS)
    transaction.append(SYNC_RUNS, pa.table({name: [_plain(row[name])] for name in row}))


def _plain(value: Any) -> Any:
    """Warehouse times are UTC and say no zone."""
    return value.astimezone(UTC).replace(tzinfo=None) if isinstance(value, datetime) else value


def _details(run: Run) -> str:
    return json.dumps(
        [
            {
                "table": table.name,
                "rows": table.rows,
                "duration_s": round(table.duration_s, 3),
                "lost": dict(table.lost),
            }
            for table in run.tables
        ]
    )
