"""The supervisor: prepares the home folder, keeps the processes running, ends them cleanly.

It holds the listening sockets and starts the children behind them (`--only collector` starts just
those). A child that dies is started again; SIGHUP replaces all of them while requests go on, and
SIGUSR1 the app alone, which reads its settings anew. It does no other work, so nothing in it can
fail because of an event, a query or a page.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import sys
import time
from collections.abc import Awaitable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeAlias

import structlog

from turnout import meters
from turnout.access.people import People
from turnout.access.secret import secret_key
from turnout.config import Config, load_config
from turnout.home import make_folders, supervisor_lock
from turnout.listening import listen
from turnout.state import migrate, open_state

CHILDREN = ("collector", "app")
# From SIGTERM to the end of everything; what still runs half a second before that is killed.
STOP_WITHIN_S = 5.0
# A child is started again after this pause, doubled each time it dies young.
RESTART_PAUSE_S = 0.1
RESTART_PAUSE_MAX_S = 5.0
YOUNG_S = 30.0
# A new collector that is not ready by then is given up, and the old one stays.
READY_WITHIN_S = 20.0
# A collector that hands over waits this long for clients that keep their connections.
HAND_OVER_WITHIN_S = 15.0

Process: TypeAlias = asyncio.subprocess.Process

log = structlog.get_logger()


@contextlib.contextmanager
def prepared_home(
    config: Config, children: Sequence[str] = CHILDREN
) -> Iterator[dict[str, socket.socket]]:
    """Folders, state and secret made ready, the home held, each child's port listened on.

    Raises a `ConfigError` (one clear sentence) when the home or a port cannot be used.
    """
    make_folders(config)
    with supervisor_lock(config, children), contextlib.ExitStack() as held:
        listeners = {}
        if "collector" in children:
            place = config.collector
            listeners["collector"] = held.enter_context(
                listen(place.host, place.port, setting="collector.port")
            )
        if "app" in children:
            listeners["app"] = held.enter_context(
                listen(config.web.host, config.web.port, setting="web.port")
            )
        prepare_state(config)
        meters.clear(config.meters_folder)
        yield listeners


def prepare_state(config: Config) -> None:
    """The state database at its newest shape, and the secret key; harmless to repeat."""
    make_folders(config)
    state = open_state(config.state_url)
    migrate(state)
    state.dispose()
    secret_key(config.data_folder)


def owner_link(config: Config) -> str | None:
    """A one-time link that makes the owner account, or None when there is an owner already."""
    state = open_state(config.state_url)
    try:
        people = People(state)
        if people.owner():
            return None
        return f"{config.web.url}/welcome/{people.invite(None, now=datetime.now(UTC))}"
    finally:
        state.dispose()


def supervise(config: Config, listeners: Mapping[str, socket.socket]) -> None:
    """Keep a child on each of `listeners` until SIGTERM or SIGINT; call within `prepared_home`."""
    asyncio.run(_supervise(config, listeners))


async def _supervise(config: Config, listeners: Mapping[str, socket.socket]) -> None:
    stop = asyncio.Event()
    posts = [
        Post(child, config.home, listener.fileno())
        for child, listener in listeners.items()
        for _ in range(config.collector.processes if child == "collector" else 1)
    ]
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    # To a process in a terminal it says that the terminal was closed.
    renewal = asyncio.Event()
    loop.add_signal_handler(signal.SIGHUP, (stop if sys.stdin.isatty() else renewal).set)
    renewing = asyncio.create_task(_renew(config.home, posts, renewal))
    loop.add_signal_handler(signal.SIGUSR1, _renew_app, posts)
    await asyncio.gather(*(post.keep(stop) for post in posts))
    renewing.cancel()


async def _renew(home: Path, posts: Sequence[Post], asked: asyncio.Event) -> None:
    """At each `asked`, put new processes in the place of the old ones."""
    while True:
        await asked.wait()
        asked.clear()
        # The version on the disk may be newer than this process, and its state have a new shape.
        preparing = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "turnout.serve", str(home), stdin=asyncio.subprocess.DEVNULL
        )
        if await preparing.wait() != 0:
            log.error("the state cannot be made ready; nothing is replaced")
            continue
        for post in posts:
            post.renew()


def _renew_app(posts: Sequence[Post]) -> None:
    """Its settings have changed; the collector has no part in those that may while it runs."""
    for post in posts:
        if post.child == "app":
            post.renew()


class Post:
    """A place for one child: who dies there is started again, who is to be renewed is relieved."""

    def __init__(self, child: str, home: Path, listener: int) -> None:
        self.child = child
        self._home = home
        self._listener = listener
        self._renewal = asyncio.Event()
        self._leaving: dict[Process, asyncio.Task[None]] = {}
        self._pause_s = RESTART_PAUSE_S

    def renew(self) -> None:
        """Put a new process in the place of the one that runs."""
        self._renewal.set()

    async def keep(self, stop: asyncio.Event) -> None:
        """See to it that a process runs until `stop` is set; then end it."""
        process = await self._start()
        began_s = time.monotonic()
        while not stop.is_set():
            await _first_of(process.wait(), stop.wait(), self._renewal.wait())
            if stop.is_set():
                break
            if process.returncode is not None:
                await self._pause(process, time.monotonic() - began_s, stop)
                process = await self._start()
            else:
                self._renewal.clear()
                process = await self._relieved(process)
            began_s = time.monotonic()
        await asyncio.gather(*(self._end(each) for each in (process, *self._leaving)))

    async def _start(self) -> Process:
        # A session of its own: Ctrl-C in the terminal reaches only the supervisor, which then
        # ends its children in order.
        return await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "turnout.app",
            self.child,
            str(self._home),
            str(os.getpid()),
            str(self._listener),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            pass_fds=(self._listener,),
            start_new_session=True,
        )

    async def _pause(self, process: Process, lived_s: float, stop: asyncio.Event) -> None:
        """Between a death and the next start, longer each time."""
        if lived_s > YOUNG_S:
            self._pause_s = RESTART_PAUSE_S
        log.error(
            "child died",
            child=self.child,
            exit_code=process.returncode,
            restart_in_s=self._pause_s,
        )
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), self._pause_s)
        self._pause_s = min(self._pause_s * 2, RESTART_PAUSE_MAX_S)

    async def _relieved(self, old: Process) -> Process:
        """The process that took the place of `old`, which hands over; `old` if there is none."""
        if self.child == "app":
            # There may be one writer only. Whoever asks meanwhile waits in the socket's queue.
            await self._end(old)
            return await self._start()
        new = await self._start()
        if not await _is_ready(new):
            log.error("the new process is not ready, the old one stays", child=self.child)
            await self._end(new)
            return old
        leaving = asyncio.create_task(self._end(old, signal.SIGHUP, HAND_OVER_WITHIN_S))
        self._leaving[old] = leaving
        leaving.add_done_callback(lambda _: self._leaving.pop(old))
        log.info("replaced", child=self.child)
        return new

    async def _end(
        self,
        process: Process,
        number: signal.Signals = signal.SIGTERM,
        within_s: float = STOP_WITHIN_S - 0.5,
    ) -> None:
        with contextlib.suppress(ProcessLookupError):
            process.send_signal(number)
        try:
            await asyncio.wait_for(process.wait(), within_s)
        except TimeoutError:
            log.error("child did not stop in time and was killed", child=self.child)
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()


async def _is_ready(process: Process) -> bool:
    """Whether a child says in time that it takes requests; it says so in one line."""
    said = process.stdout
    try:
        return said is not None and bool(await asyncio.wait_for(said.readline(), READY_WITHIN_S))
    except TimeoutError:
        return False


async def _first_of(*waits: Awaitable[object]) -> None:
    tasks = [asyncio.ensure_future(wait) for wait in waits]
    await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    for task in tasks:
        task.cancel()


if __name__ == "__main__":
    # How a supervisor of an older version has the state brought to the shape of this one.
    prepare_state(load_config(Path(sys.argv[1])))
