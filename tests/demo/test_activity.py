from __future__ import annotations

from collections import Counter
from datetime import timedelta
from itertools import pairwise

from turnout.demo.activity import SATURDAY, Event, events
from turnout.demo.clock import local_day
from turnout.demo.delivery import Delivery
from turnout.demo.world import World, build


def days_of(world: World, days: int) -> list[Event]:
    return list(events(world, world.history_start, world.history_start + timedelta(days=days)))


def test_a_stretch_told_in_parts_is_the_stretch_told_at_once(world: World) -> None:
    start = world.history_start
    ends = [start + timedelta(hours=hours) for hours in (0, 7, 24, 61, 72)]
    parts = [event for a, b in pairwise(ends) for event in events(world, a, b)]
    assert parts == days_of(world, 3)


def test_events_come_in_time_order_with_ids_of_their_own(history: list[Delivery]) -> None:
    firsts = [delivery.event for delivery in history if not delivery.is_repeat]
    assert len({event.message_id for event in firsts}) == len(firsts)


def test_more_companies_leave_everybody_elses_events_as_they_were(world: World) -> None:
    larger = build(world.seed, world.today, companies=60)
    known = {str(person.uuid) for person in world.people}
    before = [event for event in days_of(world, 2) if event.user_id in known]
    after = [event for event in days_of(larger, 2) if event.user_id in known]
    assert before
    assert after == before


def test_nobody_acts_before_they_signed_up_after_they_stopped_or_for_a_company_not_theirs(
    world: World, history: list[Delivery]
) -> None:
    people = {str(person.uuid): person for person in world.people}
    for delivery in history:
        event = delivery.event
        if event.user_id not in people:
            continue
        person = people[event.user_id]
        assert event.at >= person.created_at
        assert person.stops_at is None or event.at < person.stops_at
        if event.group_id:
            theirs = {str(m.company.uuid) for m in person.memberships if m.joined_at <= event.at}
            assert event.group_id in theirs


def test_working_days_are_busy_and_weekends_are_not(world: World, history: list[Delivery]) -> None:
    people = {str(person.uuid): person for person in world.people}
    per_day = Counter(
        local_day(d.event.at, people[d.event.user_id].place).weekday()
        for d in history
        if d.event.user_id in people
    )
    weekend = per_day[SATURDAY] + per_day[SATURDAY + 1]
    assert 0 < weekend / 2 < 0.3 * (per_day.total() - weekend) / 5


def test_the_old_export_is_used_less_and_less(history: list[Delivery], world: World) -> None:
    middle = world.history_start + (world.history_end - world.history_start) / 2
    used = [d.event.at < middle for d in history if d.event.name == "Legacy Export Used"]
    assert sum(used) > 1.3 * (len(used) - sum(used)) > 0


def test_the_calls_have_the_dirt_of_real_life(history: list[Delivery]) -> None:
    assert sum(d.is_repeat for d in history) > 10
    assert sum(d.at > d.event.at + timedelta(hours=12) for d in history) > 10
    assert sum(d.event.skew_s != 0 for d in history) > 10
    assert {d.event.reason for d in history} == {None, "missing_event", "no_user_anon_id"}
    rows = {type(d.event.properties.get("rows")) for d in history}
    assert {int, str} <= rows


def test_some_look_around_anonymously_before_they_sign_up(history: list[Delivery]) -> None:
    browsed = {d.event.anonymous_id for d in history if d.event.user_id is None}
    known = {d.event.anonymous_id for d in history if d.event.type == "identify"}
    assert browsed & known
    assert browsed - known
