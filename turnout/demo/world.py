"""The pretend company's customers, past and future, from a seed and an anchor day alone.

A world knows a past of up to three years and a future of sixty days: whoever asks says at which
instant. What people *do* is in `turnout.demo.activity`.
"""

from __future__ import annotations

import math
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta

from turnout.demo import billing, chance, names
from turnout.demo.clock import history_start, local_time, midnight, settle
from turnout.demo.customers import Company, Membership, Person
from turnout.demo.places import BURST_PLACE, PLACES, Place

FUTURE_DAYS = 60
# Companies are younger rather than older: the mean age in days of this growing business.
MEAN_AGE_DAYS = 400.0
AGE_DAYS_MAX = 1100.0
PEOPLE_MAX = 70

# One day, many people sign up from one city and hardly come back.
BURST_PEOPLE = 84
BURST_DAYS_BEFORE = 11
BURST_CAMPAIGN = "founders-weekend"
CAMPAIGNS = (None, None, None, "newsletter", "spring-webinar", "partner-page")

# Clocks of wrong devices, in seconds ahead of the true time.
WRONG_CLOCKS_S = (-7200, -400, 45, 3600, 90000)

# Shares of people, or of moments in a life.
CONSULTANTS = 0.03
REMOTE = 0.1
WITH_WRONG_CLOCK = 0.015
STOP_AT_ONCE = 0.12
STOP_LATER = 0.23
USED_OLD_EXPORT = 0.3
KEEP_OLD_EXPORT = 0.2
ADMINS_EVERY_DAY = 0.06


@dataclass(frozen=True, slots=True)
class World:
    """Everybody and everything around the anchor day `today` (UTC)."""

    seed: int
    today: date
    companies: tuple[Company, ...] = field(repr=False)
    people: tuple[Person, ...] = field(repr=False)

    @property
    def history_start(self) -> datetime:
        return history_start(self.today)

    @property
    def history_end(self) -> datetime:
        """Midnight at the start of `today`: the history is all complete days."""
        return midnight(self.today)


def build(seed: int, today: date, *, companies: int = 300) -> World:
    """A world with about that many companies at `today`, and some more who come later."""
    horizon = midnight(today + timedelta(days=FUTURE_DAYS))
    later = math.exp(FUTURE_DAYS / MEAN_AGE_DAYS)
    every = [_company(seed, number, horizon) for number in range(round(companies * later))]
    people = [person for company in every for person in _staff(seed, every, company, today)]
    burst = round(BURST_PEOPLE * min(1, companies / 300))
    people += [_passer_by(seed, number, today) for number in range(burst)]
    return World(seed, today, tuple(every), tuple(people))


def _company(seed: int, number: int, horizon: datetime) -> Company:
    random_ = chance.stream(seed, "company", number)
    place = _some_place(random_)
    age_days = min(random_.expovariate(1 / MEAN_AGE_DAYS), AGE_DAYS_MAX)
    day = (horizon - timedelta(days=age_days)).date()
    created_at = local_time(day, random_.uniform(8.5, 18), place)
    size = min(max(round(random_.lognormvariate(1.6, 1.0)), 1), PEOPLE_MAX)
    # About one company in twelve closes per year, none in its first month.
    closed_at = settle(created_at + timedelta(days=30 + random_.expovariate(1 / 4300)))
    uuid = chance.uuid(seed, "company", number)
    last_at = min(closed_at, horizon + timedelta(days=1))
    subscriptions = tuple(billing.subscriptions(seed, uuid, size, created_at, last_at))
    return Company(
        number=number,
        uuid=uuid,
        name=names.company_name(random_, number),
        industry=random_.choice(names.INDUSTRIES),
        place=place,
        size=size,
        created_at=created_at,
        closed_at=closed_at if closed_at < horizon else None,
        subscriptions=subscriptions,
        invoices=tuple(
            invoice for period in subscriptions for invoice in billing.invoices(seed, period)
        ),
    )


def _staff(
    seed: int, companies: Sequence[Company], company: Company, today: date
) -> Iterator[Person]:
    """The company's people: a founder who is an administrator, the others invited over time."""
    for number in range(company.size):
        key = f"{company.number}.{number}"
        person = _employee(seed, key, companies, company, today)
        if company.is_open(person.created_at):
            yield person


