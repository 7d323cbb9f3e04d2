"""Which of a source's servers is read: a follower that is near enough to its leader."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import psycopg

from turnout import config
from turnout.errors import SourceRefused, SourceUnavailable, TurnoutError
from turnout.sync.postgres.address import Address, addresses
from turnout.sync.postgres.connection import connect, limit_idle
from turnout.sync.postgres.errors import explained
from turnout.sync.postgres.instant import answer, read_instant
from turnout.sync.source import Instant

# A snapshot on a follower holds back no leader's cleaning, but no follower's replay for ever.
FOLLOWER_SNAPSHOT_S_MAX = 86_400.0

# A follower that has replayed all it received, and still receives, is as new as its clock, though
# its last transaction be old. Else it is behind by the age of the last one it replayed, or of its
# last restart point when there was none since it started.
STANDING = """
SELECT pg_is_in_recovery(), EXISTS (SELECT FROM pg_stat_wal_receiver),
       pg_is_in_recovery() AND pg_is_wal_replay_paused(),
       CASE WHEN NOT pg_is_in_recovery() OR EXISTS (SELECT FROM pg_stat_wal_receiver)
                AND pg_last_wal_receive_lsn() = pg_last_wal_replay_lsn() THEN 0
           ELSE extract(epoch FROM now() - coalesce(pg_last_xact_replay_timestamp(),
               (SELECT checkpoint_time FROM pg_control_checkpoint())))
       END::float8
"""
STANDING_UNSAID = "SELECT pg_is_in_recovery(), true, false, 0::float8"


@dataclass(frozen=True, slots=True)
class Standing:
    """A server among its leader and followers."""

    is_follower: bool
    receives: bool
    is_paused: bool
    lag_s: float


@dataclass(frozen=True, slots=True)
class Server:
    """A server that is fit to be read, and the connection that watches over the reading."""

    address: Address
    standing: Standing
    connection: psycopg.Connection[Any]


def open_server(source: config.Source, after: Instant | None = None) -> Server:
    """The first fit follower; or a leader, if it is the only server or was accepted.

    Raises `SourceRefused` or `SourceUnavailable` with what is wrong with every one of them.
    """
    candidates = addresses(source)
    leader: Server | None = None
    errors: list[TurnoutError] = []
    for address in candidates:
        try:
            server = _open(address, source, after)
        except TurnoutError as error:
            errors.append(error)
            continue
        if server.standing.is_follower or len(candidates) == 1:
            _close(leader)
            return server
        if leader is None and source.accept_leader:
            leader = server
            continue
        if not source.accept_leader:
            errors.append(SourceUnavailable(f"{address.place} is a leader."))
        _close(server)
    if leader is not None:
        return leader
    raise _all_of(errors)


def read_standing(connection: psycopg.Connection[Any]) -> Standing:
    """Leader or follower, and how far behind."""
    return Standing(*answer(connection, STANDING, STANDING_UNSAID))


def unfit(standing: Standing, address: Address, lag_s_max: float) -> SourceUnavailable | None:
    """Why a server is not to be read now, if so."""
    if standing.is_paused:
        return SourceUnavailable(
            f"{address.place} has paused replaying: its data does not get newer.",
            hint="Run there: SELECT pg_wal_replay_resume();",
        )
    if standing.lag_s > lag_s_max:
        return SourceUnavailable(
            f"{address.place} is {standing.lag_s:,.0f} s behind its leader, and lag_max_s allows "
            f"{lag_s_max:,.0f}.",
            hint=None if standing.receives else "It receives nothing from its leader.",
        )
    return None


def behind(connection: psycopg.Connection[Any], address: Address, after: Instant) -> bool:
    """Whether the server has not yet replayed what was there at the instant `after`."""
    with explained(address.url):
        now = read_instant(connection)
    if not now.position:
        return False  # it does not say
    return now.server == after.server and now.position < after.position


def _open(address: Address, source: config.Source, after: Instant | None) -> Server:
    with explained(address.url):
        connection = connect(
            address, statement_s_max=source.statement_s_max, idle_s_max=source.snapshot_s_max
        )
    try:
        return Server(address, _fit(connection, address, source, after), connection)
    except BaseException:
        connection.close()
        raise


def _fit(
    connection: psycopg.Connection[Any],
    address: Address,
    source: config.Source,
    after: Instant | None,
) -> Standing:
    """How the server stands. Raises `SourceUnavailable` when it is not to be read now."""
    with explained(address.url):
        standing = read_standing(connection)
        if standing.is_follower:
            limit_idle(connection, max(source.snapshot_s_max, FOLLOWER_SNAPSHOT_S_MAX))
    if problem := unfit(standing, address, source.lag_max_s):
        raise problem
    if after is not None and behind(connection, address, after):
        raise SourceUnavailable(
            f"{address.place} has not yet replayed what the last copy has seen: "
            "copying from it would bring rows back to what they were."
        )
    return standing


def _close(server: Server | None) -> None:
    if server is not None:
        server.connection.close()


def _all_of(errors: Sequence[TurnoutError]) -> TurnoutError:
    """One error for all. If any may pass by itself, trying again makes sense."""
    if len(errors) == 1:
        return errors[0]
    passing = any(isinstance(error, SourceUnavailable) for error in errors)
    family = SourceUnavailable if passing else SourceRefused
    return family(
        "No server of this source can be read now. " + " ".join(str(error) for error in errors),
        hint="accept_leader = true would copy from a leader when no follower is fit."
        if any("is a leader" in str(error) for error in errors)
        else None,
    )
