"""What a company pays: a trial perhaps, then paid periods that change or end, and invoices."""

from __future__ import annotations

import math
import random
from collections.abc import Iterator
from datetime import datetime, timedelta
from decimal import Decimal
from uuid import UUID

from turnout.demo import chance
from turnout.demo.clock import settle
from turnout.demo.customers import Invoice, Subscription

# Price of one seat and month.
PRICES = {"team": Decimal("12.00"), "pro": Decimal("24.00"), "enterprise": Decimal("39.00")}
LARGE = 20
TRIAL_DAYS = 14
INVOICE_EVERY = timedelta(days=30)
PAYMENT_DAYS_MAX = 21

# Shares of companies, and of changes to a subscription.
BEGIN_WITH_TRIAL = 0.55
STAY_AFTER_TRIAL = 0.45
LEAVE_AT_CHANGE = 0.3
NEVER_PAID = 0.04


def subscriptions(
    seed: int, company_uuid: UUID, size: int, created_at: datetime, last_at: datetime
) -> Iterator[Subscription]:
    """Periods in order, none overlapping, all cut at `last_at` (closing, or the world's end)."""
    random_ = chance.stream(seed, "billing", str(company_uuid))
    plan = _plan_for(random_, size)
    seats = size + random_.randint(0, max(2, size // 3))
    periods = _trial(random_, size, created_at)
    for number, (started_at, ended_at, is_trial) in enumerate(periods):
        if started_at >= last_at:
            return
        yield Subscription(
            uuid=chance.uuid(seed, "subscription", str(company_uuid), number),
            company_uuid=company_uuid,
            plan=plan,
            is_trial=is_trial,
            seats=seats,
            monthly_price=Decimal("0.00") if is_trial else PRICES[plan] * seats,
            started_at=started_at,
            ended_at=min(ended_at, last_at),
        )
        if not is_trial:
            seats = max(1, round(seats * random_.uniform(0.8, 1.6)))
            plan = _plan_for(random_, seats)


def invoices(seed: int, subscription: Subscription) -> Iterator[Invoice]:
    """One at the start of each paid month of thirty days."""
    issued_at = subscription.started_at
    number = 0
    while not subscription.is_trial and issued_at < (subscription.ended_at or issued_at):
        key = (str(subscription.uuid), number)
        wait = chance.share(seed, "payment", *key)
        paid_at = settle(issued_at + timedelta(days=1 + wait * PAYMENT_DAYS_MAX))
        yield Invoice(
            uuid=chance.uuid(seed, "invoice", *key),
            subscription_uuid=subscription.uuid,
            company_uuid=subscription.company_uuid,
            amount=subscription.monthly_price,
            issued_at=issued_at,
            paid_at=None if wait < NEVER_PAID else paid_at,
        )
        issued_at += INVOICE_EVERY
        number += 1


def _trial(
    random_: random.Random, size: int, created_at: datetime
) -> Iterator[tuple[datetime, datetime, bool]]:
    """Begin with a trial or with the free plan; then pay, or stay free."""
    if random_.random() < BEGIN_WITH_TRIAL:
        at = created_at + timedelta(days=TRIAL_DAYS)
        yield created_at, at, True
        if random_.random() > STAY_AFTER_TRIAL + 0.1 * math.log(size):
            return
    else:
        at = settle(created_at + timedelta(days=random_.expovariate(1 / 260)))
    yield from _paid(random_, at)


def _paid(random_: random.Random, at: datetime) -> Iterator[tuple[datetime, datetime, bool]]:
    """Paid periods, each at least a month; after some of them the company leaves."""
    while True:
        ended_at = settle(at + timedelta(days=30 + random_.expovariate(1 / 500)))
        yield at, ended_at, False
        if random_.random() < LEAVE_AT_CHANGE:
            return
        at = ended_at


def _plan_for(random_: random.Random, size: int) -> str:
    if size >= LARGE:
        return random_.choice(("pro", "enterprise", "enterprise"))
    return random_.choice(("team", "team", "pro"))
