"""The product database's rows at one instant: what a world looks like in tables.

Nothing of the future shows: a subscription that will end next week is open today.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any, TypeAlias

from turnout.demo.customers import Company, Person
from turnout.demo.world import World

Row: TypeAlias = tuple[Any, ...]

# Every column of every table, parents before children, keys first.
COLUMNS: Mapping[str, tuple[str, ...]] = {
    "person": ("uuid", "email", "full_name", "city", "country", "time_zone", "created_at"),
    "company": (
        "uuid", "name", "plan", "seats", "industry", "country", "time_zone", "created_at",
        "closed_at",
    ),
    "companyperson": ("person_uuid", "company_uuid", "role_in_company", "joined_at"),
    "subscription": (
        "uuid", "company_uuid", "plan", "is_trial", "seats", "monthly_price", "started_at",
        "ended_at",
    ),
    "invoice": ("uuid", "subscription_uuid", "company_uuid", "amount", "issued_at", "paid_at"),
}  # fmt: skip
KEYS: Mapping[str, tuple[str, ...]] = {
    table: ("person_uuid", "company_uuid") if table == "companyperson" else ("uuid",)
    for table in COLUMNS
}
# What Turnout may copy: neither e-mail nor full name. (A company's name is no person's.)
SELECTION: Mapping[str, tuple[str, ...]] = {
    "person": ("uuid", "city", "country", "created_at"),
    "company": COLUMNS["company"],
    "companyperson": COLUMNS["companyperson"],
    "subscription": COLUMNS["subscription"],
    "invoice": COLUMNS["invoice"],
}


def rows_at(world: World, at: datetime) -> dict[str, list[Row]]:
    """All rows of all tables at that instant, columns in the order of `COLUMNS`."""
    companies = [company for company in world.companies if company.created_at <= at]
    people = [person for person in world.people if person.created_at <= at]
    return {
        "person": [person_row(person) for person in people],
        "company": [company_row(company, at) for company in companies],
        "companyperson": [row for person in people for row in membership_rows(person, at)],
        "subscription": [row for company in companies for row in _subscriptions(company, at)],
        "invoice": [row for company in companies for row in _invoices(company, at)],
    }


def person_row(person: Person) -> Row:
    """One row of `person`."""
    place = person.place
    return (
        person.uuid, person.email, person.full_name, place.city, place.country, place.zone_name,
        person.created_at,
    )  # fmt: skip


def membership_rows(person: Person, at: datetime) -> Iterator[Row]:
    """The person's rows of `companyperson` at that instant."""
    for membership in person.memberships:
        if membership.joined_at <= at:
            yield (
                person.uuid, membership.company.uuid, membership.role, membership.joined_at,
            )  # fmt: skip


def company_row(
    company: Company, at: datetime, *, plan: str | None = None, seats: int | None = None
) -> Row:
    """The company then; `plan` and `seats` may say otherwise than the world does."""
    return (
        company.uuid, company.name, plan or company.plan(at), seats or company.seats(at),
        company.industry, company.place.country, company.place.zone_name,
        company.created_at, _past(company.closed_at, at),
    )  # fmt: skip


def _subscriptions(company: Company, at: datetime) -> Iterator[Row]:
    for period in company.subscriptions:
        if period.started_at <= at:
            yield (
                period.uuid, company.uuid, period.plan, period.is_trial, period.seats,
                period.monthly_price, period.started_at, _past(period.ended_at, at),
            )  # fmt: skip


def _invoices(company: Company, at: datetime) -> Iterator[Row]:
    for invoice in company.invoices:
        if invoice.issued_at <= at:
            yield (
                invoice.uuid, invoice.subscription_uuid, company.uuid, invoice.amount,
                invoice.issued_at, _past(invoice.paid_at, at),
            )  # fmt: skip


def _past(time: datetime | None, at: datetime) -> datetime | None:
    return time if time is not None and time <= at else None
