"""The protocol a source database fulfils: it describes chosen columns and streams their rows.

Every statement a source is sent names selected columns only, even to count or to compare.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol, TypeAlias

import pyarrow as pa

from turnout.sync.selection import SelectedTable
from turnout.warehouse import Column


@dataclass(frozen=True, slots=True)
class Shape:
    """What a table looked like at the source, to notice when it changes.

    `id` is the table's own (an oid); `columns` maps each selected column to its place, its type
    as the source writes it and whether it may be null; `others` are the names of the columns
    that are not selected. Of a table that is stored in parts of its own, `parts` tells these from
    any others: such parts come, go and are emptied without a change of any row.
    """

    id: str
    key: tuple[str, ...]
    columns: Mapping[str, tuple[int, str, bool]]
    others: tuple[str, ...] = ()
    parts: str = ""


@dataclass(frozen=True, slots=True)
class SourceTable:
    """A selected table as the source describes it: our columns, in the selection's order.

    A column that is gone, and may be (`on_dropped`), is left out.
    """

    selected: SelectedTable
    columns: tuple[Column, ...]
    rows_estimated: int
    shape: Shape
    # What the modes need to know.
    has_indexed_cursor: bool = False
    has_xmin: bool = False


@dataclass(frozen=True, slots=True)
class Instant:
    """When a snapshot was taken, in the source's own terms.

    `server` names the server's history (system identifier, timeline): one that differs means
    that positions and transaction numbers of before say nothing. `position` is comparable text
    within it (a log position); `now` is the server's clock; `oldest_open` is when the oldest
    transaction that was open began, None when the source cannot say; `xmin` is the first
    transaction number that may still have been open, None where there is no such thing. `parts`
    are those of a table (see `Shape`), where one table is spoken of.
    """

    server: str
    position: str
    now: datetime
    oldest_open: datetime | None = None
    xmin: int | None = None
    parts: str = ""


@dataclass(frozen=True, slots=True)
class Whole:
    """Every row."""


@dataclass(frozen=True, slots=True)
class Since:
    """Rows whose cursor is `bound` (text with all its digits) or more, or is null."""

    bound: str


@dataclass(frozen=True, slots=True)
class WrittenSince:
    """Rows written by the transaction `xmin` or a later one."""

    xmin: int


@dataclass(frozen=True, slots=True)
class Keys:
    """Every row's key columns, and nothing else."""


Part: TypeAlias = Whole | Since | WrittenSince | Keys
WHOLE = Whole()


class SourceRows(Protocol):
    """One table's rows on their way, read once."""

    @property
    def schema(self) -> pa.Schema:
        """Of every batch. Text stands for any type the warehouse casts exactly by itself."""

    @property
    def lost(self) -> Mapping[str, int]:
        """Per column, the values so far that no warehouse type can hold and that became NULL."""

    def __iter__(self) -> Iterator[pa.RecordBatch]:
        """Batches of about a mebibyte. Raises `SourceUnavailable` or `SourceRefused`."""


class SourceSnapshot(Protocol):
    """All selected tables at one instant of the source."""

    @property
    def as_of(self) -> datetime:
        """That instant, by the source's own clock. On a follower, as far as it had replayed."""

    @property
    def instant(self) -> Instant:
        """The same in the source's terms, to go on from."""

    @property
    def tables(self) -> Sequence[SourceTable]:
        """The selected tables that can be read, in the selection's order."""

    @property
    def problems(self) -> Mapping[SelectedTable, str]:
        """The selected tables that cannot be read as they are, each with a sentence."""

    def rows(self, table: SourceTable, part: Part = WHOLE) -> SourceRows:
        """Begin to read a part of one table; the one before must have been read to its end."""

    def cursor_max(self, table: SourceTable) -> str | None:
        """The largest cursor of the table, capped at the snapshot's `now` where it is a time."""


@dataclass(frozen=True, slots=True)
class Changes:
    """What happened to one table, in order, since the batch before.

    `rows` has, before the selected columns, `_op` (int8: 1 the row is now so, 2 it is gone, 3 the
    table was emptied, 4 it goes on under another key: that of the next change, which is a 1),
    `_order` (int64, grows) and `_at` (timestamp[us], UTC: its transaction's commit). A row that
    is gone carries its key only. A changed key is a 4 and a 1, or a 2 and a 1 where all values are
    sent. `_unchanged` (int64; of more than 63 columns binary, its first byte the lowest) marks by
    bit, in the selection's order, columns whose value is not sent because it did not change.
    """

    table: SourceTable
    rows: pa.Table
    lost: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ChangeBatch:
    """Whole transactions, and the position after the last of them; none at all is possible.

    Of a transaction too large for one batch, all but the last are not `is_whole`: they are
    applied together with those that follow. `torn` are tables whose changes cannot be read any
    more, each with the reason: they are copied whole. `log_bytes` is how much of the source's log
    was read for this batch, also of what is not ours; 0 where it cannot be told.
    """

    tables: tuple[Changes, ...]
    position: str
    as_of: datetime
    is_whole: bool = True
    torn: Mapping[SelectedTable, str] = field(default_factory=dict)
    log_bytes: int = 0


class ChangeStream(Protocol):
    """A source's log, read from the position that was confirmed last."""

    @property
    def server(self) -> str:
        """The server's history, as `Instant.server` names it."""

    @property
    def problems(self) -> Mapping[SelectedTable, str]:
        """The tables whose changes are not all in the log now, each with a sentence."""

    @property
    def retained_bytes(self) -> int:
        """How much of its log the source kept for us when it was read last; 0 if nothing is."""

    def begin(self, *, replacing: bool, intend: Callable[[], None] | None = None) -> str:
        """Have the source keep its log from now on; the position it begins at.

        What it kept under our name before is given up, if `replacing`; else it is somebody
        else's. `intend` is called just before it is asked: from then on what is kept under our
        name is ours. Raises `SourceRefused` with what the operator has to do first.
        """

    def batches(self, after: str, copied: Mapping[SelectedTable, Instant]) -> Iterator[ChangeBatch]:
        """What was committed after the position `after`, up to now, in bounded batches.

        A change that the copy of its table, `copied` at that instant, has already may be left
        out. The last batch says how far the log was read, also where nothing was found. Raises
        `LogLost` when the source does not have the log from there on any more.
        """

    def confirm(self, position: str) -> None:
        """Everything up to `position` is safe here: the source may forget it, soon or at once."""

    def close(self) -> None:
        """Leave; the slot, if there is one, stays."""


class SourceDatabase(Protocol):
    """A database to copy from. Every statement it is sent names selected columns only."""

    def snapshot(
        self, selection: Sequence[SelectedTable], after: Instant | None = None
    ) -> AbstractContextManager[SourceSnapshot]:
        """Open a read-only snapshot of the selection, not older than the instant `after`.

        `after` is that of the copy before: a follower that has not replayed as much would bring
        rows back to what they were.
        Raises `SourceRefused` when the source cannot be used, `SourceUnavailable` when it cannot
        be reached or no follower is fit to be read now.
        """

    def log(self, selection: Sequence[SelectedTable]) -> ChangeStream:
        """The change stream of the selection. Prepares nothing at the source but its own slot.

        Raises `SourceRefused` with what the operator has to do first.
        """

    def check(self, selection: Sequence[SelectedTable]) -> list[str]:
        """What is wrong with the selection, or more than needed in the role: sentences."""
