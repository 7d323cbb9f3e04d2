"""Offers for real databases: the pretend company's and ones that name things differently."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.sync.conftest import Company
from turnout.config import Source, load_config
from turnout.demo.cluster import Cluster
from turnout.sync.offer.choice import choose
from turnout.sync.offer.look import look, sampled
from turnout.sync.offer.offer import Offer, make_offer
from turnout.sync.offer.writing import write_source

DEMO = Path(__file__).parents[3] / "turnout" / "demo" / "schema.sql"
# Each as another community would name them: tables, then what is the company, person, membership.
STYLES = {
    "rails": (
        """
        CREATE TABLE users (id bigserial PRIMARY KEY, email text, encrypted_password text,
            created_at timestamp, updated_at timestamp);
        CREATE TABLE accounts (id bigserial PRIMARY KEY, name text, plan text,
            created_at timestamp);
        CREATE TABLE account_users (id bigserial PRIMARY KEY, account_id bigint REFERENCES accounts,
            user_id bigint REFERENCES users, role text, created_at timestamp);
        CREATE TABLE invitations (id bigserial PRIMARY KEY, account_id bigint REFERENCES accounts,
            user_id bigint REFERENCES users, token text, created_at timestamp);
        CREATE TABLE posts (id bigserial PRIMARY KEY, user_id bigint REFERENCES users, body text);
        """,
        ("accounts", "users", "account_users"),
        ("account_id", "user_id", "created_at"),
    ),
    "no foreign keys": (
        """
        CREATE TABLE people (id int PRIMARY KEY, first_name text, last_name text, email text);
        CREATE TABLE organizations (id int PRIMARY KEY, name text, industry text);
        CREATE TABLE memberships (person_id int, organization_id int, joined_at timestamptz,
            left_at timestamptz, PRIMARY KEY (person_id, organization_id));
        CREATE TABLE tags (id int PRIMARY KEY, name text);
        CREATE TABLE person_tags (person_id int, tag_id int, PRIMARY KEY (person_id, tag_id));
        """,
        ("organizations", "people", "memberships"),
        ("organization_id", "person_id", "joined_at"),
    ),
    "tenants": (
        """
        CREATE TABLE "Tenant" (id uuid PRIMARY KEY, subdomain text, tier text);
        CREATE TABLE "AppUser" (id uuid PRIMARY KEY, "tenantId" uuid REFERENCES "Tenant",
            "userName" text, "passwordHash" text, "isAdmin" boolean, "lastLoginAt" timestamptz);
        CREATE TABLE "AuditLog" (id uuid PRIMARY KEY, "tenantId" uuid REFERENCES "Tenant",
            "userId" uuid REFERENCES "AppUser", at timestamptz);
        """,
        ("Tenant", "AppUser", "AppUser"),
        ("tenantId", "id", ""),
    ),
    "nothing of the kind": (
        """
        CREATE TABLE article (id int PRIMARY KEY, title text);
        CREATE TABLE tag (id int PRIMARY KEY, name text);
        CREATE TABLE article_tag (article_id int REFERENCES article, tag_id int REFERENCES tag,
            PRIMARY KEY (article_id, tag_id));
        """,
        (None, None, None),
        None,
    ),
}


def offered(cluster: Cluster, database: str, schema: str, *, sample: bool = False) -> Offer:
    with cluster.connect(database) as connection:
        connection.execute(schema)
    source = Source(url=cluster.leader_url("postgres", database))
    with look("app", source) as looking:
        seen = sampled(looking, looking.facts.tables) if sample else {}
        return make_offer(looking.facts, seen=seen)


def parts_of(offer: Offer) -> tuple[str | None, ...]:
    found = [offer.part(part) for part in ("company", "person", "membership")]
    return tuple(table.label if table else None for table in found)


def test_the_pretend_company_is_understood(cluster: Cluster, database: str, tmp_path: Path) -> None:
    offer = offered(cluster, database, DEMO.read_text())
    assert parts_of(offer) == ("company", "person", "companyperson")
    assert {table.label: table.selected for table in offer.selected} == {
        "company": (
            "uuid", "name", "plan", "seats", "industry", "country", "time_zone", "created_at",
            "closed_at",
        ),
        "person": ("uuid", "country", "time_zone", "created_at"),
        "companyperson": ("person_uuid", "company_uuid", "role_in_company", "joined_at"),
    }  # fmt: skip
    write_source(
        tmp_path, choose(offer, name="app", url="postgresql://turnout@db/app", schema="userdata")
    )
    config = load_config(tmp_path, {})
    assert config.identity.membership.since == "joined_at"
    assert config.sources["app"].tables["companyperson"].history


@pytest.mark.parametrize("style", STYLES)
def test_other_ways_of_naming_are_understood(cluster: Cluster, database: str, style: str) -> None:
    schema, parts, membership = STYLES[style]
    offer = offered(cluster, database, schema)
    assert parts_of(offer) == parts
    said = offer.membership
    assert (said and (said.account, said.user, said.since)) == membership
    personal = {column.name for table in offer.selected for column in table.columns}
    chosen = {name for table in offer.selected for name in table.selected}
    for name in ("email", "encrypted_password", "first_name", "last_name", "passwordHash"):
        assert name not in chosen, name
    assert bool(personal) == bool(chosen)


def test_sampled_values_show_what_a_harmless_name_hides(company: Company) -> None:
    company.run(
        "ALTER TABLE company ADD reference_code varchar(80);"
        "UPDATE company SET reference_code = 'alice@acme.example';"
    )
    with look("app", Source(url=company.leader_url())) as looking:
        plain = make_offer(looking.facts)
        seen = sampled(looking, looking.facts.tables)
        looked_at = make_offer(looking.facts, seen=seen)
    for offer, personal in (
        (plain, None),
        (looked_at, "sampled values look like e-mail addresses"),
    ):
        table = offer.part("company")
        assert table
        (column,) = [each for each in table.columns if each.name == "reference_code"]
        assert column.personal == personal


def test_the_printed_role_can_read_the_offer_and_nothing_else(
    cluster: Cluster, database: str
) -> None:
    with cluster.connect(database) as connection:
        connection.execute(DEMO.read_text())
    with look("app", Source(url=cluster.leader_url("postgres", database))) as looking:
        offer = make_offer(looking.facts)
    role = f"offer_{database}"[:60]
    tables = {table.facts: table.selected for table in offer.selected}
    with cluster.connect(database) as connection:
        for statement in looking.grants(tables, role):
            connection.execute(statement.encode())
        readable = connection.execute(
            "SELECT c.relname || '.' || a.attname FROM pg_attribute a JOIN pg_class c "
            "ON c.oid = a.attrelid WHERE c.relnamespace = 'public'::regnamespace "
            "AND c.relkind = 'r' AND a.attnum > 0 AND has_column_privilege(%s, c.oid, a.attnum, "
            "'SELECT')",
            [role],
        ).fetchall()
        connection.execute(f'DROP OWNED BY "{role}"; DROP ROLE "{role}"'.encode())
    expected = {f"{table.label}.{name}" for table in offer.selected for name in table.selected}
    assert {name for (name,) in readable} == expected
