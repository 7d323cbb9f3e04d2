"""Life after the history: the world goes on, and more quickly than time, so that one can watch.

The world's own schedule goes on at its own pace, a call a minute or so. Beside it, whoever uses
the product today does so more often, a whole day's rhythm pressed into each hour; now and then
somebody signs up, and a company begins to pay.
"""

from __future__ import annotations

import heapq
import math
import random
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

from turnout.demo import billing, chance, names
from turnout.demo.activity import Event, comes, context_of, person_day, step
from turnout.demo.clock import local_day, settle
from turnout.demo.customers import Company, Membership, Person
from turnout.demo.delivery import Delivery
from turnout.demo.rows import Row, company_row, membership_rows, person_row
from turnout.demo.world import World

QUIET_PER_S = 1.5
BUSY_PER_S = 5.0
HOUR_S = 3600
# A chance for something rare comes this often.
MOMENT_S = 60
SIGN_UP = 0.5
UPGRADE = 0.3
STEPS_AFTER_SIGN_UP = timedelta(minutes=20)

Change = dict[str, list[Row]]


class Live:
    """The extra life of a world from an instant on. Message ids follow from the second alone."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._day: date | None = None
        self._active: list[Person] = []
        self._waiting: list[tuple[datetime, str, Event]] = []

    def second(self, at: datetime) -> Iterator[Delivery]:
        """What people do in the second that begins at `at`."""
        second = int(at.timestamp())
        random_ = chance.stream(self._world.seed, "live", second)
        active = self._active_on(at.date())
        for number in range(_count(random_, rate_per_s(second)) if active else 0):
            yield Delivery(self._click(random_, at, second, number, active), at)
        while self._waiting and self._waiting[0][0] <= at:
            due_at, _, event = heapq.heappop(self._waiting)
            yield Delivery(event, due_at)

    def change(self, at: datetime) -> Change:
        """What the product's database gains at the moment that begins at `at`, if anything.

        Whoever signs up here also makes the calls of signing up, in the seconds that follow.
        """
        moment = int(at.timestamp()) // MOMENT_S
        random_ = chance.stream(self._world.seed, "moment", moment)
        changes: Change = {}
        companies = [company for company in self._world.companies if company.is_open(at)]
        if companies and random_.random() < SIGN_UP:
            person = _newcomer(self._world.seed, random_, moment, random_.choice(companies), at)
            changes["person"] = [person_row(person)]
            changes["companyperson"] = list(membership_rows(person, at))
            for event in person_day(self._world, person, local_day(at, person.place)):
                if event.at < at + STEPS_AFTER_SIGN_UP:
                    heapq.heappush(self._waiting, (event.at, event.message_id, event))
        free = [company for company in companies if _stays_free(company, at)]
        if free and random_.random() < UPGRADE:
            changes |= _upgrade(self._world.seed, random_, random_.choice(free), at)
        return changes

    def _active_on(self, day: date) -> list[Person]:
        """Who uses the product that day, by the world's own rhythm: a weekend stays one."""
        if day != self._day:
            noon = datetime.combine(day, datetime.min.time(), UTC) + timedelta(hours=12)
            self._day = day
            self._active = [
                person
                for person in self._world.people
                if person.membership(noon) and comes(self._world, person, day)
            ]
        return self._active

    def _click(
        self, random_: random.Random, at: datetime, second: int, number: int, active: list[Person]
    ) -> Event:
        person = random_.choice(active)
        membership = person.membership(at)[0] if person.membership(at) else None
        day_number = (at - self._world.history_start).days
        name, properties = step(random_, day_number, membership)
        group_id = str(membership.company.uuid) if membership else None
        return Event(
            message_id=str(chance.uuid(self._world.seed, "live message", second, number)),
            type="track",
            at=at + timedelta(milliseconds=random_.randrange(1000)),
            user_id=str(person.uuid),
            anonymous_id=None,
            name=name,
            group_id=group_id,
            properties=properties,
            context=context_of(person, group_id),
        )


def rate_per_s(second: int) -> float:
    """Calls per second: each hour goes through a night and a working day."""
    of_day = (second % HOUR_S) / HOUR_S
    return QUIET_PER_S + (BUSY_PER_S - QUIET_PER_S) * math.sin(math.pi * of_day) ** 2


def _count(random_: random.Random, mean: float) -> int:
    """A Poisson number, by multiplying until it is small enough."""
    limit, count, product = math.exp(-mean), 0, random_.random()
    while product > limit:
        count += 1
        product *= random_.random()
    return count


def _newcomer(
    seed: int, random_: random.Random, moment: int, company: Company, at: datetime
) -> Person:
    """A colleague who joins a company right now."""
    key = f"live.{moment}"
    uuid = chance.uuid(seed, "person", key)
    full_name = names.person_name(random_)
    created_at = settle(at)
    return Person(
        key=key,
        uuid=uuid,
        full_name=full_name,
        email=names.email_address(full_name, company.name, moment),
        place=company.place,
        created_at=created_at,
        stops_at=None,
        habit=0.0,
        campaign=None,
        anonymous_id=str(chance.uuid(seed, "browser", key)),
        legacy_until=None,
        skew_s=0,
        memberships=(Membership(uuid, company, "member", created_at),),
    )


def _stays_free(company: Company, at: datetime) -> bool:
    """Whether it pays nothing and the world never has it pay again: then it may start here."""
    return all(
        period.ended_at is not None and period.ended_at <= at for period in company.subscriptions
    )


def _upgrade(seed: int, random_: random.Random, company: Company, at: datetime) -> Change:
    """A free company begins to pay. Its ids follow from the company: it can do so only once."""
    plan = random_.choice(("team", "team", "pro"))
    seats = company.size + random_.randint(0, 3)
    price = (billing.PRICES[plan] * seats).quantize(Decimal("0.01"))
    subscription = chance.uuid(seed, "live subscription", str(company.uuid))
    invoice = chance.uuid(seed, "live invoice", str(company.uuid))
    return {
        "company": [company_row(company, at, plan=plan, seats=seats)],
        "subscription": [(subscription, company.uuid, plan, False, seats, price, at, None)],
        "invoice": [(invoice, subscription, company.uuid, price, at, None)],
    }
