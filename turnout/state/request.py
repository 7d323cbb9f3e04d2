"""What is asked of the running app from outside its process, and how far it has come.

A request has a job's name and parameters. Whoever asks reads on as it goes, and may ask for a
stop. When it has ended its parameters are gone: they may name a person who is to be forgotten.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa

from turnout.state.database import State
from turnout.state.table import job_request


@dataclass(frozen=True, slots=True)
class Request:
    """Something the app is to do."""

    number: int
    job: str
    parameters: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a request ended: a sentence, and what else there is to show."""

    failed: bool
    sentence: str
    result: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Standing:
    """How far a request is. `total` is 0 while nobody knows; `outcome` is None until the end."""

    doing: str
    done: int
    total: int
    outcome: Outcome | None


class Requests:
    """The requests of an installation."""

    def __init__(self, state: State) -> None:
        self._state = state

    def ask(self, job: str, parameters: Mapping[str, Any] | None = None) -> int:
        """Ask the running app for `job`; the number to follow it by."""
        row = {
            "job": job,
            "parameters": json.dumps(dict(parameters or {})),
            "requested_at": datetime.now(UTC),
        }
        with self._state.begin() as connection:
            answer = connection.execute(
                sa.insert(job_request).values(row).returning(job_request.c.id)
            )
            return int(answer.scalar_one())

    def standing(self, number: int) -> Standing:
        """How far the request is."""
        with self._state.connect() as connection:
            row = connection.execute(sa.select(job_request).where(job_request.c.id == number)).one()
        outcome = None
        if row.finished_at:
            outcome = Outcome(bool(row.failed), str(row.outcome), json.loads(row.result or "{}"))
        return Standing(row.doing or "", row.done or 0, row.total or 0, outcome)

    def stop(self, number: int) -> None:
        """Ask for an end at the next place where nothing is left half done."""
        self._update(number, {"stop_asked_at": datetime.now(UTC)})

    def waiting(self) -> list[Request]:
        """What has not ended yet, oldest first: also what an app that died had begun."""
        with self._state.connect() as connection:
            rows = connection.execute(
                sa.select(job_request)
                .where(job_request.c.finished_at.is_(None))
                .order_by(job_request.c.id)
            ).all()
        return [Request(row.id, row.job, json.loads(row.parameters or "{}")) for row in rows]

    def note(self, number: int, doing: str, done: int, total: int) -> bool:
        """Say how far it is; whether it was asked to stop."""
        self._update(number, {"doing": doing, "done": done, "total": total})
        with self._state.connect() as connection:
            asked = sa.select(job_request.c.stop_asked_at).where(job_request.c.id == number)
            return connection.execute(asked).scalar_one() is not None

    def finish(self, number: int, outcome: Outcome) -> None:
        """Write how it ended, and forget what it was asked with."""
        self._update(
            number,
            {
                "finished_at": datetime.now(UTC),
                "failed": outcome.failed,
                "outcome": outcome.sentence,
                "result": json.dumps(dict(outcome.result), default=str),
                "parameters": None,
            },
        )
        self._wipe()

    def _update(self, number: int, values: Mapping[str, Any]) -> None:
        with self._state.begin() as connection:
            connection.execute(
                sa.update(job_request).where(job_request.c.id == number).values(values)
            )

    def _wipe(self) -> None:
        """SQLite's log still holds what was overwritten; bring it into the file and empty it."""
        if self._state.dialect.name == "sqlite":
            with self._state.connect() as connection:
                connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
