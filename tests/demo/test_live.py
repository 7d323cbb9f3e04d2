from __future__ import annotations

from datetime import timedelta

from turnout.demo.activity import comes
from turnout.demo.live import HOUR_S, Live, rate_per_s
from turnout.demo.rows import COLUMNS
from turnout.demo.world import World


def test_every_hour_has_something_to_see_and_a_rhythm() -> None:
    rates = [rate_per_s(second) for second in range(HOUR_S)]
    assert min(rates) > 0.5
    assert max(rates) > 3 * min(rates)


def test_the_same_second_lives_the_same_way_again(world: World) -> None:
    start = world.history_end + timedelta(hours=9)
    seconds = [start + timedelta(seconds=number) for number in range(60)]
    lives = [[list(live.second(at)) for at in seconds] for live in (Live(world), Live(world))]
    assert lives[0] == lives[1]
    events = [delivery.event for second in lives[0] for delivery in second]
    assert len({event.message_id for event in events}) == len(events) > 20


def test_only_those_act_who_come_that_day(world: World) -> None:
    start = world.history_end + timedelta(hours=9)
    coming = {str(p.uuid) for p in world.people if comes(world, p, start.date())}
    live = Live(world)
    acting = {
        delivery.event.user_id
        for number in range(120)
        for delivery in live.second(start + timedelta(seconds=number))
    }
    assert acting
    assert acting <= coming


def test_now_and_then_somebody_joins_and_their_sign_up_is_sent(world: World) -> None:
    live = Live(world)
    start = world.history_end + timedelta(hours=9)
    joined, sent = set(), set()
    for minute in range(30):
        at = start + timedelta(minutes=minute)
        change = live.change(at)
        joined |= {str(row[0]) for row in change.get("person", [])}
        for table, rows in change.items():
            assert all(len(row) == len(COLUMNS[table]) for row in rows)
        for second in range(60):
            for delivery in live.second(at + timedelta(seconds=second)):
                if delivery.event.name == "Signed Up":
                    sent.add(delivery.event.user_id)
    assert joined
    assert sent == joined


def test_a_company_begins_to_pay_at_most_once(world: World) -> None:
    live = Live(world)
    start = world.history_end + timedelta(hours=9)
    paying = [
        row
        for minute in range(300)
        for row in live.change(start + timedelta(minutes=minute)).get("subscription", [])
    ]
    per_company = {row[1]: row[0] for row in paying}
    assert per_company
    assert all(row[0] == per_company[row[1]] for row in paying)
    assert len(set(per_company.values())) == len(per_company)
