"""Who the pretend company's customers are: plain values, with the times at which they change."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from uuid import UUID

from turnout.demo.clock import local_day
from turnout.demo.places import Place


@dataclass(frozen=True, slots=True)
class Subscription:
    """A period in which a company was on a paid plan, or tried it. `ended_at` None = open."""

    uuid: UUID
    company_uuid: UUID
    plan: str
    is_trial: bool
    seats: int
    monthly_price: Decimal
    started_at: datetime
    ended_at: datetime | None


@dataclass(frozen=True, slots=True)
class Invoice:
    """What a company was asked to pay for one month. `paid_at` None = never."""

    uuid: UUID
    subscription_uuid: UUID
    company_uuid: UUID
    amount: Decimal
    issued_at: datetime
    paid_at: datetime | None


@dataclass(frozen=True, slots=True)
class Company:
    """A customer. `closed_at` is when its account was closed, None = never."""

    number: int
    uuid: UUID
    name: str
    industry: str
    place: Place
    size: int
    created_at: datetime
    closed_at: datetime | None
    subscriptions: tuple[Subscription, ...] = field(repr=False)
    invoices: tuple[Invoice, ...] = field(repr=False)

    def is_open(self, at: datetime) -> bool:
        return self.created_at <= at and (self.closed_at is None or self.closed_at > at)

    def subscription(self, at: datetime) -> Subscription | None:
        """The one in force at that instant."""
        for subscription in self.subscriptions:
            ended_at = subscription.ended_at
            if subscription.started_at <= at and (ended_at is None or ended_at > at):
                return subscription
        return None

    def plan(self, at: datetime) -> str:
        subscription = self.subscription(at)
        return subscription.plan if subscription else "free"

    def seats(self, at: datetime) -> int:
        """Seats paid for; the free plan has three."""
        subscription = self.subscription(at)
        return subscription.seats if subscription else 3


@dataclass(frozen=True, slots=True)
class Membership:
    """A person belongs to a company, in one role, from `joined_at` on."""

    person_uuid: UUID
    company: Company
    role: str
    joined_at: datetime


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody who signed up. `habit` is the chance that they come on a working day."""

    key: str
    uuid: UUID
    full_name: str
    email: str
    place: Place
    created_at: datetime
    stops_at: datetime | None
    habit: float
    campaign: str | None
    anonymous_id: str
    # Until when they use the old export; None = they never did.
    legacy_until: datetime | None
    # How far their device's clock is ahead of the true time.
    skew_s: int
    memberships: tuple[Membership, ...] = field(repr=False)

    @property
    def comes_every_day(self) -> bool:
        """Whether they come on every working day, whatever happens."""
        return self.habit > 0.99  # noqa: PLR2004

    @property
    def signs_up_on(self) -> date:
        """The date on their own clocks."""
        return local_day(self.created_at, self.place)

    @property
    def is_founder(self) -> bool:
        return self.key.endswith(".0")

    def membership(self, at: datetime) -> tuple[Membership, ...]:
        """Where they belong at that instant, in companies that are open."""
        return tuple(
            membership
            for membership in self.memberships
            if membership.joined_at <= at and membership.company.is_open(at)
        )
