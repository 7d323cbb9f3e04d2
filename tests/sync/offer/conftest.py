"""Sources as they say what they are: tables written in a few words."""

from __future__ import annotations

import re

import pytest

from turnout.sync.facts import ColumnFacts, Reference, ServerFacts, TableFacts

USUAL = "public"


def table(name: str, rows: int, key: str, columns: str, *references: str) -> TableFacts:
    """`columns` is `name type, name type`; a reference is `column>table.column`."""
    return TableFacts(
        USUAL,
        name,
        tuple(_column(each) for each in columns.split(", ")),
        tuple(key.split()),
        tuple(_reference(each) for each in references),
        rows,
        rows * 100,
    )


def facts(*tables: TableFacts, kind: str = "PostgreSQL") -> ServerFacts:
    return ServerFacts(kind, "18.1", "shop", "reader", USUAL, tables, is_follower=True, lag_s=0.2)


def _column(text: str) -> ColumnFacts:
    name, type_ = text.split(" ", 1)
    plain, _, indexed = type_.partition(" indexed")
    return ColumnFacts(name, plain, is_indexed=type_.endswith("indexed") or bool(indexed))


def _reference(text: str) -> Reference:
    column, target, named = re.split(r"[>.]", text)
    return Reference((column,), USUAL, target, (named,))


@pytest.fixture(scope="session")
def demo_like() -> ServerFacts:
    """The pretend company's own way of naming."""
    return facts(
        table(
            "person", 900, "uuid",
            "uuid uuid, email text, full_name text, city text, country character(2), "
            "time_zone text, created_at timestamp with time zone, settings jsonb",
        ),
        table(
            "company", 80, "uuid",
            "uuid uuid, name text, plan plan, seats integer, industry text, country character(2), "
            "time_zone text, created_at timestamp with time zone",
        ),
        table(
            "companyperson", 950, "person_uuid company_uuid",
            "person_uuid uuid, company_uuid uuid, role_in_company member_role, "
            "joined_at timestamp with time zone",
            "person_uuid>person.uuid", "company_uuid>company.uuid",
        ),
        table(
            "invoice", 4000, "uuid",
            "uuid uuid, company_uuid uuid, amount numeric(10,2), paid_at timestamp with time zone",
            "company_uuid>company.uuid",
        ),
    )  # fmt: skip
