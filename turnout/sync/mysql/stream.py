"""The binary log as a stream of changes: what was committed after a position, up to now.

The log carries every column of every table. What is not selected is stepped over here, before
anything becomes a value; that this happens here and not at the source has to be accepted first.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta

import pymysql

from turnout import config
from turnout.errors import SourceRefused
from turnout.sync.mysql.binlog import Event, events
from turnout.sync.mysql.catalogue import Catalogue, FoundTable, read_catalogue
from turnout.sync.mysql.charsets import Charsets, read_charsets
from turnout.sync.mysql.connection import opened
from turnout.sync.mysql.errors import LOG_PURGED, NO_RIGHT, explained, log_lost, number_of
from turnout.sync.mysql.gathering import US, Gathering, Watched
from turnout.sync.mysql.grants import account
from turnout.sync.mysql.instant import now_of
from turnout.sync.mysql.names import database_of
from turnout.sync.mysql.position import (
    Done,
    Position,
    count_of,
    done,
    identity_of,
    read_place,
)
from turnout.sync.mysql.reads import Read
from turnout.sync.mysql.requirements import log_missing
from turnout.sync.mysql.standing import read_standing, server_of, unfit
from turnout.sync.mysql.types import SHAPES
from turnout.sync.selection import SelectedTable
from turnout.sync.source import ChangeBatch, Instant

# What gathers before it is given on, at the end of a transaction; twice that within one.
ROWS_MAX = 50_000
BYTES_MAX = 16 * 1024 * 1024
WITHIN = 2
# Places in a file are written in four bytes, and beyond them begin anew.
OFFSET_MAX = 2**31


class BinlogStream:
    """The changes of a selection. See `ChangeStream`."""

    def __init__(self, source: config.Source, selection: Sequence[SelectedTable]) -> None:
        """Connects. Raises `SourceRefused` with what the operator has to do first."""
        self._source = source
        with ExitStack() as stack:
            found = stack.enter_context(server_of(source))
            self._session = found.session
            self._selection = selection
            with explained(self._session.address):
                if missing := list(log_missing(self._session, found.standing, source)):
                    raise SourceRefused(" ".join(missing))
                self._charsets = read_charsets(self._session)
                self._identity = identity_of(self._session)
                self.server = read_place(self._session, found.standing.leader).server
                self._look()
            self._opened = stack.pop_all()

    @property
    def retained_bytes(self) -> int:
        return 0

    def begin(
        self,
        *,
        replacing: bool,  # noqa: ARG002 - nothing there is ours
        intend: Callable[[], None] | None = None,  # noqa: ARG002
    ) -> str:
        """Where the log is now. It is kept anyway; that it may be read is tried."""
        with explained(self._session.address):
            position = read_place(self._session).position
        for _ in self._events(Position.parse(position, "")):
            break
        return position

    def batches(self, after: str, copied: Mapping[SelectedTable, Instant]) -> Iterator[ChangeBatch]:
        address = self._session.address
        with explained(address):
            standing = read_standing(self._session)
            place = read_place(self._session)
            as_of = now_of(self._session) - timedelta(seconds=standing.lag_s or 0.0)
        if problem := unfit(standing, address, self._source.lag_max_s):
            raise problem
        count = count_of(place.position)
        if count < count_of(after) and not standing.is_follower:
            # It was restored, or its log was begun anew.
            raise log_lost(address)
        if count <= count_of(after):
            yield ChangeBatch((), after, as_of)
            return
        if self._is_to_look:
            with explained(address):
                self._look()
        gathering = self._gathering(after, copied)
        yield from self._gathered(gathering, after, count)
        yield self._batch(gathering, self._position(gathering), as_of)

    def confirm(self, position: str) -> None:
        """Nothing: the server keeps its log for as long as it is set to."""

    def close(self) -> None:
        self._opened.close()

    def _look(self) -> None:
        """See how the selected tables are now."""
        catalogue = read_catalogue(self._session, self._selection)
        self.problems: dict[SelectedTable, str] = {}
        self._reads: dict[SelectedTable, Read] = {}
        for table in self._selection:
            self._take(table, catalogue)
        self._is_to_look = bool(self.problems)

    def _gathering(self, after: str, copied: Mapping[SelectedTable, Instant]) -> Gathering:
        is_mariadb = self._session.server.is_mariadb
        database = self._session.address.database
        watched = {
            (database_of(table, database), table.name): Watched(
                read.table, read.readings, self._copied(copied.get(table), after)
            )
            for table, read in self._reads.items()
        }
        return Gathering(watched, done(after, is_mariadb=is_mariadb), self._charsets)

    def _gathered(self, gathering: Gathering, after: str, count: int) -> Iterator[ChangeBatch]:
        """Batches of what is too much for the last one, until `count` transactions were read."""
        position = after
        for event in self._events(Position.parse(after, self._identity)):
            gathering.take(event)
            if not gathering.is_open and gathering.done.count >= count:
                return
            size = max(gathering.rows / ROWS_MAX, gathering.bytes / BYTES_MAX)
            if size > (WITHIN if gathering.is_open else 1):
                if not gathering.is_open:
                    position = self._position(gathering)
                yield self._batch(
                    gathering, position, _moment(gathering.at_us), is_whole=not gathering.is_open
                )

    def _batch(
        self, gathering: Gathering, position: str, as_of: datetime, *, is_whole: bool = True
    ) -> ChangeBatch:
        # What was altered may be of other types now.
        self._is_to_look = self._is_to_look or bool(gathering.torn)
        log_bytes = gathering.log_bytes
        return ChangeBatch(
            gathering.taken(), position, as_of, is_whole, dict(gathering.torn), log_bytes
        )

    def _events(self, position: Position) -> Iterator[Event]:
        address = self._session.address
        has_begun = False
        with opened(address, self._source) as session, explained(address):
            try:
                for event in events(session, position):
                    has_begun = True
                    yield event
            except pymysql.Error as error:
                if number_of(error) in NO_RIGHT:
                    raise self._not_allowed() from None
                if number_of(error) != LOG_PURGED or not position.file or has_begun:
                    raise
            else:
                return
        # The file is gone or another one; what is in the log after those transactions is not.
        yield from self._events(Position(position.gtids))

    def _position(self, gathering: Gathering) -> str:
        position = gathering.done.position
        if gathering.file and gathering.offset < OFFSET_MAX:
            position += f"@{self._identity}@{gathering.file}:{gathering.offset}"
        return position

    def _copied(self, copied: Instant | None, after: str) -> Done | None:
        """What a copy has seen of what comes after `after`; None when that is nothing."""
        if copied is None or copied.server != self.server:
            return None
        if count_of(copied.position) <= count_of(after):
            return None
        return done(copied.position, is_mariadb=self._session.server.is_mariadb)

    def _take(self, table: SelectedTable, catalogue: Catalogue) -> None:
        problem = next(catalogue.problems(table), None)
        found = catalogue.get(table)
        if problem is not None or found is None:
            self.problems[table] = str(problem)
            return
        read = Read(table, found, catalogue.database)
        sentence = next(_not_in_log(read, found, self._charsets), None)
        if sentence is not None:
            self.problems[table] = sentence
        else:
            self._reads[table] = read

    def _not_allowed(self) -> SourceRefused:
        user = account(self._session.value("SELECT current_user()"))
        return SourceRefused(
            f"The log of {self._session.address.place} may not be read by this user.",
            hint=f"Run on the leader: GRANT REPLICATION SLAVE ON *.* TO {user};",
        )


def _not_in_log(read: Read, found: FoundTable, charsets: Charsets) -> Iterator[str]:
    """Why the changes of a table cannot be followed."""
    label = read.table.selected.label
    settings = read.table.selected.settings
    hint = "Choose another mode than log."
    if not read.table.shape.key:
        yield f"'{label}' has no key among its selected columns, to follow its rows by. {hint}"
    if found.is_view:
        yield f"'{label}' is a view, and the log has tables only. {hint}"
    if found.is_cascaded:
        yield (
            f"Rows of '{label}' are changed by a foreign key (ON DELETE or ON UPDATE), and such "
            f"changes are in no log. {hint}"
        )
    if settings.where:
        yield f"'{label}' is copied in part (where), and the log has all of its rows. {hint}"
    if settings.json_keys:
        yield f"Of '{label}' only json_keys are copied, and the log has whole documents. {hint}"
    for each in read.readings:
        column = found.columns[each.column.name]
        where = f"'{label}.{each.column.name}'"
        if column.is_virtual:
            yield f"{where} is made of other columns when it is read, and in no log. {hint}"
        if column.type.name in SHAPES or "COMPRESSED" in column.type.spelled.upper():
            yield f"{where} is logged in a way of its own ({column.type.spelled}). {hint}"
        if not charsets.knows(column.charset):
            yield f"{where} is in {column.charset}, which cannot be read from the log. {hint}"


def _moment(at_us: int) -> datetime:
    return datetime.fromtimestamp(at_us // US, UTC)
