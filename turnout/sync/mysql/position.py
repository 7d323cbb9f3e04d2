"""How far a server is in its history, by global transaction ids, as text that can be compared.

A position is how many transactions there have been, in twenty digits, and the ids that say which:
`00000000000000000042@0-1-42` of MariaDB, `…@3e11fa47-71ca-11e1-9e33-c80aa9429562:1-42` of MySQL.
Where the log was read, its file and place in one server's folder follow: to begin there spares that
server reading its whole log to find those ids.
"""

from __future__ import annotations

import struct
import uuid
import zlib
from dataclasses import dataclass
from typing import Protocol, Self

from turnout.sync.mysql.connection import Session
from turnout.sync.source import Instant


@dataclass(frozen=True, slots=True)
class Place:
    """The server's history, and how far it is."""

    server: str
    position: str

    def is_before(self, instant: Instant | None) -> bool:
        """Whether it is of the same history as `instant`, and has not come as far."""
        return (
            instant is not None
            and self.server == instant.server
            and count_of(self.position) < count_of(instant.position)
        )


@dataclass(frozen=True, slots=True)
class Position:
    """Where to read the log on from: after those transactions.

    `file` and `offset` hold on the server called `at` only, and are left out elsewhere.
    """

    gtids: str
    file: str = ""
    offset: int = 0
    at: str = ""

    @classmethod
    def parse(cls, text: str, at: str) -> Self:
        """A position as it was written, for use on the server called `at`."""
        _, gtids, *place = text.split("@")
        if not place or place[0] != at:
            return cls(gtids)
        file, _, offset = place[1].rpartition(":")
        return cls(gtids, file, int(offset), at)


def count_of(position: str) -> int:
    """How many transactions there were up to `position`."""
    return int(position.partition("@")[0] or 0)


class Done(Protocol):
    """The transactions up to a position, of one of the two kinds."""

    def add(self, gtid: str) -> None:
        """One more is done."""

    def __contains__(self, gtid: object) -> bool:
        """Whether that transaction is among them."""

    @property
    def count(self) -> int:
        """How many they are."""

    @property
    def gtids(self) -> str:
        """As the server writes it."""

    @property
    def position(self) -> str:
        """As text that grows, without a place in a file."""


class MariaDone:
    """MariaDB's: per domain the last transaction; what has a smaller number is done too."""

    def __init__(self, gtids: str) -> None:
        """`gtids` as in `0-1-42,7-2-9`; empty at the beginning of all."""
        self._last: dict[str, tuple[str, int]] = {}
        for gtid in filter(None, gtids.split(",")):
            self.add(gtid.strip())

    def add(self, gtid: str) -> None:
        domain, server, number = gtid.split("-")
        self._last[domain] = (server, int(number))

    def __contains__(self, gtid: object) -> bool:
        domain, _, number = str(gtid).split("-")
        return int(number) <= self._last.get(domain, ("", 0))[1]

    @property
    def gtids(self) -> str:
        # In one order, whatever they were met in: positions are compared as text.
        last = sorted(self._last.items())
        return ",".join(f"{domain}-{server}-{number}" for domain, (server, number) in last)

    @property
    def count(self) -> int:
        return sum(number for _, number in self._last.values())

    @property
    def position(self) -> str:
        return _position(self.count, self.gtids)


class MySQLDone:
    """MySQL's: of each server that ever wrote, ranges of its transactions."""

    def __init__(self, gtids: str) -> None:
        """`gtids` as in `<uuid>:1-42:44,<uuid>:1-9`; empty at the beginning of all."""
        # Per server its ranges in order, each from its first to before its end.
        self._ranges: dict[str, list[list[int]]] = {}
        for part in filter(None, "".join(gtids.split()).split(",")):
            server, *ranges = part.lower().split(":")
            for text in ranges:
                first, _, last = text.partition("-")
                self._include(server, int(first), int(last or first) + 1)

    def add(self, gtid: str) -> None:
        server, _, number = gtid.partition(":")
        ranges = self._ranges.get(server)
        # Nearly always it is the next one.
        if ranges and ranges[-1][1] == int(number):
            ranges[-1][1] += 1
        else:
            self._include(server, int(number), int(number) + 1)

    def __contains__(self, gtid: object) -> bool:
        server, _, number = str(gtid).partition(":")
        ranges = self._ranges.get(server, [])
        return any(first <= int(number) < end for first, end in ranges)

    @property
    def gtids(self) -> str:
        return ",".join(
            ":".join([server, *(_range(first, end) for first, end in ranges)])
            for server, ranges in sorted(self._ranges.items())
        )

    @property
    def encoded(self) -> bytes:
        """As a server is asked to go on from it."""
        parts = [struct.pack("<Q", len(self._ranges))]
        for server, ranges in sorted(self._ranges.items()):
            parts += [uuid.UUID(server).bytes, struct.pack("<Q", len(ranges))]
            parts += [struct.pack("<QQ", first, end) for first, end in ranges]
        return b"".join(parts)

    @property
    def count(self) -> int:
        return sum(end - first for ranges in self._ranges.values() for first, end in ranges)

    @property
    def position(self) -> str:
        return _position(self.count, self.gtids)

    def _include(self, server: str, first: int, end: int) -> None:
        kept = []
        for other in self._ranges.get(server, []):
            if other[1] < first or end < other[0]:
                kept.append(other)
            else:
                first, end = min(first, other[0]), max(end, other[1])
        self._ranges[server] = sorted([*kept, [first, end]])


def done(position: str, *, is_mariadb: bool) -> Done:
    """The transactions up to `position`."""
    gtids = Position.parse(position, "").gtids
    return MariaDone(gtids) if is_mariadb else MySQLDone(gtids)


def read_place(session: Session, leader: str = "") -> Place:
    """How far the server is now. `leader` is whom it follows, whose history it shares."""
    if session.server.is_mariadb:
        domain, server_id, gtids = session.rows(
            "SELECT @@GLOBAL.gtid_domain_id, @@GLOBAL.server_id, @@GLOBAL.gtid_current_pos"
        )[0]
        return Place(f"mariadb/{domain}/{leader or server_id}", MariaDone(gtids or "").position)
    uuid, gtids = session.rows("SELECT @@GLOBAL.server_uuid, @@GLOBAL.gtid_executed")[0]
    return Place(f"mysql/{leader or uuid}", MySQLDone(gtids or "").position)


def identity_of(session: Session) -> str:
    """A server by itself: the names of its log's files hold there only."""
    said = session.variables("hostname", "port", "server_id", "server_uuid", "server_uid")
    return f"{zlib.crc32(repr(sorted(said.items())).encode()):08x}"


def _range(first: int, end: int) -> str:
    return f"{first}-{end - 1}" if end - first > 1 else str(first)


def _position(count: int, gtids: str) -> str:
    return f"{count:020}@{gtids}"
