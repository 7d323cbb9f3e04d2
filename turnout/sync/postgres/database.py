"""PostgreSQL as a source: one read-only snapshot, read as a stream of Arrow batches.

psycopg asks the catalogue and holds the snapshot; the ADBC driver joins it and reads in bulk,
with no Python per row. Works the same on a leader and on a hot standby.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager
from datetime import UTC, datetime
from typing import Any

import adbc_driver_postgresql.dbapi as adbc
import psycopg
import pyarrow as pa
import pyarrow.compute as pc
from psycopg.conninfo import make_conninfo

from turnout import config
from turnout.sync.postgres import rights
from turnout.sync.postgres.catalogue import FoundTable, read_catalogue
from turnout.sync.postgres.errors import explained, place, understood
from turnout.sync.postgres.instant import read_instant
from turnout.sync.postgres.names import qualified, quoted
from turnout.sync.postgres.types import Reading, reading
from turnout.sync.selection import SelectedTable
from turnout.sync.source import WHOLE, ChangeStream, Instant, Part, Shape, SourceTable

BATCH_BYTES = 1024 * 1024

# A server that is gone is noticed within a minute, whatever the operating system's defaults.
CONNECTION = {
    "application_name": "turnout",
    "client_encoding": "UTF8",
    "connect_timeout": "10",
    "keepalives_idle": "30",
    "keepalives_interval": "10",
    "keepalives_count": "3",
    "tcp_user_timeout": "60000",
}

# Gentle to the source, and the same text for the same value whatever the server's defaults.
SESSION = {
    "default_transaction_read_only": "on",
    "search_path": "",
    # A policy then refuses instead of silently hiding rows.
    "row_security": "off",
    "timezone": "UTC",
    "datestyle": "ISO",
    "intervalstyle": "postgres",
    "extra_float_digits": "1",
    "bytea_output": "hex",
    "lock_timeout": "2s",
    "statement_timeout": "15min",
    # Also the longest that a snapshot is held open.
    "idle_in_transaction_session_timeout": "30min",
    "max_parallel_workers_per_gather": "0",
}

SNAPSHOT = "ISOLATION LEVEL REPEATABLE READ READ ONLY"

# A follower that has replayed all it received, and still receives, is as new as its clock.
# Else its data is as of the last transaction it replayed, or at least of its last checkpoint.
AS_OF = """
SELECT pg_export_snapshot(), CASE
    WHEN NOT pg_is_in_recovery() THEN now()
    WHEN EXISTS (SELECT FROM pg_stat_wal_receiver)
        AND pg_last_wal_receive_lsn() = pg_last_wal_replay_lsn() THEN now()
    ELSE coalesce(pg_last_xact_replay_timestamp(),
        (SELECT checkpoint_time FROM pg_control_checkpoint()))
