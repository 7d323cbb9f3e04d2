"""How long a body may be on its way: a connection that is never done would be taken for ever."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import TypeVar

from turnout.events.door.request import Gone

# The most patient library gives up after so long.
BODY_WITHIN_S = 60.0
# How often to look whether somebody is late. A timer for each request would cost as much as
# judging its event.
LOOK_EVERY_S = 1.0

Body = TypeVar("Body")


class Late(Gone):
    """The client is still there, and its request is not complete."""


class Patience:
    """Requests that are being read, and an end to those that take too long."""

    def __init__(self, within_s: float = BODY_WITHIN_S) -> None:
        self._within_s = within_s
        self._since_s: dict[asyncio.Task[object], float] = {}
        self._late: set[asyncio.Task[object]] = set()
        self._is_looking = False

    async def wait(self, reading: Awaitable[Body]) -> Body:
        """What `reading` gives; raises `Late` when it takes too long."""
        task = asyncio.current_task()
        if task is None:
            return await reading
        self._since_s[task] = self._begin()
        try:
            return await reading
        except asyncio.CancelledError:
            if task not in self._late:
                raise
            raise Late from None
        finally:
            del self._since_s[task]
            self._late.discard(task)

    def _begin(self) -> float:
        loop = asyncio.get_running_loop()
        if not self._is_looking:
            self._is_looking = True
            loop.call_later(LOOK_EVERY_S, self._look)
        return loop.time()

    def _look(self) -> None:
        """Once a second while anybody is read; those who came first stand first."""
        loop = asyncio.get_running_loop()
        for task, since_s in self._since_s.items():
            if loop.time() - since_s < self._within_s:
                break
            self._late.add(task)
            task.cancel()
        self._is_looking = bool(self._since_s)
        if self._is_looking:
            loop.call_later(LOOK_EVERY_S, self._look)
