"""Events of the log, taken one by one and gathered by table, transaction after transaction.

Here alone Python looks at every row, and of a row at its selected columns only.
"""

from __future__ import annotations

import struct
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from turnout.errors import SourceRefused
from turnout.sync.mysql.binlog import Event, Kind, uncompressed
from turnout.sync.mysql.charsets import Charsets
from turnout.sync.mysql.fixed import Unreadable
from turnout.sync.mysql.image import Image
from turnout.sync.mysql.pile import Pile
from turnout.sync.mysql.position import Done
from turnout.sync.mysql.statements import effects
from turnout.sync.mysql.tablemap import BITS, Bytes, table_map
from turnout.sync.mysql.types import Reading
from turnout.sync.selection import SelectedTable
from turnout.sync.source import Changes, SourceTable

INSERTS = {
    Kind.WRITE,
    Kind.WRITE_V1,
    Kind.MARIADB_WRITE_COMPRESSED,
    Kind.MARIADB_WRITE_COMPRESSED_V1,
}
UPDATES = {
    Kind.UPDATE,
    Kind.UPDATE_V1,
    Kind.MARIADB_UPDATE_COMPRESSED,
    Kind.MARIADB_UPDATE_COMPRESSED_V1,
}
DELETES = {
    Kind.DELETE,
    Kind.DELETE_V1,
    Kind.MARIADB_DELETE_COMPRESSED,
    Kind.MARIADB_DELETE_COMPRESSED_V1,
}
ROWS = INSERTS | UPDATES | DELETES
COMPRESSED = {kind for kind in ROWS if kind.name.startswith("MARIADB")}
# Their head says how long it is.
WITH_EXTRA = {
    Kind.WRITE,
    Kind.UPDATE,
    Kind.DELETE,
    Kind.MARIADB_WRITE_COMPRESSED,
    Kind.MARIADB_UPDATE_COMPRESSED,
    Kind.MARIADB_DELETE_COMPRESSED,
}
QUERIES = {Kind.QUERY, Kind.MARIADB_QUERY_COMPRESSED}
TABLE_ID_BYTES = 6
# Of MariaDB's first event of a transaction: it is one statement without an end; it is prepared
# only; it ends one that was prepared.
STANDALONE, PREPARED = 0x01, 0x40
# Of MySQL's: where its instant in microseconds begins, and the bit that says another follows.
INSTANT_AT, INSTANT_BYTES, INSTANT_MORE = 42, 7, 1 << 55
QUERY_HEAD = struct.Struct("<IIBHH")
US = 1_000_000


@dataclass(slots=True)
class Watched:
    """A selected table, how it is read, and up to where its copy has the changes already."""

    table: SourceTable
    readings: Sequence[Reading]
    copied: Done | None = None


@dataclass(slots=True)
class _Logged:
    """A watched table as the log has it just now: whole rows, and of those before their keys."""

    watched: Watched
    image: Image
    key_image: Image


@dataclass(slots=True)
class _Open:
    """The transaction whose events come just now."""

    gtid: str = ""
    at_us: int = 0
    is_standalone: bool = False
    # It was applied before.
    is_done: bool = False
    # It is to be committed later, by a statement of its own.
    is_prepared: bool = False
    touched: set[SelectedTable] = field(default_factory=set)


