"""The supervisor: prepares the home folder, keeps the processes running, ends them cleanly.

It starts one child per name in `CHILDREN` (`--only collector` starts just that one) and starts a
child that dies again. It does no other work, so nothing in it can fail because of an event, a
query or a page.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import sys
import time
from collections.abc import Awaitable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

import structlog

from turnout import meters
from turnout.access.people import People
from turnout.access.secret import secret_key
from turnout.config import Collector, Config, Web
from turnout.errors import PortInUse
from turnout.home import make_folders, supervisor_lock
from turnout.state import migrate, open_state

CHILDREN = ("collector", "app")
# From SIGTERM to the end of everything; what still runs half a second before that is killed.
STOP_WITHIN_S = 5.0
# A child is started again after this pause, doubled each time it dies young.
RESTART_PAUSE_S = 0.1
RESTART_PAUSE_MAX_S = 5.0
YOUNG_S = 30.0

log = structlog.get_logger()


@contextlib.contextmanager
def prepared_home(config: Config, children: Sequence[str] = CHILDREN) -> Iterator[None]:
    """Folders, state and secret made ready, ports found free, the home held.

    Raises a `ConfigError` (one clear sentence) when the home or a port cannot be used.
    """
    make_folders(config)
    with supervisor_lock(config, children), contextlib.ExitStack() as held:
        if "collector" in children:
            held.enter_context(_held_port("collector", config.collector))
        if "app" in children:
            held.enter_context(_held_port("web", config.web))
        prepare_state(config)
        meters.clear(config.meters_folder)
        yield


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


def supervise(config: Config, children: Sequence[str] = CHILDREN) -> None:
    """Keep `children` running until SIGTERM or SIGINT; call within `prepared_home`."""
    asyncio.run(_supervise(config.home, children))


@contextlib.contextmanager
def _held_port(section: str, place: Web | Collector) -> Iterator[None]:
    """Refuse a port that is taken, and keep it from every other Turnout on this machine."""
    with socket.socket(socket.AF_UNIX) as claim:
        try:
            # The children listen with SO_REUSEPORT, so the system would let two installations
            # share a port. Where names without a file exist, one of them stands for the port.
            if sys.platform == "linux":
                claim.bind(f"\0turnout-port-{place.port}")
            _refuse_busy(place.host, place.port)
        except OSError as error:
            raise PortInUse(
                f"{place.host}:{place.port} cannot be listened on: "
                f"{os.strerror(error.errno or 0)}.",
                hint=f"Choose another port: set {section}.port in turnout.toml.",
            ) from None
        yield


def _refuse_busy(host: str, port: int) -> None:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind((host, port))


async def _supervise(home: Path, children: Sequence[str]) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    await asyncio.gather(*(_keep_running(child, home, stop) for child in children))


async def _keep_running(child: str, home: Path, stop: asyncio.Event) -> None:
    """Start `child` again whenever it ends, until `stop` is set; then end it."""
    pause_s = RESTART_PAUSE_S
    while not stop.is_set():
        started = time.monotonic()
        process = await _start(child, home)
        await _first_of(process.wait(), stop.wait())
        if stop.is_set():
            await _end(child, process)
            return
        if time.monotonic() - started > YOUNG_S:
            pause_s = RESTART_PAUSE_S
        log.error("child died", child=child, exit_code=process.returncode, restart_in_s=pause_s)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), pause_s)
        pause_s = min(pause_s * 2, RESTART_PAUSE_MAX_S)


async def _start(child: str, home: Path) -> asyncio.subprocess.Process:
    # A session of its own: Ctrl-C in the terminal reaches only the supervisor, which then
    # ends its children in order.
    return await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "turnout.app",
        child,
        str(home),
        str(os.getpid()),
        stdin=asyncio.subprocess.DEVNULL,
        start_new_session=True,
    )


async def _first_of(*waits: Awaitable[object]) -> None:
    tasks = [asyncio.ensure_future(wait) for wait in waits]
    await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    for task in tasks:
        task.cancel()


async def _end(child: str, process: asyncio.subprocess.Process) -> None:
    with contextlib.suppress(ProcessLookupError):
        process.terminate()
    try:
        await asyncio.wait_for(process.wait(), STOP_WITHIN_S - 0.5)
    except TimeoutError:
        log.error("child did not stop in time and was killed", child=child)
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()
