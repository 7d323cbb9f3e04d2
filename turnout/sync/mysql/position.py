"""How far a server is in its history, by global transaction ids, as text that can be compared.

A position is how many transactions there have been, in twenty digits, and the ids that say which:
`00000000000000000042@0-1-42` of MariaDB, `…@3e11fa47-71ca-11e1-9e33-c80aa9429562:1-42` of MySQL.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from pymysqlreplication.gtid import Gtid, GtidSet

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
            and self.position < instant.position
        )


class Done(Protocol):
    """The transactions up to a position, of one of the two kinds."""

    def add(self, gtid: str) -> None:
        """One more is done."""

    def __contains__(self, gtid: object) -> bool:
        """Whether that transaction is among them."""

    @property
    def gtids(self) -> str:
        """As the server writes it."""

    @property
    def position(self) -> str:
        """As text that grows."""


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
        return ",".join(f"{domain}-{server}-{n}" for domain, (server, n) in self._last.items())

    @property
    def position(self) -> str:
        return _position(sum(number for _, number in self._last.values()), self.gtids)


class MySQLDone:
    """MySQL's: a set of transactions of each server that ever wrote."""

    def __init__(self, gtids: str) -> None:
        """`gtids` as in `<uuid>:1-42:44,<uuid>:1-9`; empty at the beginning of all."""
        self._set = GtidSet("".join(gtids.split()))

    def add(self, gtid: str) -> None:
        if gtid not in self:
            self._set.merge_gtid(Gtid(gtid))

    def __contains__(self, gtid: object) -> bool:
        return Gtid(str(gtid)) in self._set

    @property
    def gtids(self) -> str:
        return str(self._set)

    @property
    def encoded(self) -> bytes:
        """As a server is asked to go on from it."""
        return bytes(self._set.encoded())

    @property
    def position(self) -> str:
        # Intervals are from their first to before their end.
        count = sum(end - first for gtid in self._set.gtids for first, end in gtid.intervals)
        return _position(count, self.gtids)


def done(position: str, *, is_mariadb: bool) -> MariaDone | MySQLDone:
    """The transactions up to `position`."""
    gtids = position.partition("@")[2]
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


def _position(count: int, gtids: str) -> str:
    return f"{count:020}@{gtids}"
