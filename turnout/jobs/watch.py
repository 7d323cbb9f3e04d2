"""Watching the copies: how old they are, and what is told to whom when something is wrong."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

import structlog

from turnout import meters
from turnout.config import Config
from turnout.errors import TurnoutError
from turnout.jobs.alarm import FAILED, FINDINGS, LASTING, SLOT_LOST, STALE, Bell, Message, Trouble
from turnout.jobs.source import SourceCopy
from turnout.jobs.webhook import NotDelivered, send
from turnout.sync.state import TableState, read_position, read_states

# A webhook that takes nothing is tried again after this, doubled up to the second.
AGAIN_S, AGAIN_MAX_S = 15.0, 900.0

log = structlog.get_logger()


class Watch:
    """Looks at one source now and then. Any trouble of its own is logged and waits."""

    def __init__(self, config: Config, copy: SourceCopy) -> None:
        self._copy = copy
        self._warehouse = copy.warehouse
        self._bell = Bell(
            copy.name,
            copy.source.alarm,
            config.data_folder / "alarms" / f"{copy.name}.json",
            f"{config.web.url}/databases/{copy.name}",
        )
        self._began_at: datetime | None = None
        self._again_s = AGAIN_S
        self._not_before: datetime | None = None

    def look(self, now: datetime) -> None:
        """Measure, and tell what has to be told."""
        self._began_at = self._began_at or now
        states = read_states(self._warehouse, self._copy.name)
        as_of = self._as_of(states)
        if as_of is not None:
            meters.COPY_AGE_SECONDS.set(max(0.0, (now - as_of).total_seconds()), self._copy.name)
        if not self._copy.source.alarm.webhook or (self._not_before and now < self._not_before):
            return
        troubles = [*self._failed(states), *self._stale(as_of, now), *self._happened()]
        # What a process that has just begun has not tried yet, is not over.
        over = LASTING if self._copy.standing.copied_at else (STALE,) if as_of else ()
        for message in self._bell.due(troubles, now, over=over):
            if not self._sent(message, now):
                return

    def _as_of(self, states: Iterable[TableState]) -> datetime | None:
        """The age of the oldest copied table; one that is captured is as new as its log."""
        position = read_position(self._warehouse, self._copy.name)
        followed = position.as_of if position else None
        ages = [
            max(state.as_of, followed)
            if followed and state.mode == "log" and state.copied_whole_at
            else state.as_of
            for state in states
            if state.as_of
        ]
        return min(ages, default=None)

    def _failed(self, states: Iterable[TableState]) -> list[Trouble]:
        standing = self._copy.standing
        if standing.problem and standing.failed_at and standing.needs_somebody:
            return [Trouble(FAILED, f"{self._copy.name}: {standing.problem}", standing.failed_at)]
        wrong = [state for state in states if state.problem and state.problem_at]
        if not wrong:
            return []
        names = tuple(state.table for state in wrong)
        told = " ".join(f"{state.table}: {state.problem}" for state in wrong)
        since = min(state.problem_at for state in wrong if state.problem_at)
        return [Trouble(FAILED, f"{self._copy.name} is not copied whole. {told}", since, names)]

    def _stale(self, as_of: datetime | None, now: datetime) -> list[Trouble]:
        since = as_of or self._began_at or now
        age = now - since
        if age < timedelta(seconds=self._copy.source.alarm.stale_after_s):
            return []
        minutes = int(age.total_seconds() // 60)
        old = f"is {minutes:,} minutes old" if as_of else "has not come about yet"
        return [Trouble(STALE, f"The copy of {self._copy.name} {old}.", since)]

    def _happened(self) -> list[Trouble]:
        there = {table.name for table in self._warehouse.tables("_turnout")}
        lost = self._lost() if "sync_runs" in there else []
        return [*lost, *(self._found() if "sync_findings" in there else [])]

    def _lost(self) -> list[Trouble]:
        rows = self._rows(
            "SELECT finished_at, error FROM _turnout.sync_runs WHERE source = ? "
            "AND CAST(details AS VARCHAR) LIKE '%LogLost%' ORDER BY finished_at DESC LIMIT 1"
        )
        text = f"Changes of {self._copy.name} were lost: "
        return [Trouble(SLOT_LOST, text + row["error"], _utc(row["finished_at"])) for row in rows]

    def _found(self) -> list[Trouble]:
        rows = self._rows(
            "SELECT table_name, column_name, kind, share, first_found_at "
            "FROM _turnout.sync_findings WHERE source = ? ORDER BY first_found_at DESC"
        )
        if not rows:
            return []
        told = ", ".join(
            f"{row['table_name']}.{row['column_name']} ({row['kind']}, {row['share']:.0%})"
            for row in rows
        )
        return [
            Trouble(
                FINDINGS,
                f"Copied columns of {self._copy.name} look personal: {told}.",
                _utc(rows[0]["first_found_at"]),
                tuple(dict.fromkeys(row["table_name"] for row in rows)),
            )
        ]

    def _rows(self, sql: str) -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = self._warehouse.query(sql, [self._copy.name]).to_pylist()
        return rows

    def _sent(self, message: Message, now: datetime) -> bool:
        alarm = self._copy.source.alarm
        try:
            send(alarm.webhook, message.body(), secret=alarm.secret)
        except NotDelivered as error:
            log.warning("alarm not delivered", source=self._copy.name, problem=str(error))
            self._not_before = now + timedelta(seconds=self._again_s)
            self._again_s = min(self._again_s * 2, AGAIN_MAX_S)
            return False
        self._bell.told(message)
        self._again_s = AGAIN_S
        log.info("alarm sent", source=self._copy.name, kind=message.kind)
        return True


def watch_all(watches: Iterable[Watch], *, now: datetime) -> None:
    """Look at every source; one that cannot be looked at keeps none of the others waiting."""
    for watch in watches:
        try:
            watch.look(now)
        except TurnoutError as error:
            log.info("copy not watched", problem=str(error))


def _utc(moment: datetime) -> datetime:
    """The warehouse keeps UTC without saying so."""
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment
