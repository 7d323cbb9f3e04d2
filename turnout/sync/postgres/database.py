"""PostgreSQL as a source: one read-only snapshot, read as a stream of Arrow batches.

psycopg asks the catalogue and holds the snapshot; the ADBC driver joins it and reads in bulk,
with no Python per row. Works the same on a leader and on a hot standby.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager, suppress
from functools import partial
from typing import Any

import adbc_driver_postgresql.dbapi as adbc
import psycopg

from turnout import config
from turnout.errors import TurnoutError
from turnout.sync.postgres import rights
from turnout.sync.postgres.address import Address
from turnout.sync.postgres.catalogue import read_catalogue
from turnout.sync.postgres.connection import join
from turnout.sync.postgres.errors import explained, joining
from turnout.sync.postgres.instant import begin
from turnout.sync.postgres.pace import Pace, Term
from turnout.sync.postgres.rows import Limits
from turnout.sync.postgres.server import Server, open_server
from turnout.sync.postgres.snapshot import PostgresSnapshot
from turnout.sync.postgres.worker import Worker
from turnout.sync.selection import SelectedTable
from turnout.sync.source import ChangeStream, Instant


class Postgres:
    """A PostgreSQL server, version 14 or newer, to copy from; with followers, the first fit one."""

    def __init__(self, name: str, source: config.Source) -> None:
        """The source called `name`. Nothing is connected yet."""
        self._name = name
        self._source = source

    @contextmanager
    def snapshot(
        self, selection: Sequence[SelectedTable], after: Instant | None = None
    ) -> Iterator[PostgresSnapshot]:
        server = open_server(self._source, after)
        address, control = server.address, server.connection
        with ExitStack() as opened:
            opened.callback(control.close)
            # Only what happens here is explained as the source's doing, not what the caller does.
            with explained(address.url):
                begun = begin(control)
                catalogue = read_catalogue(control, selection)
            workers = [
                Worker(partial(self._join, address, begun.name))
                for _ in range(self._source.connections)
            ]
            for worker in workers:
                opened.callback(worker.close)
            snapshot = PostgresSnapshot(address.url, begun, control, workers, self._limits(server))
            snapshot.take(catalogue, selection)
            yield snapshot

    def log(self, selection: Sequence[SelectedTable]) -> ChangeStream:
        # Its own libraries are needed only by those who ask for it.
        from turnout.sync.postgres.stream import open_stream

        return open_stream(self._name, self._source, self._connect, selection)

    def check(self, selection: Sequence[SelectedTable]) -> list[str]:
        return [*rights.check(self._source, selection), *self._check_log(selection)]

    def _check_log(self, selection: Sequence[SelectedTable]) -> list[str]:
        from turnout.sync.postgres.ready import check_left, check_log
        from turnout.sync.postgres.stream import slot_name

        slot = slot_name(self._name, self._source)
        if not any(table.settings.mode == "log" for table in selection):
            # Whether that server can be read now is said elsewhere.
            with (
                suppress(TurnoutError),
                explained(self._source.url),
                closing(self._connect()) as connection,
            ):
                return list(check_left(connection, slot))
            return []
        with explained(self._source.url), closing(self._connect()) as connection:
            return list(check_log(connection, slot, self._source, selection))

    def _connect(self) -> psycopg.Connection[Any]:
        """A connection to the server that is read, for what asks it once in a while."""
        return open_server(self._source).connection

    def _join(self, address: Address, snapshot: str) -> adbc.Connection:
        with joining():
            return join(address, self._source, snapshot)

    def _limits(self, server: Server) -> Limits:
        s_max = None if server.standing.is_follower else self._source.snapshot_s_max
        term = Term(s_max, server.address.place)
        return Limits(Pace(self._source.rows_per_s_max), term)
