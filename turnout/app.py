"""The only place that wires things: each process of `turnout serve` is put together here.

`python -m turnout.app collector|app <home> <supervisor's process id>` is how the supervisor
starts them. The collector's half imports no warehouse driver.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any, TypeVar

import structlog
import uvloop
from granian.constants import Interfaces
from granian.server.embed import Server

from turnout import logs, meters
from turnout.access.keys import WriteKeys
from turnout.config import Config, load_config
from turnout.errors import TurnoutError
from turnout.home import child_lock
from turnout.state import open_state

KEYS_RELOAD_S = 1.0
# How often a child looks whether its supervisor still lives.
ORPHAN_CHECK_S = 0.5
# Time for requests in flight to end after SIGTERM; less than the supervisor's patience.
DRAIN_S = 2.0

Answer = TypeVar("Answer")

log = structlog.get_logger()


def main() -> None:
    """Run one child process until it is asked to stop or its supervisor is gone."""
    child, home, supervisor = sys.argv[1:]
    logs.configure(child)
    run = {"collector": run_collector, "app": run_app}[child]
    try:
        config = load_config(Path(home))
        with child_lock(config, child):
            meters.share(config.meters_folder)
            uvloop.run(run(config, int(supervisor)))
            meters.write()
        # Everything is closed. What is left is the interpreter's own end, in which threads of
        # the HTTP server may still abort the process.
        os._exit(0)
    except TurnoutError as error:
        log.error("cannot run", problem=str(error))
        sys.exit(1)
    except Exception:
        log.exception("failed")
        sys.exit(1)


async def run_collector(config: Config, supervisor: int) -> None:
    """The door for events: collector and journal, and the keys it knows."""
    from turnout.events.collector import Collector
    from turnout.events.journal import Journal

    state = open_state(config.state_url)
    journal = Journal(
        config.journal_folder,
        segment_bytes_max=config.journal.segment_bytes_max,
        name=str(os.getpid()),
    )
    collector = Collector(journal, config.collector)
    keys = asyncio.create_task(_reload_keys(collector, WriteKeys(state)))
    server = _server(collector, config.collector.host, config.collector.port, Interfaces.ASGINL)
    try:
        await _serve_until_stopped(server, _stop_asked(supervisor), before_stop=collector.drain)
    finally:
        keys.cancel()
        await journal.close()
        state.dispose()


async def run_app(config: Config, supervisor: int) -> None:
    """The only writer of the warehouse: jobs, query workers, pages."""
    from turnout.access.links import Links
    from turnout.access.people import People
    from turnout.access.secret import secret_key
    from turnout.clips.cache import Answers
    from turnout.clips.clip import Clips
    from turnout.clips.follower import Follower
    from turnout.clips.runner import Runner
    from turnout.events.load import Loader
    from turnout.jobs import Desk, jobs_of, run_jobs, sources_of
    from turnout.state.request import Requests
    from turnout.warehouse import open_warehouse
    from turnout.web.rooms import Rooms
    from turnout.web.site import build_site

    state = open_state(config.state_url)
    async with contextlib.AsyncExitStack() as closing:
        closing.callback(state.dispose)
        warehouse = open_warehouse(config)
        closing.callback(warehouse.close)
        loader = Loader(config.journal_folder, warehouse)
        closing.callback(loader.close)
        follower = Follower(config.follower_folder, warehouse)
        runner = Runner(config.clips, config.data_folder)
        closing.push_async_callback(runner.close)
        await runner.start()
        answers = Answers(runner, follower, config.cache_folder, config.clips)
        closing.push_async_callback(answers.close)
        rooms = Rooms(
            config=config,
            state=state,
            people=People(state),
            links=Links(state, secret_key(config.data_folder)),
            keys=WriteKeys(state),
            clips=Clips(state),
            answers=answers,
            follower=follower,
            warehouse=warehouse,
            backlog_bytes=loader.backlog_bytes,
        )
        copies = sources_of(config, warehouse, follower)
        desk = Desk(config, warehouse, loader, follower, copies)
        loop = asyncio.get_running_loop()
        desk.serve(Requests(state), lambda: _wait_for(answers.forget(), loop))
        listed = jobs_of(config, loader, follower, desk, copies.values())
        jobs = asyncio.create_task(run_jobs(listed))
        closing.push_async_callback(_cancel, jobs)
        closing.callback(desk.close)
        server = _server(build_site(rooms), config.web.host, config.web.port, Interfaces.ASGI)
        await _serve_until_stopped(server, _stop_asked(supervisor))


def _server(application: Any, host: str, port: int, interface: Interfaces) -> Server:
    log.info("listening", host=host, port=port)
    return Server(
        application,
        address=host,
        port=port,
        interface=interface,
        websockets=False,
        log_enabled=False,
    )


async def _serve_until_stopped(
    server: Server,
    stop_asked: Coroutine[Any, Any, None],
    *,
    before_stop: Callable[[], Coroutine[Any, Any, None]] | None = None,
) -> None:
    """Serve until `stop_asked` returns; requests in flight get `DRAIN_S` to end."""
    serving = asyncio.create_task(server.serve())
    stopped = asyncio.create_task(stop_asked)
    await asyncio.wait({serving, stopped}, return_when=asyncio.FIRST_COMPLETED)
    stopped.cancel()
    if before_stop is not None:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(before_stop(), DRAIN_S)
    server.stop()  # type: ignore[no-untyped-call] # granian leaves it without types
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(serving, DRAIN_S)
    log.info("stopped")


async def _stop_asked(supervisor: int) -> None:
    """Return at SIGTERM or SIGINT, or when the supervisor is gone."""
    asked = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, asked.set)
    while os.getppid() == supervisor:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(asked.wait(), ORPHAN_CHECK_S)
            return


async def _reload_keys(collector: Any, keys: WriteKeys) -> None:
    while True:
        try:
            collector.keys = await asyncio.to_thread(keys.active)
        except Exception:  # the keys known so far keep working; the next try may succeed
            log.exception("write keys could not be read")
        await asyncio.sleep(KEYS_RELOAD_S)


def _wait_for(work: Coroutine[Any, Any, Answer], loop: asyncio.AbstractEventLoop) -> Answer:
    """Have `loop` do it, from a thread of a job."""
    return asyncio.run_coroutine_threadsafe(work, loop).result()


async def _cancel(task: asyncio.Task[Any]) -> None:
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task


if __name__ == "__main__":
    main()
