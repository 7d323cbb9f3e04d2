"""PostgreSQL's change stream: the publication is compared, the slot is watched, the log is read.

Every call is bounded by bytes of the server's log, whatever is in it: one that is bounded by
changes reads on through the changes of others, which may be gigabytes.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from typing import Any, Protocol

import psycopg

from turnout import config
from turnout.errors import LogLost, SourceRefused
from turnout.sync.postgres import slot
from turnout.sync.postgres.connection import milliseconds
from turnout.sync.postgres.decoder import Decoder, Watched
from turnout.sync.postgres.errors import explained
from turnout.sync.postgres.functions import Functions
from turnout.sync.postgres.logged import LoggedTable, read_logged
from turnout.sync.postgres.pgoutput import Relation
from turnout.sync.postgres.publication import (
    LISTS_COLUMNS,
    Publication,
    problem_of,
    read_publication,
)
from turnout.sync.postgres.replication import Replication
from turnout.sync.postgres.values import ColumnValues
from turnout.sync.selection import SelectedTable
from turnout.sync.source import ChangeBatch, Instant, SourceTable

# So much of the server's log is read in one call; while nothing comes, twice as much each time,
# because a transaction that is larger than that is looked for from its beginning again.
STRIDE_BYTES = 32 * 1024 * 1024
STRIDE_BYTES_MAX = 1024 * 1024 * 1024
# A batch ends with the transaction that makes it so large; a larger transaction is cut.
BATCH_BYTES, CUT_BYTES = 16 * 1024 * 1024, 24 * 1024 * 1024
# How long a slot may take to be made: it waits for transactions that are open.
START_S_MAX = 60

# Beyond what every session of ours has: the same text for the same value.
SESSION = {
    "lc_monetary": "C",
    "timezone": "UTC",
    "datestyle": "ISO",
    "intervalstyle": "postgres",
    "extra_float_digits": "1",
    "bytea_output": "hex",
}


class Transport(Protocol):
    """A way to the slot."""

    @property
    def pid(self) -> int | None:
        """The server's process that holds the slot for us between two passes, if one does."""

    def start(self) -> str:
        """Make the slot; where its log begins."""

    def stop(self) -> None:
        """Give up the slot."""

    def messages(self, after: str, upto: str) -> Iterator[bytes]:
        """Every message of the transactions that begin to commit in between."""

    def advance(self, upto: str) -> None:
        """Have the server forget what is before `upto`."""

    def rest(self) -> None:
        """Nothing new came."""

    def close(self) -> None:
        """Leave; the slot stays."""


def slot_name(name: str, source: config.Source) -> str:
    """What the slot, the publication and the functions' schema of a source are called."""
    usual = "".join(letter if letter.isalnum() else "_" for letter in name.lower())
    return source.slot or f"turnout_{usual}"[:63]


def open_stream(
    name: str,
    source: config.Source,
    connect: Callable[[], psycopg.Connection[Any]],
    selection: Sequence[SelectedTable],
) -> PostgresChanges:
    """The stream of the source called `name`. It connects now, and keeps the connection.

    Raises `SourceRefused` when no table's changes can be read.
    """
    with explained(source.url):
        connection = connect()
        try:
            for setting, value in SESSION.items():
                connection.execute(f"SET {setting} = '{value}'")
            return PostgresChanges(slot_name(name, source), source, connection, selection)
        except BaseException:
            connection.close()
            raise


