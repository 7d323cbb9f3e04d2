"""The clips against the truth again, where days, months, roles and closings meet.

The pretend company is realistic, so it hardly ever stands on an edge. These worlds stand on
little else: few people, few days, steps of six hours, everything near a border of something.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from turnout.demo import chance
from turnout.demo.activity import Event
from turnout.demo.clips import demo_clips
from turnout.demo.clock import local_time, midnight
from turnout.demo.customers import Company, Membership, Person, Subscription
from turnout.demo.delivery import Delivery
from turnout.demo.places import PLACES
from turnout.demo.truth import Answer, Truth
from turnout.demo.world import World

DAY = timedelta(days=1)
STEP = timedelta(hours=6)
CITIES = (("Berlin", "DE"), ("Lisbon", "PT"))
NAMES = ("Legacy Export Used", "Pressed Big Button", "Signed Up", "Signed Up", "Viewed Dashboard")


class Edges:
    """One crowded little world, from a seed."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.today = date(2026, 1, 1) + DAY * self.random.randrange(1200)
        if self.random.random() < 0.3:
            self.today = self.today.replace(day=self.random.choice((1, 2)))
        self.at = midnight(self.today) + STEP * self.random.randrange(-2, 8)
        self.next_first = (self.today - DAY).replace(day=1)
        self.first = (self.next_first - DAY).replace(day=1)
        companies = tuple(self.company(number) for number in range(4))
        people = tuple(self.person(number, companies) for number in range(6))
        self.world = World(seed, self.today, companies, people)
        happened = [*self.working_days(), *self.around_thirty_days()]
        self.delivered = [Delivery(event, event.at) for event in happened if event.at <= self.at]
        self.delivered += self.random.choices(self.delivered or [], k=bool(self.delivered) * 5)

    def near(self, *days: date) -> datetime:
        return midnight(self.random.choice(days)) + STEP * self.random.randrange(-6, 7)

    def company(self, number: int) -> Company:
        uuid = chance.uuid(self.random.randrange(2**32), "company")
        long_ago = self.first - 400 * DAY
        created_at = self.near(self.first, long_ago, long_ago, self.today - 57 * DAY)
        closed_at = self.random.choice((None, None, self.near(self.next_first, self.today)))
        return Company(
            number=number,
            uuid=uuid,
            name=self.random.choice(("Acme", "Globex", "Initech")),
            industry="Software",
            place=self.random.choice(PLACES),
            size=3,
            created_at=created_at,
            closed_at=closed_at,
            subscriptions=tuple(self.subscriptions(uuid, created_at)),
            invoices=(),
        )

    def subscriptions(self, company_uuid: Any, at: datetime) -> Iterator[Subscription]:
        for number in range(self.random.randrange(3)):
            ended_at = max(at, self.near(self.today)) if self.random.random() < 0.5 else None
            yield Subscription(
                uuid=chance.uuid(number, str(company_uuid)),
                company_uuid=company_uuid,
                plan="team",
                is_trial=self.random.random() < 0.4,
                seats=3,
                monthly_price=Decimal("36.00"),
                started_at=at,
                ended_at=ended_at,
            )
            if ended_at is None:
                return
            at = ended_at

    def person(self, number: int, companies: tuple[Company, ...]) -> Person:
        uuid = chance.uuid(self.random.randrange(2**32), "person")
        month = self.today.replace(day=1)
        created_at = self.near(month, month - 360 * DAY, month - 365 * DAY, month - 366 * DAY)
        theirs = self.random.sample(companies, self.random.choice((1, 1, 2)))
        return Person(
            key=str(number),
            uuid=uuid,
            full_name="Alice",
            email=f"{number}@acme.example",
            place=PLACES[0],
            created_at=created_at,
            stops_at=None,
            habit=0.5,
            campaign=None,
            anonymous_id="a",
            legacy_until=None,
            skew_s=0,
            memberships=tuple(
                Membership(uuid, company, self.random.choice(("admin", "admin", "viewer")), joined)
                for company in theirs
                for joined in [self.near(self.first, self.first)]
            ),
        )

    def working_days(self) -> Iterator[Event]:
        """Some administrator on nearly every day of last month, now and then near midnight."""
        sure = self.random.choice((0.97, 1.0, 1.0))
        for membership in self.memberships():
            day = self.first - DAY
            while day <= self.next_first:
                if self.random.random() < (sure if day.weekday() < 5 else 0.1):
                    hour = self.random.choice((0.0, 0.5, 12.0, 23.5, 23.99))
                    yield self.event(local_time(day, hour, membership.company.place), membership)
                day += DAY

    def around_thirty_days(self) -> Iterator[Event]:
        for days_ago in (0, 0, 1, 29, 30, 31, 55, 56, 57, 58):
            for membership in self.random.choices([*self.memberships()], k=4):
                yield self.event(self.near(self.today - days_ago * DAY), membership)

    def memberships(self) -> Iterator[Membership]:
        for person in self.world.people:
            yield from person.memberships

    def event(self, at: datetime, membership: Membership) -> Event:
        name = self.random.choice(NAMES)
        city, country = self.random.choice(CITIES)
        campaign = {"campaign": {"name": self.random.choice("ab")}}
        # Sometimes an account the person is no member of, or none.
        company = self.random.choice((*[membership.company] * 8, self.world.companies[0], None))
        return Event(
            message_id=str(chance.uuid(self.random.randrange(2**63), "message")),
            type="track" if self.random.random() < 0.98 else "page",
            at=at,
            user_id=str(membership.person_uuid),
            anonymous_id=None,
            name=name,
            group_id=str(company.uuid) if company else None,
            properties={"city": city, "country": country},
            context=campaign if self.random.random() < 0.3 else {},
            reason=None if self.random.random() < 0.98 else "missing_event",
        )


@pytest.mark.parametrize("block", range(4))
def test_every_clip_says_what_the_truth_says_on_every_edge(
    small_warehouse: Callable[[], Any], block: int
) -> None:
    warehouse = small_warehouse()
    for seed in range(25 * block, 25 * block + 25):
        edges = Edges(seed)
        warehouse.fill(edges.world, edges.at, edges.delivered)
        truth = Truth(edges.world, edges.at, [delivery.event for delivery in edges.delivered])
        answers = truth.answers(edges.today)
        for clip in demo_clips():
            fields, rows = warehouse.answer(clip, edges.today)
            assert tuple(fields) == answers[clip.id].fields
            assert sorted_unless(answers[clip.id], rows) == sorted_unless(
                answers[clip.id], answers[clip.id].rows
            ), f"{clip.id} of seed {seed}"


def sorted_unless(answer: Answer, rows: list[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
    plain = [tuple(Decimal(str(v)) if isinstance(v, float) else v for v in row) for row in rows]
    return plain if answer.is_ordered else sorted(plain)
