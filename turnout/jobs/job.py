"""A job, and the loop that runs each at its pace.

A job is an ordinary function that blocks in a thread. One that fails is logged, waits, and runs
again: nothing here ends because of one bad run.
"""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Callable, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass

import structlog

from turnout.errors import TurnoutError, WarehouseUnavailable

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Job:
    """Something to do again and again; `work` may return its own pause in seconds."""

    name: str
    every_s: float
    work: Callable[[], float | None]


async def run_jobs(jobs: Sequence[Job]) -> None:
    """Run every job at its pace until cancelled; a run that has begun is finished first."""
    # Threads of their own, one for each: in the loop's few, which pages use as well, some copies
    # that take long would keep all else waiting.
    with ThreadPoolExecutor(max(1, len(jobs)), "job") as threads:
        # Not `gather`: cancelled, it returns with the first job that ends, while others still run.
        async with asyncio.TaskGroup() as group:
            for job in jobs:
                group.create_task(_repeat(job, threads))


async def _repeat(job: Job, threads: Executor) -> None:
    while True:
        pause_s = await _finish(job, threads)
        await asyncio.sleep(job.every_s if pause_s is None else pause_s)


async def _finish(job: Job, threads: Executor) -> float | None:
    """Run once to the end, also when cancelled meanwhile: the thread cannot be stopped anyway."""
    context = contextvars.copy_context()
    loop = asyncio.get_running_loop()
    running = loop.run_in_executor(threads, context.run, _run, job)
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
