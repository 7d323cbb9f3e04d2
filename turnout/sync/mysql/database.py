"""MySQL and MariaDB as a source: one consistent snapshot on one connection, read in bulk.

A snapshot cannot be shared there, so tables are read one after the other. Works the same on a
leader and on a follower.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from datetime import datetime, timedelta

import pymysql

from turnout import config
from turnout.errors import SourceUnavailable, TurnoutError
from turnout.sync.mysql import rights
from turnout.sync.mysql.address import Address, understood
from turnout.sync.mysql.catalogue import Catalogue, read_catalogue
from turnout.sync.mysql.connection import Session, opened
from turnout.sync.mysql.errors import MISSING, NO_RIGHT, explained, number_of
from turnout.sync.mysql.instant import begin
from turnout.sync.mysql.names import qualified
from turnout.sync.mysql.reads import MySQLRows, Pace, Read
from turnout.sync.mysql.standing import Opened, read_standing, server_of
from turnout.sync.selection import SelectedTable
from turnout.sync.source import WHOLE, ChangeStream, Instant, Part, SourceTable


class MySQL:
    """A MySQL 8 or MariaDB 10.5 server, or a newer one, to copy from."""

    def __init__(self, name: str, source: config.Source) -> None:
        """The source called `name`. Nothing is connected yet."""
        self._name = name
        self._source = source

    @contextmanager
    def snapshot(
        self, selection: Sequence[SelectedTable], after: Instant | None = None
    ) -> Iterator[MySQLSnapshot]:
        with ExitStack() as stack:
            found = stack.enter_context(server_of(self._source, after))
            # Only what happens here is explained as the source's doing, not what the caller does.
            with explained(found.session.address):
                instant = begin(found.session, found.standing, after)
            snapshot = MySQLSnapshot(found, self._source, instant)
            snapshot.take(selection)
            yield snapshot

    def log(self, selection: Sequence[SelectedTable]) -> ChangeStream:
        # Its own library is needed only by those who ask for it.
        from turnout.sync.mysql.stream import BinlogStream

        return BinlogStream(self._source, selection)

    def check(self, selection: Sequence[SelectedTable]) -> list[str]:
        sentences: list[str] = []
        errors: list[TurnoutError] = []
        addresses = [understood(url) for url in config.followers_of(self._source)]
        for address in addresses:
            try:
                sentences += self._checked(address, selection)
            except TurnoutError as error:
                errors.append(error)
                sentences.append(str(error))
        if len(errors) == len(addresses):
            raise errors[0]
        # What holds of every server is said once.
        return list(dict.fromkeys(sentences))

    def _checked(self, address: Address, selection: Sequence[SelectedTable]) -> list[str]:
        with opened(address, self._source) as session, explained(address):
            catalogue = read_catalogue(session, selection)
            standing = read_standing(session)
            return [
                *(str(problem) for table in selection for problem in catalogue.problems(table)),
                *rights.about_tables(catalogue, selection),
                *rights.more_than_needed(session, catalogue, selection),
                *rights.about_server(session, standing, self._source),
            ]


class MySQLSnapshot:
    """The selected tables at one instant. See `SourceSnapshot`."""

    def __init__(self, found: Opened, source: config.Source, instant: Instant) -> None:
        self.instant = instant
        self.problems: dict[SelectedTable, str] = {}
        self._session = found.session
        self._lag_s = found.standing.lag_s or 0.0
        self._reads: dict[SelectedTable, Read] = {}
        is_leader = found.standing.is_follower is False
        self._pace = Pace(
            found.session.address.place,
            source.rows_per_s_max,
            source.snapshot_s_max if is_leader else None,
        )

    def take(self, selection: Sequence[SelectedTable]) -> None:
        """Keep every selected table's shape, and sort out those that cannot be read."""
        for table in selection:
            try:
                with explained(self._session.address, table):
                    _hold(self._session, table)
            except SourceUnavailable as error:
                if not self._session.connection.open:
                    raise
                self.problems[table] = str(error)
        with explained(self._session.address):
            catalogue = read_catalogue(self._session, selection)
        for table in selection:
            self._take(table, catalogue)

    @property
    def as_of(self) -> datetime:
        return self.instant.now - timedelta(seconds=self._lag_s)

    @property
    def tables(self) -> Sequence[SourceTable]:
        return [read.table for read in self._reads.values()]

    def rows(self, table: SourceTable, part: Part = WHOLE) -> MySQLRows:
        return MySQLRows(self._session, self._reads[table.selected], part, self._pace)

    def cursor_max(self, table: SourceTable) -> str | None:
        read = self._reads[table.selected]
        with explained(self._session.address, table.selected):
            largest = self._session.value(read.cursor_max_sql)
        return read.capped(largest, self.instant.now)

    def _take(self, table: SelectedTable, catalogue: Catalogue) -> None:
        problem = next(catalogue.problems(table), None)
        found = catalogue.get(table)
        if problem is not None or found is None:
            self.problems.setdefault(table, str(problem))
        elif table not in self.problems:
            self._reads[table] = Read(table, found, catalogue.database)


def _hold(session: Session, table: SelectedTable) -> None:
    """Take the lock that keeps the table's shape until the snapshot ends."""
    try:
        session.rows(f"SELECT 1 FROM {qualified(table, session.address.database)} LIMIT 0")
    except pymysql.Error as error:
        # What is missing, and how to get it, the catalogue says.
        if number_of(error) not in (*NO_RIGHT, *MISSING):
            raise