class PostgresChanges:
    """See `ChangeStream`."""

    def __init__(
        self,
        name: str,
        source: config.Source,
        connection: psycopg.Connection[Any],
        selection: Sequence[SelectedTable],
    ) -> None:
        self.problems: dict[SelectedTable, str] = {}
        self.server = slot.read_server(connection)
        self.retained_bytes = 0
        self._name = name
        self._source = source
        self._connection = connection
        self._selection = selection
        self._transport: Transport = (
            Functions(connection, name)
            if source.log_by == "functions"
            else Replication(connection, SESSION, name)
        )
        self._found: Mapping[SelectedTable, LoggedTable] = {}
        self._relations: dict[bytes, Relation] = {}
        # All is safe here up to there, and the server knows it up to there.
        self._safe_to = 0
        self._told = 0
        self._compare()

    def begin(self, *, replacing: bool, intend: Callable[[], None] | None = None) -> str:
        with self._explained():
            now = slot.read_slot(self._connection, self._name)
            if now.reader_pid not in (None, self._transport.pid):
                raise slot.in_use(self._name)
            if now.is_there and not replacing:
                raise slot.somebody_elses(self._name)
            slot.check_server(
                self._connection,
                accept_unlimited=self._source.accept_unlimited_slot,
                is_follower=now.is_follower,
            )
            if intend is not None:
                intend()
            if now.is_there:
                self._transport.stop()
            begins_at = slot.number(self._started())
        self._safe_to = self._told = begins_at
        return slot.text(begins_at)

    def batches(self, after: str, copied: Mapping[SelectedTable, Instant]) -> Iterator[ChangeBatch]:
        position = slot.number(after)
        with self._explained():
            now = slot.read_slot(self._connection, self._name)
            self._guard(now, position)
            if now.flushed <= position:
                self._transport.rest()
                yield ChangeBatch((), after, now.as_of)
                return
            slot.write_out(self._connection, now)
            published = self._compare()
            torn = {
                table: why
                for table, instant in copied.items()
                if instant.server == self.server
                and (why := self._why_torn(table, instant, published))
            }
            watched = self._watched(copied, torn)
            for batch in self._read(position, now, watched):
                yield replace(batch, torn={**batch.torn, **torn})
            self._tell()

    def confirm(self, position: str) -> None:
        # Told later: now the server may be in the middle of an answer.
        self._safe_to = max(self._safe_to, slot.number(position))

    def close(self) -> None:
        self._transport.close()
        self._connection.close()

    def _read(
        self, position: int, now: slot.Slot, watched: Mapping[tuple[str, str], Watched]
    ) -> Iterator[ChangeBatch]:
        """Batches up to where the server's log reaches now, the last of them perhaps empty."""
        began_at = position
        decoder = Decoder(watched, position, self._relations)
        stride = STRIDE_BYTES
        while position < now.flushed:
            self._tell()
            upto = min(position + stride, now.flushed)
            rows = decoder.rows
            for message in self._transport.messages(slot.text(position), slot.text(upto)):
                decoder.take(message)
                if decoder.bytes >= BATCH_BYTES and not decoder.is_open:
                    yield _batch(decoder, decoder.end)
                elif decoder.bytes >= CUT_BYTES:
                    yield _batch(decoder, decoder.end, is_whole=False)
            position = max(upto, decoder.end)
            stride = STRIDE_BYTES if decoder.rows > rows else min(2 * stride, STRIDE_BYTES_MAX)
        last = _batch(decoder, position)
        as_of = max(now.as_of, decoder.as_of)
        yield replace(last, as_of=as_of, log_bytes=position - began_at)

    def _guard(self, now: slot.Slot, position: int) -> None:
        """The source is protected first, whatever becomes of what it keeps."""
        self.retained_bytes = now.retained_bytes
        slot.check_log(now, position, self._transport.pid)
        if now.retained_bytes > self._source.retained_bytes_max:
            self._transport.stop()
            raise LogLost(
                f"The slot {self._name} made the source keep {now.retained_bytes:,} bytes of its "
                "log, more than retained_bytes_max, and was given up."
            )

    def _compare(self) -> Publication:
        """Find what is in the way of each table, and of all; what is published."""
        version = self._connection.info.server_version
        if version < LISTS_COLUMNS and not self._source.accept_unfiltered_stream:
            raise SourceRefused(
                "Before version 15 PostgreSQL puts every column of a table into its change stream.",
                hint="Say accept_unfiltered_stream = true to drop the others here, or choose "
                "another mode.",
            )
        published = read_publication(self._connection, self._name, self._selection)
        if not published.is_there:
            raise SourceRefused(
                f"The source has no publication {self._name}.",
                hint="`turnout source check` prints the statements that make it.",
            )
        self._found = read_logged(self._connection, self._selection)
        self.problems = {
            table: problem
            for table in self._selection
            if (problem := problem_of(table, self._found.get(table), published))
        }
        return published

    def _why_torn(self, table: SelectedTable, copied: Instant, published: Publication) -> str:
        """Why a table's copy of then cannot be gone on with by the log alone; empty if it can."""
        if published.came_after(table, copied.xmin):
            return f"It came into the publication {self._name} after it was copied."
        found = self._found.get(table)
        if found is not None and found.parts != copied.parts:
            return "Partitions of it came, went or were emptied, and the log does not say of what."
        return ""

    def _watched(
        self, copied: Mapping[SelectedTable, Instant], torn: Container[SelectedTable]
    ) -> dict[tuple[str, str], Watched]:
        """The tables that can be read, each with what its copy has already."""
        return {
            (table.schema, table.name): _watch(table, found, copied.get(table), self.server)
            for table, found in self._found.items()
            if table not in self.problems and table not in torn
        }

    def _started(self) -> str:
        try:
            self._connection.execute(f"SET statement_timeout = '{START_S_MAX}s'")
            return self._transport.start()
        except (psycopg.errors.QueryCanceled, psycopg.errors.LockNotAvailable):
            raise slot.waits() from None
        finally:
            with suppress(psycopg.Error):
                timeout = milliseconds(self._source.statement_s_max)
                self._connection.execute(f"SET statement_timeout = {timeout}")

    def _tell(self) -> None:
        if self._safe_to > self._told:
            self._transport.advance(slot.text(self._safe_to))
            self._told = self._safe_to

    @contextmanager
    def _explained(self) -> Iterator[None]:
        with explained(self._source.url):
            try:
                yield
            except psycopg.Error as error:
                raise slot.meaning(error, self._name) or error from None


def _batch(decoder: Decoder, position: int, *, is_whole: bool = True) -> ChangeBatch:
    torn, decoder.torn = decoder.torn, {}
    return ChangeBatch(decoder.taken(), slot.text(position), decoder.as_of, is_whole, torn)


def _watch(
    table: SelectedTable, found: LoggedTable, copied: Instant | None, server: str
) -> Watched:
    values = [
        ColumnValues(
            name,
            found.columns[name].type,
            found.columns[name].element,
            table.settings.json_keys.get(name),
        )
        for name in table.columns
    ]
    columns = tuple(each.column for each in values)
    source_table = SourceTable(table, columns, 0, found.shape_of(table))
    if copied is None or copied.server != server:
        return Watched(source_table, found, values)
    return Watched(source_table, found, values, slot.number(copied.position), copied.xmin)
