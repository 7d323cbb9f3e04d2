"""Beginning a snapshot: all that is read afterwards is as of that one instant."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pymysql

from turnout.sync.mysql.connection import Session
from turnout.sync.mysql.errors import NO_RIGHT, number_of
from turnout.sync.mysql.position import MariaDone, Place, read_place
from turnout.sync.mysql.standing import Standing
from turnout.sync.source import Instant

BEGIN = "START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY"
# A server that is written to all the time lets nobody say exactly where the snapshot is.
TRIES = 5

NOW = "SELECT UTC_TIMESTAMP(6)"
# In the server's own time zone, which is what its table of transactions is written in. One that
# no session has was prepared, and may be ended by anybody at any time.
OPEN = """
SELECT TIMESTAMPDIFF(MICROSECOND, MIN(trx_started), NOW(6)),
       COALESCE(SUM(trx_mysql_thread_id = 0), 0)
FROM information_schema.innodb_trx WHERE trx_mysql_thread_id <> CONNECTION_ID()
"""


def begin(session: Session, standing: Standing, after: Instant | None) -> Instant:
    """Begin the snapshot, and say its instant, with which the log can go on.

    The position is never later than the snapshot: what happened in between is read again.
    """
    # Asked before: what is open then and still writes has begun before, and what begins later
    # cannot have an earlier time.
    now = now_of(session)
    oldest_open = None if standing.is_follower else _oldest_open(session, now)
    place = _begin(session, standing)
    server = place.server
    if not standing.is_follower and place.is_before(after):
        # It has been restored: what it said before says nothing any more.
        server += "/restored"
    return Instant(server, place.position, now, oldest_open)


def _begin(session: Session, standing: Standing) -> Place:
    for _ in range(TRIES):
        before = read_place(session, standing.leader)
        session.rows(BEGIN)
        place = _exact(session, standing, before)
        if place is None and read_place(session, standing.leader) == before:
            place = before
        if place is not None:
            return place
        session.rows("ROLLBACK")
    session.rows(BEGIN)
    return before


def _exact(session: Session, standing: Standing, before: Place) -> Place | None:
    """MariaDB says where in its own log the open snapshot is, if it logs all that it does."""
    if not session.server.is_mariadb or not _logs_all(session, standing):
        return None
    said = dict(session.rows("SHOW STATUS LIKE 'binlog_snapshot_%'"))
    file, offset = said.get("Binlog_snapshot_file"), said.get("Binlog_snapshot_position")
    if not file or not offset:
        return None
    gtids = session.value(f"SELECT BINLOG_GTID_POS(%s, {int(offset)})", [file])
    return None if gtids is None else Place(before.server, MariaDone(gtids).position)


def _logs_all(session: Session, standing: Standing) -> bool:
    """Whether its log has every change: of a follower, also those that it replays."""
    said = session.variables("log_bin", "log_slave_updates", "gtid_slave_pos")
    follows = standing.is_follower or said.get("gtid_slave_pos")
    return said.get("log_bin") == "ON" and (not follows or said.get("log_slave_updates") == "ON")


def now_of(session: Session) -> datetime:
    """The server's clock."""
    return datetime.fromisoformat(session.value(NOW)).replace(tzinfo=UTC)


def _oldest_open(session: Session, now: datetime) -> datetime | None:
    """When the oldest transaction now open began, now if there is none; None when unknown."""
    session.rows("SET SESSION time_zone = 'SYSTEM'")
    try:
        age_us, prepared = session.rows(OPEN)[0]
    except pymysql.Error as error:
        if number_of(error) in NO_RIGHT:
            return None
        raise
    finally:
        session.rows("SET SESSION time_zone = '+00:00'")
    if int(prepared):
        return None
    return now - timedelta(microseconds=max(0, int(age_us or 0)))
