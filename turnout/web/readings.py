"""What the pages about events read, and how long a page waits for it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, TypeVar

from turnout.events.overview.catalog import Catalog
from turnout.events.overview.properties import Properties
from turnout.events.overview.recent import Recent
from turnout.warehouse import Warehouse

PATIENCE_S = 1.5
Found = TypeVar("Found")


class Readings:
    """The newest events, the catalog of all, and the properties of each, of one warehouse."""

    def __init__(self, warehouse: Warehouse) -> None:
        self.recent = Recent(warehouse)
        self.catalog = Catalog(warehouse)
        self.properties = Properties(warehouse)
        self.patience_s = PATIENCE_S
        self._running: dict[str, asyncio.Task[Any]] = {}

    async def ask(self, name: str, work: Callable[[], Found]) -> Found | None:
        """What `work` finds, or None while that takes longer than a page waits.

        It goes on then, and keeps what it counted: the next look is quick. `name` tells one
        work from another, so that many who look wait for one.
        """
        task = self._running.get(name)
        if task is None:
            task = asyncio.create_task(asyncio.to_thread(work))
            self._running[name] = task
            task.add_done_callback(lambda done: self._forget(name, done))
        done, _ = await asyncio.wait([task], timeout=self.patience_s)
        found: Found | None = task.result() if done else None
        return found

    async def close(self) -> None:
        """Wait for what still runs: a thread cannot be stopped, and it uses the warehouse."""
        await asyncio.gather(*self._running.values(), return_exceptions=True)

    def _forget(self, name: str, task: asyncio.Task[Any]) -> None:
        self._running.pop(name, None)
        if not task.cancelled():
            task.exception()  # seen: nobody may be left who waits for it
