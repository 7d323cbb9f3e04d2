"""What a source says of itself before anything is selected: the server and every table it shows.

Names, types, keys, sizes and rights only; a value is read in `samples` alone, which is asked for
only where the operator allows it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class ColumnFacts:
    """A column: its type as the source writes it, such as `character varying(40)`."""

    name: str
    type: str
    is_nullable: bool = True
    # First in some index, so that what is new in it can be found without reading the table.
    is_indexed: bool = False
    # The names of an enumeration's values; they are part of its type, not data.
    values: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Reference:
    """A foreign key: these columns name a row of that table, by those columns of it."""

    columns: tuple[str, ...]
    schema: str
    table: str
    names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class TableFacts:
    """A table or view. `key` is its primary key, or a unique one of columns that are never null.

    `rows_estimated` and `size_bytes` are the server's own guess, None where it has none.
    """

    schema: str
    name: str
    columns: tuple[ColumnFacts, ...]
    key: tuple[str, ...] = ()
    references: tuple[Reference, ...] = ()
    rows_estimated: int | None = None
    size_bytes: int | None = None
    is_view: bool = False
    may_read: bool = True

    def column(self, name: str) -> ColumnFacts | None:
        """The column called exactly so."""
        return next((column for column in self.columns if column.name == name), None)


@dataclass(frozen=True, slots=True)
class ServerFacts:
    """A server as one role sees it.

    `is_follower` is None where the server cannot say; `lag_s` is how far a follower is behind,
    None on a leader or when its replay is broken or unknown. `log_missing` says, in sentences,
    what would have to be changed before changes can be read as they happen; none: nothing.
    """

    kind: str  # PostgreSQL, MySQL or MariaDB
    version: str
    database: str
    role: str
    usual_schema: str  # whose tables are named without their schema: public, or MySQL's database
    tables: tuple[TableFacts, ...]
    is_follower: bool | None = None
    lag_s: float | None = None
    has_tls: bool = False
    is_local: bool = False  # reached through a socket or loopback: TLS would protect nothing
    log_missing: tuple[str, ...] = ()
    # What the operator should know besides: sentences.
    remarks: tuple[str, ...] = ()

    def table(self, schema: str, name: str) -> TableFacts | None:
        """The table called exactly so."""
        return next((t for t in self.tables if (t.schema, t.name) == (schema, name)), None)


class Looking(Protocol):
    """An open, read-only look at a source.

    Each kind of source has a `look.py` with a context manager that gives one:
    `look(name: str, source: config.Source) -> AbstractContextManager[Looking]`. Entering it
    connects, and raises `SourceUnavailable` or `SourceRefused`.
    """

    @property
    def facts(self) -> ServerFacts:
        """The server and all its tables, asked once."""

    def samples(
        self, table: TableFacts, columns: Sequence[str], rows_max: int
    ) -> Mapping[str, Sequence[str]]:
        """Per column some values as text, none longer than 200 characters.

        To be seen by nobody and kept nowhere: only their shapes are looked at. A table that may
        not be read, or not within a few seconds, gives nothing.
        """

    def grants(self, tables: Mapping[TableFacts, Sequence[str]], role: str) -> Iterator[str]:
        """The statements that make `role` and let it read these columns, and nothing else.

        To be run by an administrator on the leader; a password is written as '…'. Needs no
        connection: it may be asked after the look has ended.
        """
