"""What the door counts for the meters: in a plain dict, and handed on twice a second."""

from __future__ import annotations

import asyncio

from turnout import meters

HAND_ON_S = 0.5


class Count:
    """Requests answered with 200, and the events they brought, by source."""

    def __init__(self) -> None:
        self._requests = 0
        self._events: dict[str, int] = {}

    def add(self, source: str, events: int) -> None:
        """One request that was answered with 200."""
        if not self._requests:
            asyncio.get_running_loop().call_later(HAND_ON_S, self.flush)
        self._requests += 1
        self._events[source] = self._events.get(source, 0) + events

    def flush(self) -> None:
        """Hand on what was counted since the last time."""
        if self._requests:
            meters.REQUESTS.add("200", amount=self._requests)
        for source, events in self._events.items():
            meters.RECEIVED.add(source, amount=events)
        self._requests = 0
        self._events = {}
