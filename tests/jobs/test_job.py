"""Jobs run side by side, whatever any of them takes."""

from __future__ import annotations

import asyncio
import os
import threading
from contextlib import suppress

import structlog

from turnout.jobs import Job, run_jobs


def test_however_many_jobs_take_long_no_other_and_no_page_waits() -> None:
    ending = threading.Event()
    quick: list[str] = []

    def wait() -> None:
        ending.wait(30)

    def be_quick() -> None:
        quick.append(structlog.contextvars.get_contextvars()["process"])

    # More than the loop's own threads are.
    slow = [Job(f"slow {place}", 60.0, wait) for place in range((os.cpu_count() or 1) + 40)]

    async def run() -> None:
        structlog.contextvars.bind_contextvars(process="app")
        jobs = asyncio.create_task(run_jobs([*slow, Job("quick", 0.01, be_quick)]))
        try:
            async with asyncio.timeout(20):
                while len(quick) < 3:  # noqa: ASYNC110 - a thread writes it
                    await asyncio.sleep(0.01)
                await asyncio.to_thread(quick.append, "page")
        finally:
            ending.set()
            jobs.cancel()
            with suppress(asyncio.CancelledError):
                await jobs

    asyncio.run(run())
    assert quick[0] == "app"
    assert "page" in quick
