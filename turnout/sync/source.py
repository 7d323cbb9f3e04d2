"""The protocol a source database fulfils: it describes chosen columns and streams their rows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

import pyarrow as pa

from turnout.sync.selection import SelectedTable
from turnout.warehouse import Column


@dataclass(frozen=True, slots=True)
class SourceTable:
    """A selected table as the source describes it: our columns, in the selection's order."""

    selected: SelectedTable
    columns: tuple[Column, ...]
    rows_estimated: int


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
    def tables(self) -> Sequence[SourceTable]:
        """The selected tables, in the selection's order."""

    def rows(self, table: SourceTable) -> SourceRows:
        """Begin to read one table; the one before must have been read to its end."""


class SourceDatabase(Protocol):
    """A database to copy from. Every statement it is sent names selected columns only."""

    def snapshot(
        self, selection: Sequence[SelectedTable]
    ) -> AbstractContextManager[SourceSnapshot]:
        """Open a read-only snapshot of the selection.

        Raises `SourceRefused` when a table, a column or a right is missing, `SourceUnavailable`
        when the server cannot be reached.
        """

    def check(self, selection: Sequence[SelectedTable]) -> list[str]:
        """What is wrong with the selection, or more than needed in the role: sentences."""
