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
        Column("bytes", Type.INTEGER),
        Column("duration_s", Type.FLOAT),
        Column("lag_s", Type.FLOAT),
    ),
)


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a run is; `rows_estimated` is the source's guess for this table, 0 if it has none.

    `again_in_s` is more than 0 while a run that was cut off waits to be begun again; `table` is
    empty then, and while another run of the same source is waited for.
    """

    table: str
    rows: int
    rows_estimated: int
    tables_done: int
    tables: int
    again_in_s: float = 0.0


@dataclass(frozen=True, slots=True)
class TableCopied:
    """One table of a run. `lost` counts, per column, values no warehouse type can hold.

    `rows` came, all of the table or what is new in it; `deleted` are gone at the source.
    """

    name: str
    rows: int
    duration_s: float
    lost: Mapping[str, int] = field(default_factory=dict)
    mode: str = "full"
    is_whole: bool = True
    deleted: int = 0
    bytes: int = 0
    new_columns: tuple[str, ...] = ()
    findings: tuple[str, ...] = ()

    @property
    def remarks(self) -> tuple[str, ...]:
        """What somebody should know of it: sentences."""
        new = tuple(
            f"{self.name} has a new column '{name}', which is not selected and not copied."
            for name in self.new_columns
        )
        return (*new, *(f"{found}." for found in self.findings))


@dataclass(frozen=True, slots=True)
class Run:
    """A finished copy of a selection, as the source was at `as_of`.

    `problems` says of each table that was left as it was why; `removed` are tables that are not
    selected any more and were dropped. `lag_s` is how far a follower was behind.
    """

    source: str
    started_at: datetime
    finished_at: datetime
    as_of: datetime
    tables: tuple[TableCopied, ...]
    problems: Mapping[str, str] = field(default_factory=dict)
    removed: tuple[str, ...] = ()
    lag_s: float = 0.0

    @property
    def rows(self) -> int:
        return sum(table.rows for table in self.tables)

    @property
    def bytes(self) -> int:
        return sum(table.bytes for table in self.tables)

    @property
    def lost_values(self) -> int:
        return sum(sum(table.lost.values()) for table in self.tables)

    @property
    def duration_s(self) -> float:
        return (self.finished_at - self.started_at).total_seconds()

    @property
    def error(self) -> str | None:
        """Why not all of it was copied, where that is so."""
        if not self.problems:
            return None
        told = " ".join(f"{table}: {problem}" for table, problem in self.problems.items())
        whole = len(self.tables) + len(self.problems)
        return f"{len(self.problems)} of {_tables(whole)} could not be copied. {told}"

    @property
    def remarks(self) -> tuple[str, ...]:
        """What somebody should know: sentences."""
        removed = tuple(
            f"{name} is not selected any more, and was removed with all that was kept of it."
            for name in self.removed
        )
        return (*removed, *(remark for table in self.tables for remark in table.remarks))

    @property
    def sentence(self) -> str:
        """The run in words, for a terminal or a page."""
        said = (
            f"{self.source}: {self.rows:,} rows of {_tables(len(self.tables))} "
            f"in {self.duration_s:.1f} s"
        )
        if deleted := sum(table.deleted for table in self.tables):
            said += f", {deleted:,} rows deleted"
        if self.lost_values:
            said += f", {self.lost_values:,} values that no column can hold left empty"
        said += f", as of {self.as_of:%Y-%m-%d %H:%M:%S} UTC."
        return " ".join([said, *filter(None, [self.error]), *self.remarks])


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
        error=run.error,
        details=_details(run),
        bytes=run.bytes,
        duration_s=run.duration_s,
        lag_s=run.lag_s,
    )


def record_failure(
    transaction: Transaction, source: str, started_at: datetime, error: TurnoutError
) -> None:
    """Remember a run that changed nothing, and why."""
    finished_at = datetime.now(UTC)
    _append(
        transaction,
        source=source,
        started_at=started_at,
        finished_at=finished_at,
        as_of=None,
        tables=0,
        rows=0,
        lost_values=0,
        error=str(error),
        # For whoever acts on what went wrong: a sentence is for people.
        details=json.dumps([{"family": type(error).__name__}]),
        bytes=0,
        duration_s=(finished_at - started_at).total_seconds(),
        lag_s=None,
    )


def _append(transaction: Transaction, **row: Any) -> None:
    transaction.prepare(SYNC_RUNS)
    transaction.append(SYNC_RUNS, pa.table({name: [_plain(row[name])] for name in row}))


def _plain(value: Any) -> Any:
    """Warehouse times are UTC and say no zone."""
    return value.astimezone(UTC).replace(tzinfo=None) if isinstance(value, datetime) else value


def _tables(count: int) -> str:
    return "1 table" if count == 1 else f"{count} tables"


def _details(run: Run) -> str:
    """A list with an object for each table, whether it was copied, left alone or removed."""
    copied: list[dict[str, Any]] = [
        {
            "table": table.name,
            "rows": table.rows,
            "duration_s": round(table.duration_s, 3),
            "lost": dict(table.lost),
            "mode": table.mode,
            "whole": table.is_whole,
            "deleted": table.deleted,
            "bytes": table.bytes,
            "remarks": table.remarks,
        }
        for table in run.tables
    ]
    left = [{"table": table, "problem": problem} for table, problem in run.problems.items()]
    return json.dumps([*copied, *left, *({"table": name, "removed": True} for name in run.removed)])
