"""When a snapshot was taken, in PostgreSQL's own terms: to go on from there."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import psycopg

from turnout.sync.postgres.connection import SNAPSHOT
from turnout.sync.source import Instant

# The server's history: which cluster, on which timeline, which database in it. A follower knows
# its timeline as of its last restart point: after a failover it may name the new one late, and
# then a table is copied whole once more than needed.
SERVER = """
SELECT s.system_identifier || '/' || CASE WHEN pg_is_in_recovery() THEN c.timeline_id::text
           ELSE ('x' || left(pg_walfile_name(pg_current_wal_lsn()), 8))::bit(32)::int::text END
       || '/' || (SELECT oid FROM pg_database WHERE datname = current_database())
FROM pg_control_system() s, pg_control_checkpoint() c
"""
SERVER_WITHIN = """
SELECT '?/?/' || oid FROM pg_database WHERE datname = current_database()
"""
# A follower that has replayed all it received, and still receives, is as new as its clock.
# Else its data is as of the last transaction it replayed, or at least of its last checkpoint.
AS_OF = """
SELECT CASE
    WHEN NOT pg_is_in_recovery() THEN now()
    WHEN EXISTS (SELECT FROM pg_stat_wal_receiver)
        AND pg_last_wal_receive_lsn() = pg_last_wal_replay_lsn() THEN now()
    ELSE coalesce(pg_last_xact_replay_timestamp(),
        (SELECT checkpoint_time FROM pg_control_checkpoint()))
END
"""
LSN = """
SELECT coalesce((CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn()
    ELSE pg_current_wal_lsn() END)::text, '')
"""
NOW = "SELECT now(), pg_snapshot_xmin(pg_current_snapshot())::text::bigint"
# What some services that are almost a PostgreSQL refuse to say.
UNSAID = (
    psycopg.errors.FeatureNotSupported,
    psycopg.errors.UndefinedFunction,
    psycopg.errors.InsufficientPrivilege,
)

# Asked before the snapshot is taken: what is open then and still writes has begun before, and what
# begins later cannot have an earlier time. Maintenance by the server itself writes no rows.
OPEN = """
SELECT least(clock_timestamp(), min(xact_start) FILTER (
    WHERE pid <> pg_backend_pid() AND backend_type <> 'autovacuum worker'))
FROM pg_stat_activity WHERE datname = current_database()
"""
# A follower does not see its leader's sessions; a role without that right sees its own only.
SEES_ALL = """
SELECT NOT pg_is_in_recovery() AND pg_has_role('pg_read_all_stats', 'USAGE')
"""
# After the sessions: one that is prepared in between was seen there.
PREPARED = "SELECT EXISTS (SELECT FROM pg_prepared_xacts WHERE database = current_database())"


@dataclass(frozen=True, slots=True)
class Begun:
    """A snapshot just taken: the name that others join it by, and when it was."""

    name: str
    as_of: datetime
    instant: Instant


def begin(connection: psycopg.Connection[Any]) -> Begun:
    """Open a snapshot that lasts as long as the transaction `connection` is in from now on."""
    oldest_open = read_oldest_open(connection)
    connection.execute(f"BEGIN {SNAPSHOT}")
    name = _value(connection, "SELECT pg_export_snapshot()")
    (as_of,) = answer(connection, AS_OF, "SELECT now()")
    return Begun(name, as_of.astimezone(UTC), read_instant(connection, oldest_open))


def read_oldest_open(connection: psycopg.Connection[Any]) -> datetime | None:
    """When the oldest transaction now open began, now if there is none; None when unknown.

    To be asked before the snapshot it is for.
    """
    if not _value(connection, SEES_ALL):
        return None
    oldest: datetime = _value(connection, OPEN)
    return None if _value(connection, PREPARED) else oldest.astimezone(UTC)


def read_instant(
    connection: psycopg.Connection[Any], oldest_open: datetime | None = None
) -> Instant:
    """The instant of the snapshot that `connection` is in."""
    (server,) = answer(connection, SERVER, SERVER_WITHIN)
    (position,) = answer(connection, LSN, "SELECT ''")
    ((now, xmin),) = connection.execute(NOW)
    return Instant(server, comparable(position), now.astimezone(UTC), oldest_open, xmin)


def comparable(position: str) -> str:
    """A log position in sixteen digits, so that text compares as positions do; still a pg_lsn."""
    return "/".join(part.zfill(8) for part in position.split("/")) if position else ""


def answer(connection: psycopg.Connection[Any], question: str, otherwise: str) -> tuple[Any, ...]:
    """The answer to `question`; where the server refuses to say, that to `otherwise`."""
    row: tuple[Any, ...]
    try:
        with connection.transaction():
            (row,) = connection.execute(question)
    except UNSAID:
        (row,) = connection.execute(otherwise)
    return row


def _value(connection: psycopg.Connection[Any], question: str) -> Any:
    return connection.execute(question).fetchall()[0][0]
