from __future__ import annotations

import statistics
from datetime import date, timedelta

from turnout.demo.world import World, build

TODAY = date(2026, 3, 17)


def test_the_same_seed_and_day_make_the_same_world(world: World) -> None:
    assert build(world.seed, world.today, companies=30) == world


def test_another_seed_makes_other_people(world: World) -> None:
    other = build(world.seed + 1, world.today, companies=30)
    assert not {person.uuid for person in world.people} & {person.uuid for person in other.people}


def test_more_companies_change_nobody_who_was_there(world: World) -> None:
    larger = build(world.seed, world.today, companies=60)
    assert larger.companies[: len(world.companies)] == world.companies
    by_key = {person.key: person for person in larger.people}
    assert all(by_key[person.key] == person for person in world.people)


def test_the_usual_world_has_about_three_hundred_companies_and_two_thousand_people() -> None:
    world = build(7, TODAY)
    at = world.history_end
    assert 270 <= sum(company.created_at <= at for company in world.companies) <= 330
    assert 1600 <= sum(person.created_at <= at for person in world.people) <= 2400
    assert len({company.name for company in world.companies}) == len(world.companies)
    assert len({person.email for person in world.people}) == len(world.people)


def test_companies_are_mostly_small_with_a_few_large_ones() -> None:
    sizes = sorted(company.size for company in build(7, TODAY).companies)
    assert 3 <= statistics.median(sizes) <= 8
    assert sizes[-1] >= 40
    assert statistics.mean(sizes) > 1.3 * statistics.median(sizes)


def test_some_pay_some_try_some_do_not_and_some_have_left() -> None:
    world = build(7, TODAY)
    at = world.history_end
    customers = [company for company in world.companies if company.is_open(at)]
    subscriptions = [s for company in customers if (s := company.subscription(at))]
    paying = [subscription for subscription in subscriptions if not subscription.is_trial]
    assert 0.3 < len(paying) / len(customers) < 0.65
    assert {subscription.plan for subscription in paying} == {"team", "pro", "enterprise"}
    assert len(paying) < len(subscriptions) < len(customers)
    assert any(c.closed_at and c.closed_at < at for c in world.companies)


def test_subscriptions_follow_one_another_and_end_with_the_company() -> None:
    for company in build(7, TODAY).companies:
        end = company.created_at
        for subscription in company.subscriptions:
            assert subscription.started_at >= end
            assert subscription.ended_at is not None
            end = subscription.ended_at
            if company.closed_at:
                assert end <= company.closed_at
        assert all(invoice.amount > 0 for invoice in company.invoices)


def test_every_company_has_an_administrator_from_its_first_moment(world: World) -> None:
    founders = {
        membership.company.uuid: membership
        for person in world.people
        for membership in person.memberships
        if membership.role == "admin" and membership.joined_at == membership.company.created_at
    }
    assert set(founders) == {company.uuid for company in world.companies}


def test_sign_ups_grow_and_one_day_they_burst_from_one_city() -> None:
    world = build(7, TODAY)
    at = world.history_end

    def joined(days_ago: int, days: int) -> int:
        start = at - timedelta(days=days_ago)
        return sum(start <= p.created_at < start + timedelta(days=days) for p in world.people)

    assert joined(180, 150) > 1.3 * joined(540, 150)
    burst = [person for person in world.people if person.key.startswith("burst.")]
    assert {person.place.city for person in burst} == {"Lisbon"}
    assert len({person.signs_up_on for person in burst}) == 1
    assert len(burst) > 5 * joined(40, 20) / 20
