from __future__ import annotations

from datetime import timedelta
from itertools import pairwise

from turnout.demo.delivery import Delivery, deliveries
from turnout.demo.world import World


def test_deliveries_come_in_the_order_of_their_arrival(history: list[Delivery]) -> None:
    assert all(a.at <= b.at for a, b in pairwise(history))


def test_told_in_parts_everything_arrives_exactly_as_told_at_once(
    world: World, history: list[Delivery]
) -> None:
    middle = world.history_start + timedelta(days=9, hours=5)
    end = middle + timedelta(days=3)
    told = [*deliveries(world, world.history_start, middle), *deliveries(world, middle, end)]
    at_once = [delivery for delivery in history if delivery.at < end]
    assert sorted(told, key=repr) == sorted(at_once, key=repr)


def test_a_repeat_follows_its_first_delivery(history: list[Delivery]) -> None:
    seen = set()
    for delivery in history:
        assert (delivery.event.message_id in seen) == delivery.is_repeat
        seen.add(delivery.event.message_id)
