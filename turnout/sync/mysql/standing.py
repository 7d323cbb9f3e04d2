"""Which of a source's servers is read: a follower that is near enough to its leader."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import pymysql

from turnout import config
from turnout.errors import SourceRefused, SourceUnavailable, TurnoutError
from turnout.sync.mysql.address import Address, understood
from turnout.sync.mysql.connection import Session, opened
from turnout.sync.mysql.errors import NO_RIGHT, explained, number_of
from turnout.sync.mysql.position import read_place
from turnout.sync.source import Instant

NO_SUCH_STATEMENT = 1064


@dataclass(frozen=True, slots=True)
class Standing:
    """A server among its leader and followers.

    `is_follower` is None where the user may not ask. `lag_s` is None on a leader, and where a
    follower's replay does not run. `leader` names the server it follows, as `Place.server` does.
    """

    is_follower: bool | None
    lag_s: float | None = None
    leader: str = ""
    is_read_only: bool = False


@dataclass(frozen=True, slots=True)
class Opened:
    """A server that is fit to be read, and the connection that reads it."""

    session: Session
    standing: Standing


@contextmanager
def server_of(source: config.Source, after: Instant | None = None) -> Iterator[Opened]:
    """The first fit follower; or a leader, if it is the only server or was accepted.

    Raises `SourceRefused` or `SourceUnavailable` with what is wrong with every one of them.
    """
    addresses = [understood(url) for url in config.followers_of(source)]
    errors: list[TurnoutError] = []
    for accepts_leader in (len(addresses) == 1, True):
        if accepts_leader and not source.accept_leader and len(addresses) > 1:
            break
        errors = []
        for address in addresses:
            with ExitStack() as stack:
                try:
                    found = stack.enter_context(_fit(address, source, after))
                    if found.standing.is_follower is False and not accepts_leader:
                        raise SourceUnavailable(f"{address.place} is a leader.")
                except TurnoutError as error:
                    errors.append(error)
                    continue
                yield found
                return
        if len(addresses) == 1:
            break
    raise _all_of(errors)


def read_standing(session: Session) -> Standing:
    """Leader or follower, and how far behind."""
    is_read_only = session.value("SELECT @@GLOBAL.read_only") in (1, "1")
    try:
        rows = _replication(session)
    except pymysql.Error as error:
        if number_of(error) in NO_RIGHT:
            return Standing(None, is_read_only=is_read_only)
        raise
    if not rows:
        return Standing(is_follower=False, is_read_only=is_read_only)
    lags = [_either(row, "seconds_behind_source", "seconds_behind_master") for row in rows]
    first = rows[0]
    leader = _either(first, "source_uuid", "master_uuid")
    if session.server.is_mariadb:
        leader = _either(first, "master_server_id")
    return Standing(
        is_follower=True,
        # The server's way to say that replay stands still.
        lag_s=None if None in lags else max(float(lag) for lag in lags if lag is not None),
        leader=str(leader or ""),
        is_read_only=is_read_only,
    )


def unfit(standing: Standing, address: Address, lag_s_max: float) -> SourceUnavailable | None:
    """Why a server is not to be read now, if so."""
    if standing.is_follower and standing.lag_s is None:
        return SourceUnavailable(
            f"{address.place} does not replay what its leader writes: its data does not get newer.",
            hint="See there: SHOW REPLICA STATUS.",
        )
    if standing.lag_s is not None and standing.lag_s > lag_s_max:
        return SourceUnavailable(
            f"{address.place} is {standing.lag_s:,.0f} s behind its leader, and lag_max_s allows "
            f"{lag_s_max:,.0f}."
        )
    return None


@contextmanager
def _fit(address: Address, source: config.Source, after: Instant | None) -> Iterator[Opened]:
    with opened(address, source) as session:
        with explained(address):
            standing = read_standing(session)
            place = read_place(session, standing.leader) if after else None
        problem = unfit(standing, address, source.lag_max_s)
        # A leader cannot be behind: that one was restored, and its history is another.
        is_behind = standing.is_follower and place is not None and place.is_before(after)
        if problem is None and is_behind:
            problem = SourceUnavailable(
                f"{address.place} has not yet replayed what the last copy has seen: "
                "copying from it would bring rows back to what they were."
            )
        if problem is not None:
            raise problem
        yield Opened(session, standing)


def _replication(session: Session) -> list[dict[str, Any]]:
    """What the server says of each leader it follows, by names in lower case."""
    statement = "SHOW ALL SLAVES STATUS" if session.server.is_mariadb else "SHOW REPLICA STATUS"
    try:
        return session.named(statement)
    except pymysql.Error as error:
        if number_of(error) != NO_SUCH_STATEMENT:
            raise
        return session.named("SHOW SLAVE STATUS")


def _either(row: dict[str, Any], *names: str) -> Any:
    return next((row[name] for name in names if name in row), None)


def _all_of(errors: list[TurnoutError]) -> TurnoutError:
    """One error for all. If any may pass by itself, trying again makes sense."""
    if len(errors) == 1:
        return errors[0]
    passing = any(isinstance(error, SourceUnavailable) for error in errors)
    family = SourceUnavailable if passing else SourceRefused
    leader = any("is a leader" in str(error) for error in errors)
    return family(
        "No server of this source can be read now. " + " ".join(str(error) for error in errors),
        hint="accept_leader = true would copy from a leader when no follower is fit."
        if leader
        else None,
    )
