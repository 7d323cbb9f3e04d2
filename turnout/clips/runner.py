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
from collections import deque
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeAlias

from turnout import config
from turnout.clips.exchange import NeverBegan, Ran, converse
from turnout.clips.follower import Snapshot
from turnout.clips.worker import Job
from turnout.errors import Busy, QueryFailed, QueryTimedOut

__all__ = ["Ran", "Runner"]

Child: TypeAlias = "subprocess.Popen[bytes]"

KILL_AFTER_S = 1.0
THREADS = 2
ATTEMPTS = 3
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
        self._warm: deque[Child] = deque()
        self._children: set[Child] = set()
        self._refills: set[asyncio.Task[None]] = set()
        self._is_closed = False

    async def start(self) -> None:
        """Start the warm workers. They are ready a moment later; a query may come before."""
        self._room.mkdir(parents=True, exist_ok=True)
        # Workers die with the thread that started them, so one thread starts them all and stays.
        self._starter = ThreadPoolExecutor(1, "clip-starter")
        self._talkers = ThreadPoolExecutor(self._settings.workers, "clip-talker")
        for _ in range(self._settings.workers):
            self._warm.append(await self._spawn())

    async def close(self) -> None:
        """Kill every worker, running ones too."""
        self._is_closed = True
        for task in self._refills:
            task.cancel()
        await asyncio.gather(*self._refills, return_exceptions=True)
        for child in self._children:
            child.kill()
        await asyncio.to_thread(_bury, set(self._children))
        self._talkers.shutdown(wait=False, cancel_futures=True)
        self._starter.shutdown(wait=False, cancel_futures=True)

    async def run(
        self, sql: str, snapshot: Snapshot, into: Path, *, timeout_s: float | None = None
    ) -> Ran:
        """Run `sql` on `snapshot` and write its answer to `into` as an Arrow file.

        `timeout_s` counts from the moment a worker takes it. Raises `QueryRefused`,
        `QueryFailed`, `QueryTimedOut`, `QueryTooLarge`, or `Busy` when too many wait.
        """
        async with self._slot():
            job = self._job(sql, snapshot, timeout_s or self._settings.timeout_s)
            for _ in range(ATTEMPTS):
                child = await self._take()
                with contextlib.suppress(NeverBegan):
                    return await self._converse(child, job, into)
        raise QueryFailed("No process could be started for this query.", hint="Run it again.")

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
        try:
            yield
        finally:
            self._slots.release()

    def _job(self, sql: str, snapshot: Snapshot, timeout_s: float) -> Job:
        return Job(
            sql=sql,
            path=str(snapshot.path.absolute()),
            memory_bytes_max=self._settings.memory_bytes_max,
            threads=THREADS,
            timeout_s=timeout_s,
            rows_max=self._settings.rows_max,
        )

    async def _take(self) -> Child:
        """A living worker; another is started in its place."""
        child = None
        while self._warm and child is None:
            child = self._warm.popleft()
            if child.poll() is not None:
                self._children.discard(child)
                child = None
        self._refill()
        return child or await self._spawn()

    def _refill(self) -> None:
        missing = self._settings.workers - len(self._warm) - len(self._refills)
        for _ in range(missing if not self._is_closed else 0):
            task = asyncio.create_task(self._add_warm())
            self._refills.add(task)
            task.add_done_callback(self._refills.discard)

    async def _add_warm(self) -> None:
        self._warm.append(await self._spawn())

    async def _spawn(self) -> Child:
        child = await asyncio.get_running_loop().run_in_executor(
            self._starter, _start_worker, self._room
        )
        self._children.add(child)
        if self._is_closed:
            child.kill()
        return child

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


def _start_worker(room: Path) -> Child:
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
    """Wait for killed processes, so that none stays behind, and close their pipes."""
    for child in children:
        child.wait()
        for pipe in (child.stdin, child.stdout, child.stderr):
            if pipe:
                with contextlib.suppress(OSError):
                    pipe.close()


def _timed_out(timeout_s: float) -> QueryTimedOut:
    return QueryTimedOut(
        f"The query ran longer than the {timeout_s:g} s allowed and was stopped.",
        hint="Read fewer days or columns, or count before joining.",
    )
