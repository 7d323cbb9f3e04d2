"""The three protocols an engine fulfils: a dialect makes text, a warehouse moves rows.

Rows are Arrow: tables or record-batch readers, columns matched by name. A text column may stand
for any type: the engine casts it to the table's own, exactly or with an error. What an engine must
promise beyond these signatures is written as tests in `tests/conformance/`.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, NamedTuple, Protocol, TypeAlias

import pyarrow as pa

from turnout.warehouse.table import Column, Table

Rows: TypeAlias = pa.Table | pa.RecordBatchReader


class Dialect(Protocol):
    """How one engine spells things. Pure text: no connection, no state."""

    @property
    def name(self) -> str:
        """The engine's name, as it begins a warehouse's url."""

    def identifier(self, name: str) -> str:
        """`name` quoted, whatever is in it."""

    def table(self, schema: str, name: str) -> str:
        """The qualified, quoted name."""

    def literal(self, value: str) -> str:
        """A text literal."""

    def type_name(self, column: Column) -> str:
        """The engine's type for this column."""


class Transaction(Protocol):
    """Writes that become visible together, or not at all."""

    def execute(self, sql: str, values: Sequence[Any] = ()) -> pa.Table:
        """Run one statement with `?` placeholders; its rows, if it has any."""

    def prepare(self, table: Table) -> None:
        """Create schema and table, or add the columns that are missing. Never drops or narrows."""

    def widen(self, table: Table, column: Column) -> None:
        """Give a column a wider type (integer → float, anything → text), keeping its values."""

    def append(self, table: Table, rows: Rows, *, among: str = "") -> int:
        """Add rows; how many were added.

        With a `key`, a row whose key is already there, or came earlier in `rows`, is a repeat
        and is left out: the first one wins. In a key, NULL equals NULL. Repeats are looked for
        only `among` the rows that meet this condition, where the caller knows one.
        """

    def merge(self, table: Table, rows: Rows) -> int:
        """Insert or replace whole rows by `key`: the last one wins; how many keys were written."""

    def delete(self, table: Table, rows: Rows) -> int:
        """Remove the rows that have a `key` of one of `rows`; how many. NULL equals NULL."""

    def find(self, table: Table, rows: Rows) -> pa.Table:
        """The rows that have a `key` of one of `rows`; NULL equals NULL."""

    def replace(self, table: Table, rows: Rows) -> int:
        """Make `rows` the whole content, under the columns of `table`; how many there are.

        Readers see the old table or the new one, never half, never none.
        """

    def swap(self, table: Table, staged: Table) -> None:
        """Make the table `staged`, in the same schema, the table; the old one, if any, is gone.

        Moves no rows. Readers see the old table or the new one.
        """

    def drop(self, table: Table) -> None:
        """Remove a table and all its rows; harmless where there is none."""


class Published(NamedTuple):
    """A copy's `version`, and how long writers were kept waiting for it."""

    version: int
    duration_s: float


class Warehouse(Protocol):
    """One engine, opened for writing by one process. Any thread may call any method."""

    @property
    def dialect(self) -> Dialect:
        """How this engine spells things."""

    def query(self, sql: str, values: Sequence[Any] = ()) -> pa.Table:
        """Our own reading SQL, whole answer in memory. User SQL never comes here."""

    def transaction(self) -> AbstractContextManager[Transaction]:
        """The one open write; others wait. Commits at the end, rolls back on any exception."""

    def tables(self, schema: str | None = None) -> list[Table]:
        """Tables with their columns in order, back in our own types; none that is `staging`."""

    @property
    def version(self) -> int:
        """A number that grows with every committed write since the warehouse was opened."""

    def publish(self, path: Path) -> Published:
        """Write a complete, consistent copy for readers to `path`, synced."""

    def compact(self) -> None:
        """Write everything anew, so that nothing deleted is left on the disk. Takes its time."""

    def close(self) -> None:
        """Finish: interrupts what runs, leaves everything committed on disk."""
