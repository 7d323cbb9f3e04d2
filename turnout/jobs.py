"""What runs when: one list of jobs, and the loop that runs each at its pace.

A job is an ordinary function that blocks in a thread. One that fails is logged, waits, and runs
again: nothing here ends because of one bad run.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import sqlalchemy as sa
import structlog

from turnout import sync
from turnout.clips.follower import Follower
from turnout.config import Config, Source
from turnout.errors import SourceUnavailable, TurnoutError, WarehouseUnavailable
from turnout.events import journal
from turnout.events.load import Loader
from turnout.state import State
from turnout.state.table import job_request
from turnout.warehouse import Warehouse

# A source that cannot be reached is tried again after this pause, doubled up to its own pace.
SOURCE_RETRY_S = 2.0
PUBLISH_EVERY_S = 0.25
REQUESTS_EVERY_S = 0.5
RETIRE_EVERY_S = 3600.0

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Job:
    """Something to do again and again; `work` may return its own pause in seconds."""

    name: str
    every_s: float
    work: Callable[[], float | None]


async def run_jobs(jobs: Sequence[Job]) -> None:
    """Run every job at its pace until cancelled; a run that has begun is finished first."""
    await asyncio.gather(*(_repeat(job) for job in jobs))


def jobs_of(
    config: Config, state: State, warehouse: Warehouse, loader: Loader, follower: Follower
) -> list[Job]:
    """All of the app's jobs."""
    copies = {
        name: SourceCopy(name, source, warehouse, follower)
        for name, source in config.sources.items()
    }
    return [
        Job("load", config.warehouse.load_every_s, lambda: _load(loader, follower)),
        Job("publish", PUBLISH_EVERY_S, lambda: _publish(follower)),
        Job("requests", REQUESTS_EVERY_S, lambda: _answer_requests(state, copies, follower)),
        Job("retire", RETIRE_EVERY_S, lambda: _retire(config, loader)),
        *(Job(f"sync {name}", copy.source.every_s, copy.run) for name, copy in copies.items()),
    ]


class SourceCopy:
    """The copying of one source, with a pause that grows while the source is away."""

    def __init__(self, name: str, source: Source, warehouse: Warehouse, follower: Follower) -> None:
        self.name = name
        self.source = source
        self._warehouse = warehouse
        self._follower = follower
        self._retry_s = SOURCE_RETRY_S

    def run(self) -> float | None:
        """Copy once; the pause until the next try when the source is away."""
        try:
            self.copy()
        except SourceUnavailable as error:
            log.warning("source away", source=self.name, problem=error.message)
            pause_s = min(self._retry_s, self.source.every_s)
            self._retry_s *= 2
            return pause_s
        self._retry_s = SOURCE_RETRY_S
        return None

    def copy(self) -> sync.Run:
        """Copy once and note how old the copied data is."""
        run = sync.copy(self.name, self.source, self._warehouse)
        self._follower.note(self.source.schema, run.as_of)
        log.info("copied", source=self.name, rows=sum(table.rows for table in run.tables))
        return run


def request(state: State, job: str) -> int:
    """Ask the running app for `job`; the number to look its outcome up by."""
    with state.begin() as connection:
        row = connection.execute(
            sa.insert(job_request)
            .values(job=job, requested_at=datetime.now(UTC))
            .returning(job_request.c.id)
        )
        return int(row.scalar_one())


def outcome(state: State, number: int) -> tuple[bool, str] | None:
    """(failed, sentence) of a finished request; None while it waits or runs."""
    with state.connect() as connection:
        row = connection.execute(sa.select(job_request).where(job_request.c.id == number)).one()
    return (bool(row.failed), str(row.outcome)) if row.finished_at else None


async def _repeat(job: Job) -> None:
    while True:
        pause_s = await _finish(job)
        await asyncio.sleep(job.every_s if pause_s is None else pause_s)


async def _finish(job: Job) -> float | None:
    """Run once to the end, also when cancelled meanwhile: the thread cannot be stopped anyway."""
    running = asyncio.create_task(asyncio.to_thread(_run, job))
    try:
        return await asyncio.shield(running)
    except asyncio.CancelledError:
        await running
        raise


def _run(job: Job) -> float | None:
    try:
        return job.work()
    except WarehouseUnavailable as error:
        log.info("job waits", job=job.name, problem=str(error))
    except TurnoutError as error:
        log.error("job failed", job=job.name, problem=str(error))
    except Exception:
        log.exception("job failed", job=job.name)
    return None


def _load(loader: Loader, follower: Follower) -> None:
    """Load until nothing is left; only then is the warehouse as new as the journal."""
    while True:
        began = datetime.now(UTC)
        unit = loader.load()
        if unit is None:
            follower.note("analytics", began)
            return
        log.info(
            "loaded", received=unit.received, stored=unit.stored, duplicates=unit.duplicates,
            rejected=unit.rejected, duration_s=round(unit.duration_s, 3),
        )  # fmt: skip


def _publish(follower: Follower) -> None:
    follower.publish_if_due(now=datetime.now(UTC))


def _retire(config: Config, loader: Loader) -> None:
    before = datetime.now(UTC) - timedelta(days=config.journal.keep_days)
    journal.retire(config.journal_folder, loader.positions, before=before)


def _answer_requests(state: State, copies: dict[str, SourceCopy], follower: Follower) -> None:
    with state.connect() as connection:
        waiting = connection.execute(
            sa.select(job_request).where(job_request.c.finished_at.is_(None))
        ).all()
    for row in waiting:
        failed, sentence = _answer(row.job, copies, follower)
        with state.begin() as connection:
            connection.execute(
                sa.update(job_request)
                .where(job_request.c.id == row.id)
                .values(finished_at=datetime.now(UTC), failed=failed, outcome=sentence)
            )


def _answer(job: str, copies: dict[str, SourceCopy], follower: Follower) -> tuple[bool, str]:
    """(failed, sentence) of doing `job`, which is spelled 'sync <source>'."""
    _, _, name = job.partition(" ")
    if name not in copies:
        return True, f"There is no source '{name}' in turnout.toml."
    try:
        run = copies[name].copy()
        follower.publish(now=datetime.now(UTC))
    except TurnoutError as error:
        return True, str(error)
    return False, run.sentence
