"""When events reach the collector: late, twice, from devices whose clock is wrong."""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import count

from turnout.demo.activity import AGAIN_S_MAX, LATE_S_MAX, Event, events
from turnout.demo.world import World

DELAY_MAX = timedelta(seconds=LATE_S_MAX + AGAIN_S_MAX)


@dataclass(frozen=True, slots=True)
class Delivery:
    """An event arrives at that instant; `is_repeat` when it has arrived before."""

    event: Event
    at: datetime
    is_repeat: bool = False


def deliveries(world: World, start: datetime, end: datetime) -> Iterator[Delivery]:
    """What arrives in [start, end), in the order of arrival.

    Nothing that happened before the history began arrives at all.
    """
    since = max(start - DELAY_MAX, world.history_start)
    for delivery in in_order_of_arrival(events(world, since, end)):
        if delivery.at >= end:
            return
        if delivery.at >= start:
            yield delivery


def in_order_of_arrival(happened: Iterable[Event]) -> Iterator[Delivery]:
    """Every arrival of events that come in time order."""
    number = count()
    waiting: list[tuple[datetime, int, Delivery]] = []

    def wait(delivery: Delivery) -> None:
        heapq.heappush(waiting, (delivery.at, next(number), delivery))

    for event in happened:
        while waiting and waiting[0][0] <= event.at:
            yield heapq.heappop(waiting)[2]
        arrives_at = event.at + timedelta(seconds=event.late_s)
        wait(Delivery(event, arrives_at))
        if event.again_s:
            wait(Delivery(event, arrives_at + timedelta(seconds=event.again_s), is_repeat=True))
    while waiting:
        yield heapq.heappop(waiting)[2]
