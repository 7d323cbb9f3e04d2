"""The only place that wires things: each process of `turnout serve` is put together here.

`python -m turnout.app collector|app <home> <supervisor's process id> <listening descriptor>` is how
the supervisor starts them. The collector's half imports no warehouse driver.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

import structlog
import uvloop
from granian.constants import Interfaces

from turnout import logs, meters
from turnout.access.keys import WriteKeys
from turnout.config import Config, load_config
from turnout.errors import TurnoutError
from turnout.home import child_lock
from turnout.listening import HeldServer
from turnout.state import open_state

# Keys are read this often, and for a key not known yet at once, though not more often than this.
KEYS_RELOAD_S, KEYS_RELOAD_MIN_S = 1.0, 0.1
# How long a starting collector waits for them before it accepts connections all the same.
KEYS_WITHIN_S = 5.0
# How often a child looks whether its supervisor still lives.
ORPHAN_CHECK_S = 0.5
# How long it waits for clients that keep their connections, and how long such a one may be silent.
STOP_WITHIN_S, STOP_SILENCE_S = 2.0, 0.1
HAND_OVER_WITHIN_S, HAND_OVER_SILENCE_S = 12.0, 5.0
# Time for what is in flight to end after that.
DRAIN_S = 2.0

Answer = TypeVar("Answer")

log = structlog.get_logger()


def main() -> None:
    """Run one child process until it is asked to stop or its supervisor is gone."""
    child, home, supervisor, listener = sys.argv[1:]
    logs.configure(child)
    run = {"collector": run_collector, "app": run_app}[child]
    try:
        config = load_config(Path(home))
        with child_lock(config, child):
            meters.share(config.meters_folder)
            uvloop.run(run(config, Duty(int(supervisor), int(listener))))
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


async def run_collector(config: Config, duty: Duty) -> None:
    """The door for events: collector and journal, the keys and the events it knows."""
    from turnout.access.secret import secret_key
    from turnout.events.door import pace
    from turnout.events.door.collector import Collector
    from turnout.events.journal.checkpoint import Checkpoint
    from turnout.events.journal.disk import Disk
    from turnout.events.journal.journal import Journal
    from turnout.events.journal.seen import Seen
    from turnout.events.journal.tending import Tending

    state = open_state(config.state_url)
    settings = config.journal
    secret = secret_key(config.data_folder)
    seen = Seen(config.seen_folder, secret, keep_days=settings.keep_days)
    journal = Journal(
        config.journal_folder,
        segment_bytes_max=settings.segment_bytes_max,
        segment_age_max_s=settings.segment_age_max_s,
        name=str(os.getpid()),
        seen=seen,
    )
    collector = Collector(journal, config.collector, seen, metrics=config.metrics)
    checkpoint = Checkpoint(config.seen_folder, config.journal_folder)
    tending = Tending(journal, seen, checkpoint, Disk(config.journal_folder))
    async with contextlib.AsyncExitStack() as closing:
        closing.callback(state.dispose)
        closing.push_async_callback(journal.close)
        known = asyncio.Event()
        for work in (_reload_keys(collector, WriteKeys(state), known), tending.run()):
            closing.push_async_callback(_cancel, asyncio.create_task(work))
        # Until then connections wait in the socket's queue; later they are told to come again.
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(known.wait(), KEYS_WITHIN_S)
        pace.quicken()
        await duty.serve(collector, Interfaces.RSGI, leave=collector.leave)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(collector.drain(), DRAIN_S)


async def run_app(config: Config, duty: Duty) -> None:
    """The only writer of the warehouse: jobs, query workers, pages."""
    from turnout.access.links import Links
    from turnout.access.people import People
    from turnout.access.secret import secret_key
    from turnout.clips.cache import Answers
    from turnout.clips.clip import Clips
    from turnout.clips.follower import Follower
    from turnout.clips.runner import Runner
    from turnout.events.loading.load import Loader
    from turnout.jobs import Desk, captures_of, following_of, jobs_of, run_jobs, sources_of
    from turnout.state.request import Requests
    from turnout.sync import drop_staging
    from turnout.warehouse import open_warehouse
    from turnout.web.rooms import Rooms
    from turnout.web.site import build_site

    state = open_state(config.state_url)
    async with contextlib.AsyncExitStack() as closing:
        closing.callback(state.dispose)
        warehouse = open_warehouse(config)
        closing.callback(warehouse.close)
        drop_staging(warehouse)
        loader = Loader(config.journal_folder, warehouse, config.identity.membership)
        closing.callback(loader.close)
        follower = Follower(config.follower_folder, warehouse)
        runner = Runner(config.clips, config.data_folder)
        closing.push_async_callback(runner.close)
        await runner.start()
        answers = Answers(runner, follower, config.cache_folder, config.clips)
        closing.push_async_callback(answers.close)
        copies = sources_of(config, warehouse, follower)
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
            standings=lambda: {name: copy.standing for name, copy in copies.items()},
            renew=duty.renew,
        )
        desk = Desk(config, warehouse, loader, follower, copies)
        desk.renew = duty.renew
        loop = asyncio.get_running_loop()
        desk.serve(Requests(state), lambda: _wait_for(answers.forget(), loop))
        captures = captures_of(config, warehouse, follower)
        listed = [
            *jobs_of(config, loader, follower, desk, copies.values()),
            *following_of(captures),
        ]
        jobs = asyncio.create_task(run_jobs(listed))
        closing.push_async_callback(_cancel, jobs)
        closing.callback(desk.close)
        for copy in copies.values():
            closing.callback(copy.close)
        for capture in captures:
            closing.callback(capture.close)
        await duty.serve(build_site(rooms), Interfaces.ASGI)


@dataclass(frozen=True, slots=True)
class Duty:
    """Whose child this process is, and the socket it was given to serve."""

    supervisor: int
    listener: int

    def renew(self) -> None:
        """Have the supervisor put a new process in this one's place; it ends this one first."""
        os.kill(self.supervisor, signal.SIGUSR1)

    async def serve(
        self,
        application: Any,
        interface: Interfaces,
        *,
        leave: Callable[[float], Coroutine[Any, Any, None]] | None = None,
    ) -> None:
        """Serve until asked to stop or to hand over; `leave` says good-bye to those who stay."""
        server = HeldServer(application, self.listener, interface)
        serving = asyncio.create_task(server.serve())
        asked = asyncio.create_task(self._asked_to_end())
        await asyncio.wait({serving, asked}, return_when=asyncio.FIRST_COMPLETED)
        within_s, silence_s = asked.result() if asked.done() else (STOP_WITHIN_S, STOP_SILENCE_S)
        server.stop_accepting()
        if leave is not None:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(leave(silence_s), within_s)
        server.stop()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(serving, DRAIN_S)
        log.info("stopped")

    async def _asked_to_end(self) -> tuple[float, float]:
        """Wait for a signal, or for the supervisor's end; how long to wait, for what silence."""
        stop, hand_over = asyncio.Event(), asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stop.set)
        loop.add_signal_handler(signal.SIGHUP, hand_over.set)
        while os.getppid() == self.supervisor and not stop.is_set():
            if hand_over.is_set():
                return HAND_OVER_WITHIN_S, HAND_OVER_SILENCE_S
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), ORPHAN_CHECK_S)
        return STOP_WITHIN_S, STOP_SILENCE_S


async def _reload_keys(collector: Any, keys: WriteKeys, known: asyncio.Event) -> None:
    """Keys make the door ready: without any, every request is answered 503."""
    while True:
        try:
            # Before the keys are renewed: one that was changed begins anew.
            used_at = collector.uses(datetime.now(UTC))
            await asyncio.to_thread(keys.note_uses, used_at)
            waiting = collector.strangers.take()
            collector.keys = await asyncio.to_thread(keys.active)
            collector.strangers.tell(waiting)
            if not known.is_set():
                known.set()
                print("ready", flush=True)  # noqa: T201 -- to the supervisor, who waits for it
        except Exception:  # the keys known so far keep working; the next try may succeed
            log.exception("write keys could not be read")
        await asyncio.sleep(KEYS_RELOAD_MIN_S)
        await collector.strangers.come(KEYS_RELOAD_S - KEYS_RELOAD_MIN_S)


def _wait_for(work: Coroutine[Any, Any, Answer], loop: asyncio.AbstractEventLoop) -> Answer:
    """Have `loop` do it, from a thread of a job."""
    return asyncio.run_coroutine_threadsafe(work, loop).result()


async def _cancel(task: asyncio.Task[Any]) -> None:
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task


if __name__ == "__main__":
    main()