class Gathering:
    """Takes events; `taken` gives what has gathered."""

    def __init__(
        self,
        watched: Mapping[tuple[str, str], Watched],
        done: Done,
        charsets: Charsets,
    ) -> None:
        """`watched` by database and name. Transactions in `done` were applied before."""
        self.torn: dict[SelectedTable, str] = {}
        self.done = done
        # How much has gathered, and was read; when the last transaction was; whether one goes on.
        self.rows = self.bytes = self.log_bytes = 0
        self.at_us = 0
        self.is_open = False
        # Where the log goes on after the last whole transaction.
        self.file, self.offset = "", 0
        self._watched = dict(watched)
        self._charsets = charsets
        self._tables = {key: each.table.selected for key, each in watched.items()}
        self._maps: dict[bytes, _Logged | None] = {}
        self._logged: dict[bytes, _Logged | None] = {}
        self._piles: dict[SelectedTable, Pile] = {}
        self._order = 0
        self._now = _Open()

    def take(self, event: Event) -> None:
        """Gather what this event says. Raises `SourceRefused` when it cannot be read."""
        self.log_bytes += len(event.body)
        if event.kind in ROWS:
            self._take_rows(event)
        elif event.kind == Kind.TABLE_MAP:
            self._take_map(event)
        elif event.kind == Kind.XID:
            self._end(event)
        elif event.kind in QUERIES:
            self._take_query(event)
        elif event.kind in (Kind.MARIADB_GTID, Kind.GTID):
            self._begin(event)
        elif event.kind == Kind.XA_PREPARE:
            self._prepared(event)
        elif event.kind in UNREADABLE:
            raise SourceRefused(
                f"The log has {UNREADABLE[event.kind]}.",
                hint="Correct that at the source, and copy the tables whole: turnout sync --whole.",
            )

    def taken(self) -> tuple[Changes, ...]:
        """What has gathered since this was called last."""
        piles, self._piles = self._piles, {}
        self.rows = self.bytes = self.log_bytes = 0
        return tuple(pile.changes() for pile in piles.values())

    def _begin(self, event: Event) -> None:
        if event.kind == Kind.MARIADB_GTID:
            number, domain, flags = struct.unpack_from("<QIB", event.body)
            self._now = _Open(f"{domain}-{event.server_id}-{number}", event.at_s * US)
            self._now.is_standalone = bool(flags & STANDALONE)
            self._now.is_prepared = bool(flags & PREPARED)
        else:
            server = uuid.UUID(bytes=event.body[1:17])
            number = int.from_bytes(event.body[17:25], "little")
            # Whether it is one statement by itself, the next event says.
            self._now = _Open(f"{server}:{number}", _instant_us(event), is_standalone=True)
        # The server's clock may have been set back, but what came later did not happen before.
        self._now.at_us = max(self._now.at_us, self.at_us)
        self._now.is_done = self._now.gtid in self.done
        self._logged.clear()
        self.is_open = True

    def _end(self, event: Event) -> None:
        if self._now.gtid:
            self.done.add(self._now.gtid)
            self.at_us = self._now.at_us
        self.file, self.offset = event.file, event.next
        self._now = _Open()
        self.is_open = False

    def _take_map(self, event: Event) -> None:
        table_id, body = event.body[:TABLE_ID_BYTES], event.body[TABLE_ID_BYTES:]
        if body not in self._maps:
            self._maps[body] = self._mapped(body)
        logged = self._maps[body]
        copied = logged.watched.copied if logged else None
        is_copied = copied is not None and self._now.gtid in copied
        self._logged[table_id] = None if is_copied else logged

    def _mapped(self, body: bytes) -> _Logged | None:
        table = table_map(body)
        watched = self._watched.get((table.schema, table.name))
        if watched is None:
            return None
        selected = watched.table.selected
        if not table.has_names:
            self._tear(selected, "its changes were logged without the names of its columns")
            return None
        try:
            image = Image(table, watched.readings, self._charsets)
            key = watched.table.shape.key
            key_image = Image(table, watched.readings, self._charsets, only=key)
        except Unreadable as unreadable:
            self._tear(selected, f"in the log, {unreadable}")
            return None
        return _Logged(watched, image, key_image)

    def _take_rows(self, event: Event) -> None:
        logged = self._logged.get(event.body[:TABLE_ID_BYTES])
        if logged is None or self._now.is_done:
            return
        selected = logged.watched.table.selected
        self._now.touched.add(selected)
        if self._now.is_prepared or selected in self.torn:
            return
        self.bytes += len(event.body)
        data = self._images(event, logged)
        if data is None:
            self._tear(selected, "its changes were logged without all of its columns")
            return
        try:
            self._gather(event.kind, data, logged)
        except (IndexError, ValueError, struct.error):
            # A value is no such text, or the row does not end where it should.
            self._tear(selected, "a change in the log is not what its columns' types say")

    def _images(self, event: Event, logged: _Logged) -> bytes | None:
        """The rows of an event; None if not all columns are in them."""
        read = Bytes(event.body)
        read.take(TABLE_ID_BYTES + 2)
        if event.kind in WITH_EXTRA:
            read.take(read.number(2) - 2)
        width = read.count()
        every = (1 << width) - 1
        for _ in range(2 if event.kind in UPDATES else 1):
            if read.number((width + BITS - 1) // BITS) & every != every:
                return None
        if width != logged.image.width:
            return None
        rest = event.body[read.at :]
        return uncompressed(rest) if event.kind in COMPRESSED else rest

    def _gather(self, kind: int, data: bytes, logged: _Logged) -> None:
        """Take every row of an event. Raises `ValueError` when they are not what they should be."""
        pile = self._pile(logged.watched)
        at_us = self._now.at_us
        at = 0
        while at < len(data):
            if kind in INSERTS:
                row, at = logged.image.row(data, at)
                pile.write(row, self._next(), at_us)
                continue
            key, at = logged.key_image.row(data, at)
            if kind in DELETES:
                pile.remove(key, self._next(), at_us)
                continue
            row, at = logged.image.row(data, at)
            if pile.moves(key, row):
                pile.remove(key, self._next(), at_us)
            pile.write(row, self._next(), at_us)
        if at != len(data):
            raise ValueError

    def _take_query(self, event: Event) -> None:
        database, sql = _query(event)
        word = sql.lstrip()[:10].upper()
        if word.startswith(("BEGIN", "XA START")):
            self._now.is_standalone = False
            self._now.is_prepared |= word.startswith("XA")
            return
        if self._now.is_done:
            pass
        elif word.startswith("ROLLBACK"):
            # Only where a transaction changed tables that know none: part of it is undone.
            for table in self._now.touched:
                self._tear(table, "a transaction was undone in part")
        else:
            self._take_statement(sql, database)
        ends = word.startswith("COMMIT") or word.rstrip() == "ROLLBACK"
        if self._now.is_standalone or ends:
            self._end(event)

    def _take_statement(self, sql: str, database: str) -> None:
        for effect in effects(sql, database, self._tables):
            watched = next(w for w in self._watched.values() if w.table.selected == effect.table)
            if watched.copied and self._now.gtid in watched.copied:
                continue
            if effect.torn:
                self._tear(effect.table, effect.torn)
            elif effect.table not in self.torn:
                self._pile(watched).empty(self._next(), self._now.at_us)

    def _prepared(self, event: Event) -> None:
        # Its first byte says that it is committed at once.
        if event.body[0]:
            for table in self._now.touched:
                self._tear(table, "a transaction of several databases (XA) was committed")
        self._end(event)

    def _tear(self, table: SelectedTable, reason: str) -> None:
        self.torn.setdefault(table, reason)
        self._piles.pop(table, None)

    def _pile(self, watched: Watched) -> Pile:
        selected = watched.table.selected
        if selected not in self._piles:
            self._piles[selected] = Pile(watched.table, watched.readings)
        return self._piles[selected]

    def _next(self) -> int:
        self._order += 1
        self.rows += 1
        return self._order


UNREADABLE: Mapping[int, str] = {
    Kind.ANONYMOUS: "transactions without a number: gtid_mode was not ON",
    Kind.PARTIAL_UPDATE: "parts of documents: binlog_row_value_options was set",
    Kind.PAYLOAD: "compressed transactions: binlog_transaction_compression was ON",
    Kind.TAGGED: "transactions with a tag, which cannot be read here",
}


def _query(event: Event) -> tuple[str, str]:
    """The database that a statement ran in, and the statement."""
    _, _, database_bytes, _, status_bytes = QUERY_HEAD.unpack_from(event.body)
    start = QUERY_HEAD.size + status_bytes
    end = start + database_bytes
    sql = event.body[end + 1 :]
    if event.kind == Kind.MARIADB_QUERY_COMPRESSED:
        sql = uncompressed(sql)
    return event.body[start:end].decode(), sql.decode(errors="replace")


def _instant_us(event: Event) -> int:
    """When a transaction of MySQL's was committed: exactly, where it says so."""
    said = event.body[INSTANT_AT : INSTANT_AT + INSTANT_BYTES]
    if len(said) < INSTANT_BYTES:
        return event.at_s * US
    return int.from_bytes(said, "little") & ~INSTANT_MORE