def _employee(
    seed: int, key: str, companies: Sequence[Company], company: Company, today: date
) -> Person:
    random_ = chance.stream(seed, "person", key)
    is_founder = key.endswith(".0")
    role = "admin" if is_founder else random_.choices(("admin", "member", "viewer"), (2, 13, 4))[0]
    place = company.place if is_founder or random_.random() > REMOTE else _some_place(random_)
    created_at = company.created_at if is_founder else _joining(random_, company, place)
    full_name = names.person_name(random_)
    uuid = chance.uuid(seed, "person", key)
    memberships = [Membership(uuid, company, role, created_at)]
    if company.number and random_.random() < CONSULTANTS:
        second = companies[random_.randrange(company.number)]
        joined_at = settle(max(created_at, second.created_at) + timedelta(days=3))
        memberships.append(Membership(uuid, second, "viewer", joined_at))
    return Person(
        key=key,
        uuid=uuid,
        full_name=full_name,
        email=names.email_address(full_name, company.name, random_.randrange(100, 1000)),
        place=place,
        created_at=created_at,
        stops_at=_stopping(random_, created_at),
        habit=_habit(random_, role),
        campaign=random_.choice(CAMPAIGNS) if is_founder else None,
        anonymous_id=str(chance.uuid(seed, "browser", key)),
        legacy_until=_last_old_export(random_, created_at, today),
        skew_s=random_.choice(WRONG_CLOCKS_S) if random_.random() < WITH_WRONG_CLOCK else 0,
        memberships=tuple(memberships),
    )


def _passer_by(seed: int, number: int, today: date) -> Person:
    """One of the burst: no company, one city, one afternoon."""
    key = f"burst.{number}"
    random_ = chance.stream(seed, "person", key)
    day = today - timedelta(days=BURST_DAYS_BEFORE)
    created_at = local_time(day, random_.triangular(13, 18, 14.5), BURST_PLACE)
    full_name = names.person_name(random_)
    return Person(
        key=key,
        uuid=chance.uuid(seed, "person", key),
        full_name=full_name,
        email=names.email_address(full_name, "mailbox", number + 1000),
        place=BURST_PLACE,
        created_at=created_at,
        stops_at=created_at + timedelta(hours=random_.choice((1, 1, 1, 1, 1, 900))),
        habit=0.1,
        campaign=BURST_CAMPAIGN,
        anonymous_id=str(chance.uuid(seed, "browser", key)),
        legacy_until=None,
        skew_s=0,
        memberships=(),
    )


def _some_place(random_: random.Random) -> Place:
    return random_.choices(PLACES, [place.weight for place in PLACES])[0]


def _joining(random_: random.Random, company: Company, place: Place) -> datetime:
    """When an invited person signs up: soon after the company for some, much later for others."""
    wait_days = 1 + random_.expovariate(1 / random_.choice((4, 25, 250)))
    day = (company.created_at + timedelta(days=wait_days)).date()
    return local_time(day, random_.uniform(8.5, 18), place)


def _stopping(random_: random.Random, created_at: datetime) -> datetime | None:
    """Some never come back after the first days, some stop later, most stay."""
    kind = random_.random()
    if kind < STOP_AT_ONCE:
        return created_at + timedelta(days=random_.uniform(0.1, 4))
    if kind < STOP_AT_ONCE + STOP_LATER:
        return created_at + timedelta(days=random_.expovariate(1 / 250))
    return None


def _habit(random_: random.Random, role: str) -> float:
    """Light, regular and heavy users; and administrators who come every single working day."""
    if role == "admin" and random_.random() < ADMINS_EVERY_DAY:
        return 0.9995
    kind = random_.random() + {"admin": 0.2, "member": 0.0, "viewer": -0.2}[role]
    if kind < 0.62:  # noqa: PLR2004
        return random_.uniform(0.02, 0.15)
    if kind < 0.93:  # noqa: PLR2004
        return random_.uniform(0.2, 0.5)
    return random_.uniform(0.6, 0.95)


def _last_old_export(random_: random.Random, created_at: datetime, today: date) -> datetime | None:
    """Old customers used it; they leave it one by one during the history, a few do not."""
    began = history_start(today)
    uses, keeps, at = (random_.random() for _ in range(3))
    if created_at > began or uses > USED_OLD_EXPORT:
        return None
    if keeps < KEEP_OLD_EXPORT:
        return datetime.combine(date.max, time(), UTC)
    return began + (midnight(today) - began) * math.pow(at, 1.5)
