"""The queue, the pool and the clock: each query runs in a process of its own that is then gone.

Workers are started ahead of need, so that a query does not wait for an interpreter. The limits
hold from here: at its deadline a query is asked to stop, a second later its process is killed.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeAlias

import structlog

from turnout import config
from turnout.clips.exchange import NeverBegan, Ran, await_ready, converse, end
from turnout.clips.follower import Snapshot
from turnout.clips.parameters import Question
from turnout.clips.worker import Job
from turnout.errors import Busy, QueryFailed, QueryTimedOut

__all__ = ["Ran", "Runner"]

log = structlog.get_logger()

Child: TypeAlias = "subprocess.Popen[bytes]"

KILL_AFTER_S = 1.0
THREADS = 2
# A worker that is not ready by then never will be.
START_S_MAX = 30.0
CLOSE_POLL_S = 0.005
# The child sees our module path and nothing else of ours: -I ignores the environment and the
# current folder, -S leaves out site files, which would cost a third of the start.
BOOT = (
    "import sys, json; sys.path[:] = json.loads(sys.argv.pop(2)); "
    "from turnout.clips.worker import main; main()"
)
ENVIRONMENT = {
    # Allocators that neither reserve address space ahead nor start threads before Landlock.
    "ARROW_DEFAULT_MEMORY_POOL": "system",
    "JE_ARROW_MALLOC_CONF": "background_thread:false",
    "MALLOC_ARENA_MAX": "2",
    "OMP_NUM_THREADS": "1",
    "LC_ALL": "C.UTF-8",
}


class Runner:
    """Runs queries, `settings.workers` at a time."""

    def __init__(self, settings: config.Clips, folder: Path) -> None:
        """`folder` will hold the empty folder that workers live in."""
        self._settings = settings
        self._room = folder / "empty"
        self._slots = asyncio.Semaphore(settings.workers)
        self._waiting = 0
        self._running = 0
        # Started and not yet taken; None stands for a start that failed.
        self._warm: asyncio.Queue[Child | None] = asyncio.Queue()
        self._children: set[Child] = set()
        self._starting = 0
        self._starts: set[asyncio.Task[None]] = set()
        self._is_closed = False
        # Workers die with the thread that started them, so one thread starts them all and stays.
        self._starter = ThreadPoolExecutor(1, "clip-starter")
        self._talkers = ThreadPoolExecutor(settings.workers, "clip-talker")

    @property
    def running(self) -> int:
        """How many queries run now."""
        return self._running

    async def start(self) -> None:
        """Start the warm workers. They are ready a moment later; a query may come before."""
        self._room.mkdir(parents=True, exist_ok=True)
        self._refill()

    async def close(self) -> None:
        """Kill every worker, running ones too; their queries fail."""
        self._is_closed = True
        self._starter.shutdown(cancel_futures=False, wait=False)
        await asyncio.gather(*self._starts)
        for _ in range(self._running):
            self._warm.put_nowait(None)  # whoever waits for a worker waits no more
        while self._running:
            for child in self._children:
                child.kill()
            await asyncio.sleep(CLOSE_POLL_S)
        await asyncio.to_thread(_bury, set(self._children))
        self._talkers.shutdown(wait=False)

    async def run(
        self,
        question: Question | str,
        snapshot: Snapshot,
        into: Path,
        *,
        timeout_s: float | None = None,
    ) -> Ran:
        """Run `question` on `snapshot` and write its answer to `into` as an Arrow file.

        `timeout_s` counts from the moment a worker takes it. Raises `QueryRefused`,
        `QueryFailed`, `QueryTimedOut`, `QueryTooLarge`, or `Busy` when too many wait.
        """
        async with self._slot():
            asked = Question(question) if isinstance(question, str) else question
            job = self._job(asked, snapshot, timeout_s or self._settings.timeout_s)
            while True:
                child = await self._take()
                with contextlib.suppress(NeverBegan):
                    return await self._converse(child, job, into)

    @contextlib.asynccontextmanager
    async def _slot(self) -> AsyncIterator[None]:
        """One of the places to run in; waits for it while the queue is not full."""
        if self._slots.locked() and self._waiting >= self._settings.queue_max:
            raise Busy
        self._waiting += 1
        try:
            await self._slots.acquire()
        finally:
            self._waiting -= 1
        self._running += 1
        try:
            yield
        finally:
            self._running -= 1
            self._slots.release()

    def _job(self, question: Question, snapshot: Snapshot, timeout_s: float) -> Job:
        return Job(
            sql=question.sql,
            values=dict(question.values),
            path=str(snapshot.path.absolute()),
            memory_bytes_max=self._settings.memory_bytes_max,
            threads=THREADS,
            timeout_s=timeout_s,
            rows_max=self._settings.rows_max,
        )

    async def _take(self) -> Child:
        """A worker that is ready; another is started in its place."""
        while not self._is_closed:
            self._refill()
            child = await self._warm.get()
            self._refill()
            if child is None and not self._is_closed:
                raise QueryFailed("No process could be started for this query.")
            if child and await self._is_ready(child):
                return child
        raise Busy("Turnout is stopping.")

    async def _is_ready(self, child: Child) -> bool:
        """Wait until the worker is warm; whoever goes away meanwhile leaves none behind."""
        loop = asyncio.get_running_loop()
        too_late = loop.call_later(START_S_MAX, child.kill)
        answer = loop.run_in_executor(self._talkers, await_ready, child)
        is_ready = False
        try:
            is_ready = await asyncio.shield(answer)
        finally:
            too_late.cancel()
            if not is_ready:
                child.kill()
                await asyncio.wait([answer])
                await self._discard(child)
        return is_ready

    def _refill(self) -> None:
        missing = self._settings.workers - self._warm.qsize() - self._starting
        for _ in range(missing if not self._is_closed else 0):
            self._starting += 1
            task = asyncio.create_task(self._add_warm())
            self._starts.add(task)
            task.add_done_callback(self._starts.discard)

    async def _add_warm(self) -> None:
        loop = asyncio.get_running_loop()
        child = None
        try:
            child = await loop.run_in_executor(self._starter, self._start_worker)
        except OSError as error:
            log.warning("clip_worker_not_started", problem=error.strerror)
        self._starting -= 1
        self._warm.put_nowait(child)

    def _start_worker(self) -> Child:
        child = start_worker(self._room)
        self._children.add(child)
        return child

    async def _discard(self, child: Child) -> None:
        await asyncio.to_thread(end, child)
        self._children.discard(child)

    async def _converse(self, child: Child, job: Job, into: Path) -> Ran:
        """The conversation in its thread, under the clock."""
        clock = _Clock(child, job.timeout_s)
        bytes_max = self._settings.bytes_max
        talk = asyncio.get_running_loop().run_in_executor(
            self._talkers, converse, child, job, bytes_max, into
        )
        try:
            return await asyncio.shield(talk)
        except QueryFailed:
            if clock.has_run_out:
                raise _timed_out(job.timeout_s) from None
            raise
        finally:
            clock.stop()
            child.kill()  # also when whoever waited has gone away
            await asyncio.wait([talk])
            self._children.discard(child)


class _Clock:
    """Asks a worker to stop at its deadline, and kills it a moment later."""

    def __init__(self, child: Child, timeout_s: float) -> None:
        self.has_run_out = False
        self._child = child
        loop = asyncio.get_running_loop()
        self._timers = (
            loop.call_later(timeout_s, self._ask),
            loop.call_later(timeout_s + KILL_AFTER_S, child.kill),
        )

    def stop(self) -> None:
        for timer in self._timers:
            timer.cancel()

    def _ask(self) -> None:
        self.has_run_out = True
        if self._child.stdin:
            with contextlib.suppress(OSError):
                self._child.stdin.close()


def start_worker(room: Path) -> Child:
    """A new worker, warming up; it dies with the calling thread."""
    paths = json.dumps([str(Path(path).absolute()) for path in sys.path])
    return subprocess.Popen(  # noqa: S603 - our own interpreter and our own module
        [sys.executable, "-I", "-S", "-c", BOOT, str(os.getpid()), paths],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=room,
        env=ENVIRONMENT,
        start_new_session=True,
    )


def _bury(children: set[Child]) -> None:
    for child in children:
        end(child)


def _timed_out(timeout_s: float) -> QueryTimedOut:
    return QueryTimedOut(
        f"The query ran longer than the {timeout_s:g} s allowed and was stopped.",
        hint="Read fewer days or columns, or count before joining.",
    )
