"""The present: the world's own schedule as it falls due, and the quicker life beside it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

from turnout.demo import database
from turnout.demo.delivery import Delivery, deliveries
from turnout.demo.live import MOMENT_S, Live
from turnout.demo.sender import Sender
from turnout.demo.world import World

SECOND = timedelta(seconds=1)
MARK_EVERY = timedelta(seconds=5)
# After a longer pause (a laptop asleep) the quicker life of the time between is left out.
PAUSE_MAX = timedelta(seconds=30)
FOREVER = timedelta(days=3650)


class Present:
    """Sends and writes what falls due, whenever it is asked to live until now."""

    def __init__(
        self, connection: database.Connection, world: World, sender: Sender, *, since: datetime
    ) -> None:
        self._connection = connection
        self._world = world
        self._sender = sender
        self._live = Live(world)
        self._at = self._marked = since
        self._schedule: Iterator[Delivery] = deliveries(world, since, since + FOREVER)
        self._next = next(self._schedule, None)

    def live_until(self, now: datetime) -> None:
        """Everything due before `now`, the whole second that it is."""
        self._at = max(self._at, now - PAUSE_MAX)
        while self._at < now:
            for delivery in self._live.second(self._at):
                self._sender.send(delivery)
            if int(self._at.timestamp()) % MOMENT_S == 0:
                database.write(self._connection, self._live.change(self._at))
            self._at += SECOND
        while self._next is not None and self._next.at < now:
            self._sender.send(self._next)
            self._next = next(self._schedule, None)
        if now >= self._marked + MARK_EVERY:
            database.catch_up(self._connection, self._world, self._marked, now)
            self._sender.mark(now)
            self._marked = now