END
"""


class Postgres:
    """A PostgreSQL server, version 14 or newer, to copy from."""

    def __init__(self, name: str, source: config.Source) -> None:
        """The source called `name`. Nothing is connected yet."""
        self._name = name
        self._source = source
        self._url = config.followers_of(source)[0]

    @contextmanager
    def snapshot(
        self,
        selection: Sequence[SelectedTable],
        after: Instant | None = None,  # noqa: ARG002
    ) -> Iterator[PostgresSnapshot]:
        with ExitStack() as opened:
            # Only what happens here is explained as the source's doing, not what the caller does.
            with explained(self._url):
                control = opened.enter_context(closing(self._connect()))
                name, as_of = _begin(control)
                catalogue = read_catalogue(control, selection)
                instant = read_instant(control)
                reads = [_Read(table, catalogue.find(table)) for table in selection]
            for read in reads:
                with explained(self._url, read.table.selected):
                    # Takes the lock that keeps the table's shape until the snapshot ends.
                    control.execute(f"{read.sql} LIMIT 0")
            with explained(self._url):
                bulk = opened.enter_context(closing(self._join(name)))
            yield PostgresSnapshot(self._url, as_of, instant, reads, bulk)

    def log(self, selection: Sequence[SelectedTable]) -> ChangeStream:
        # Its own libraries are needed only by those who ask for it.
        from turnout.sync.postgres.stream import open_stream

        return open_stream(self._name, self._source, self._connect, selection)

    def check(self, selection: Sequence[SelectedTable]) -> list[str]:
        with explained(self._url), closing(self._connect()) as connection:
            catalogue = read_catalogue(connection, selection)
            return [
                *(str(problem) for table in selection for problem in catalogue.problems(table)),
                *rights.more_than_needed(connection, catalogue, selection),
                *rights.about_server(connection, place(self._url)),
            ]

    def _connect(self) -> psycopg.Connection[Any]:
        # Poolers cannot keep a statement prepared.
        connection = psycopg.connect(self._conninfo(), autocommit=True, prepare_threshold=None)
        with _closed_on_error(connection):
            for statement in _session():
                connection.execute(statement)
        return connection

    def _join(self, snapshot: str) -> adbc.Connection:
        """The bulk connection, inside the same snapshot."""
        connection = adbc.connect(self._conninfo(), autocommit=True)
        joining = (f"BEGIN {SNAPSHOT}", f"SET TRANSACTION SNAPSHOT '{snapshot}'")
        with _closed_on_error(connection), connection.cursor() as cursor:
            for statement in (*_session(), *joining):
                cursor.execute(statement)
        return connection

    def _conninfo(self) -> str:
        return make_conninfo(understood(self._url), **CONNECTION)


@contextmanager
def _closed_on_error(connection: psycopg.Connection[Any] | adbc.Connection) -> Iterator[None]:
    try:
        yield
    except BaseException:
        connection.close()
        raise


def _begin(connection: psycopg.Connection[Any]) -> tuple[str, datetime]:
    """Open the snapshot: the name that others join it by, and its instant."""
    connection.execute(f"BEGIN {SNAPSHOT}")
    name, as_of = connection.execute(AS_OF).fetchall()[0]
    return name, as_of.astimezone(UTC)


class PostgresSnapshot:
    """The selected tables at one instant. See `SourceSnapshot`."""

    def __init__(
        self,
        url: str,
        as_of: datetime,
        instant: Instant,
        reads: Sequence[_Read],
        bulk: adbc.Connection,
    ) -> None:
        self.as_of = as_of
        self.instant = instant
        self.tables = [read.table for read in reads]
        self.problems: Mapping[SelectedTable, str] = {}
        self._url = url
        self._reads = {read.table.selected: read for read in reads}
        self._bulk = bulk

    def cursor_max(self, table: SourceTable) -> str | None:
        raise NotImplementedError

    def rows(self, table: SourceTable, part: Part = WHOLE) -> PostgresRows:  # noqa: ARG002
        with explained(self._url, table.selected):
            return PostgresRows(self._url, self._reads[table.selected], self._bulk)


class PostgresRows:
    """One table's rows. The server adds a number to each row that marks its lost values."""

    def __init__(self, url: str, read: _Read, bulk: adbc.Connection) -> None:
        self.lost: dict[str, int] = {}
        self._url = url
        self._read = read
        self._cursor = bulk.cursor()
        self._cursor.adbc_statement.set_options(
            **{"adbc.postgresql.batch_size_hint_bytes": str(BATCH_BYTES)}
        )
        self._cursor.execute(read.sql)
        self._reader = self._cursor.fetch_record_batch()
        kept = self._reader.schema
        self.schema = pa.schema([kept.field(place) for place in range(len(read.readings))])

    def __iter__(self) -> Iterator[pa.RecordBatch]:
        with explained(self._url, self._read.table.selected), self._cursor:
            for batch in self._reader:
                self._count_lost(batch)
                yield batch.select(range(len(self.schema)))

    def _count_lost(self, batch: pa.RecordBatch) -> None:
        for number, names in enumerate(self._read.masks):
            mask = batch.column(len(self.schema) + number)
            if not pc.max(mask).as_py():
                continue
            for bit, name in enumerate(names):
                marked = pc.sum(pc.bit_wise_and(pc.shift_right(mask, bit), 1)).as_py()
                if marked:
                    self.lost[name] = self.lost.get(name, 0) + marked


class _Read:
    """The one statement that reads a table: its selected columns, and masks of lost values."""

    # Bits of one mask; the sign is left alone.
    MASK_BITS = 62

    def __init__(self, selected: SelectedTable, found: FoundTable) -> None:
        self.readings = [
            reading(name, quoted(name), found.columns[name].type) for name in selected.columns
        ]
        self.table = SourceTable(
            selected,
            tuple(each.column for each in self.readings),
            found.rows_estimated,
            Shape(
                str(found.oid),
                tuple(selected.settings.key) or found.key_among(selected.columns),
                {
                    name: (column.place, column.spelled, column.is_nullable)
                    for name, column in found.columns.items()
                    if name in selected.columns
                },
                tuple(name for name in found.columns if name not in selected.columns),
            ),
        )
        lossy = [each for each in self.readings if each.lost]
        groups = [
            lossy[start : start + self.MASK_BITS] for start in range(0, len(lossy), self.MASK_BITS)
        ]
        self.masks = [[each.column.name for each in group] for group in groups]
        self.sql = (
            "SELECT "
            + ", ".join(
                [
                    *(f"{each.expression} AS {quoted(each.column.name)}" for each in self.readings),
                    *(_mask(group) for group in groups),
                ]
            )
            + f" FROM {qualified(selected)}"
        )


def _mask(group: Sequence[Reading]) -> str:
    bits = (f"CASE WHEN {each.lost} THEN {1 << bit} ELSE 0 END" for bit, each in enumerate(group))
    return f"({' + '.join(bits)})::int8"


def _session() -> Iterator[str]:
    for name, value in SESSION.items():
        yield f"SET {name} = '{value}'"
