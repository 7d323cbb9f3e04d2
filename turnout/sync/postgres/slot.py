"""The slot: what the server keeps for us, and what protects the server from keeping too much."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import psycopg

from turnout.errors import LogLost, SourceRefused, SourceUnavailable, TurnoutError
from turnout.sync.postgres.instant import SERVER

# The first version whose followers decode their log.
DECODES_ON_FOLLOWER = 160_000
LOST, MISSING, IN_USE = "55000", "42704", "55006"
# No such function, no such schema, no right to either.
NO_FUNCTION = ("42883", "3F000", "42501")

SLOT = """
SELECT here.position::text, pg_is_in_recovery(), s.slot_name IS NOT NULL, s.wal_status,
       s.active_pid, s.confirmed_flush_lsn::text,
       coalesce(here.position - s.restart_lsn, 0)::bigint,
       CASE WHEN pg_is_in_recovery() AND pg_last_wal_receive_lsn() > pg_last_wal_replay_lsn()
            THEN coalesce(pg_last_xact_replay_timestamp(), now()) ELSE now() END
FROM (SELECT CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn()
                  ELSE pg_current_wal_flush_lsn() END AS position) AS here
    LEFT JOIN pg_replication_slots s ON s.slot_name = %s
"""
LIMIT = "SELECT setting::bigint FROM pg_settings WHERE name = 'max_slot_wal_keep_size'"
# Of the log; a server may be built with others.
PAGE_BYTES = 8192
LEVEL = "SELECT setting FROM pg_settings WHERE name = 'wal_level'"


@dataclass(frozen=True, slots=True)
class Slot:
    """The slot at a glance. `flushed` is how far the server's own log reaches, in bytes."""

    name: str
    flushed: int
    is_follower: bool
    is_there: bool
    is_lost: bool
    # The server's process that reads it at this moment.
    reader_pid: int | None
    confirmed: int
    retained_bytes: int
    as_of: datetime


def read_slot(connection: psycopg.Connection[Any], name: str) -> Slot:
    """How the slot called `name` is."""
    row = connection.execute(SLOT, [name]).fetchall()[0]
    flushed, is_follower, is_there, wal_status, reader_pid, confirmed, retained, as_of = row
    return Slot(
        name,
        number(flushed),
        is_follower,
        is_there,
        wal_status == "lost",
        reader_pid,
        number(confirmed or "0/0"),
        retained,
        as_of.astimezone(UTC),
    )


def write_out(connection: psycopg.Connection[Any], now: Slot) -> None:
    """Have the log written to the end of a record, if it ends within one.

    That happens at the end of a page while a transaction is open that wrote over it. Who reads
    the log waits for the rest, on a quiet server many seconds; a transaction number that is taken
    has it written at once.
    """
    if now.flushed % PAGE_BYTES == 0 and not now.is_follower:
        connection.execute("SELECT pg_current_xact_id()")


def read_server(connection: psycopg.Connection[Any]) -> str:
    """The server's history, as an `Instant` names it."""
    return str(connection.execute(SERVER).fetchall()[0][0])


def check_server(
    connection: psycopg.Connection[Any], *, accept_unlimited: bool, is_follower: bool
) -> None:
    """Raise `SourceRefused` when a slot should not be made on this server."""
    (level,) = connection.execute(LEVEL).fetchall()[0]
    if level != "logical":
        raise SourceRefused(
            f"The source writes no log that changes can be read from (wal_level = {level}).",
            hint="Set wal_level = logical and restart it, or choose another mode.",
        )
    if is_follower and connection.info.server_version < DECODES_ON_FOLLOWER:
        raise SourceRefused(
            "Changes are read from a follower from PostgreSQL 16 on.",
            hint="Give this source the leader's url, or choose another mode.",
        )
    (limit,) = connection.execute(LIMIT).fetchall()[0]
    if limit == -1 and not accept_unlimited:
        raise SourceRefused(
            "The source sets no limit to what a slot makes it keep: were Turnout away for long, "
            "its disk would fill.",
            hint="Set max_slot_wal_keep_size, such as 20GB, and reload it; or say "
            "accept_unlimited_slot = true.",
        )


def check_log(slot: Slot, after: int, our_pid: int | None) -> None:
    """Raise `LogLost` when changes after `after` are not all kept.

    Raises `SourceRefused` when somebody reads them whose process is not `our_pid`.
    """
    if not slot.is_there:
        raise LogLost(f"The replication slot {slot.name} is gone.")
    if slot.is_lost:
        raise LogLost(
            f"The source has thrown away changes that the slot {slot.name} had still to give: "
            "they were more than max_slot_wal_keep_size."
        )
    if slot.confirmed > after:
        raise LogLost(f"The slot {slot.name} has given changes that never arrived here.")
    if slot.flushed < after:
        raise LogLost("The source has gone back to what it was before.")
    if slot.reader_pid not in (None, our_pid):
        raise in_use(slot.name)


def somebody_elses(name: str) -> SourceRefused:
    """What to say when there is a slot of our name that we know nothing of."""
    return SourceRefused(
        f"The source has a replication slot {name} already.",
        hint="Another Turnout may live on it: then give this one its own `slot`. If it is left "
        f"over: SELECT pg_drop_replication_slot('{name}');",
    )


def in_use(name: str) -> SourceRefused:
    """What to say when another reads the slot at this moment."""
    return SourceRefused(
        f"The replication slot {name} is in use by another reader.",
        hint="Two copiers cannot share one: stop the other, or give this one its own `slot`.",
    )


def waits() -> SourceUnavailable:
    """What to say when a slot could not be made in time."""
    return SourceUnavailable(
        "The source has not begun to keep its log for us: it first waits for every transaction "
        "that is open.",
        hint="End those that are open for long. On a follower, run SELECT "
        "pg_log_standby_snapshot(); on its leader.",
    )


def meaning(error: psycopg.Error, name: str) -> TurnoutError | None:
    """What an error says of the slot, its publication or its functions; None if nothing."""
    code = error.sqlstate or ""
    if code == IN_USE:
        return in_use(name)
    if code in (LOST, MISSING):
        return LogLost(f"The source cannot give the changes of the slot {name} (code {code}).")
    if code in NO_FUNCTION:
        return SourceRefused(
            f"The role of this source may not read its changes by the functions of {name}.",
            hint="`turnout source check` prints the statements that make them.",
        )
    return None


def number(position: str) -> int:
    """A log position in bytes, out of `16/B374D848`."""
    high, _, low = position.partition("/")
    return (int(high, 16) << 32) + int(low, 16)


def text(position: int) -> str:
    """A log position in sixteen digits, so that text compares as positions do."""
    return f"{position >> 32:08X}/{position & 0xFFFFFFFF:08X}"
