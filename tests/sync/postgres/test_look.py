from __future__ import annotations

from typing import Any

import pytest

from turnout.errors import SourceUnavailable
from turnout.sync.facts import ColumnFacts, Reference
from turnout.sync.postgres.look import look

TABLES = """
CREATE TYPE plan AS ENUM ('pro', 'free');
CREATE TABLE membership (
    person uuid NOT NULL REFERENCES person, company uuid NOT NULL REFERENCES company,
    plan plan, since timestamptz NOT NULL, PRIMARY KEY (person, company)
);
CREATE INDEX ON membership (since);
CREATE VIEW paying AS SELECT uuid FROM company;
CREATE TABLE visit (day date, n int) PARTITION BY RANGE (day);
CREATE TABLE visit_1 PARTITION OF visit FOR VALUES FROM ('2026-01-01') TO ('2026-02-01');
INSERT INTO visit VALUES ('2026-01-05', 1);
ANALYZE visit; ANALYZE company;
"""


def test_tables_are_described_with_types_keys_and_references(company: Any) -> None:
    company.run(TABLES)
    company.grant()
    with look("app", company.source()) as looking:
        facts = looking.facts
    assert [(table.name, table.is_view) for table in facts.tables] == [
        ("company", False), ("membership", False), ("paying", True), ("person", False),
        ("visit", False),
    ]  # fmt: skip
    membership = facts.table("public", "membership")
    assert membership is not None
    assert membership.columns == (
        ColumnFacts("person", "uuid", is_nullable=False, is_indexed=True),
        ColumnFacts("company", "uuid", is_nullable=False),
        ColumnFacts("plan", "public.plan", values=("pro", "free")),
        ColumnFacts("since", "timestamp with time zone", is_nullable=False, is_indexed=True),
    )
    assert membership.key == ("person", "company")
    assert membership.references == (
        Reference(("company",), "public", "company", ("uuid",)),
        Reference(("person",), "public", "person", ("uuid",)),
    )
    assert not membership.may_read
    table = facts.table("public", "company")
    assert table is not None
    assert (table.rows_estimated, table.may_read) == (2, True)
    visit = facts.table("public", "visit")
    assert visit is not None
    assert visit.rows_estimated == 1
    assert visit.size_bytes is not None
    assert visit.size_bytes > 0


def test_a_follower_says_it_is_one_and_how_far_behind(company: Any) -> None:
    company.grant()
    with look("app", company.source()) as looking:
        facts = looking.facts
    assert (facts.kind, facts.version[:2], facts.role) == ("PostgreSQL", "18", company.reader)
    assert facts.is_follower
    assert facts.lag_s == 0
    assert facts.is_local
    assert facts.log_missing == ()
    with look("app", company.source(url=company.leader_url())) as looking:
        assert (looking.facts.is_follower, looking.facts.lag_s) == (False, None)


def test_samples_are_cut_and_only_of_what_may_be_read(company: Any) -> None:
    company.grant()
    company.run(f"UPDATE company SET name = repeat('é', 1000) WHERE name = '{'Acme'}'")
    with look("app", company.source()) as looking:
        table = looking.facts.table("public", "company")
        assert table is not None
        samples = looking.samples(table, ["name", "plan"], 10)
        assert sorted(samples["name"]) == ["Globex", "é" * 200]
        assert samples["plan"] == ["pro"]
        assert looking.samples(table, ["seats"], 10) == {}
        # What was refused does not spoil what comes after.
        assert looking.samples(table, ["plan"], 10)["plan"] == ["pro"]


def test_a_large_tables_samples_come_from_all_over(company: Any) -> None:
    company.run(
        "CREATE TABLE many AS SELECT i, repeat('x', 200) AS text "
        "FROM generate_series(1, 50000) AS i; ANALYZE many"
    )
    with look("app", company.source(url=company.follower_url())) as looking:
        table = looking.facts.table("public", "many")
        assert table is not None
        found = [int(value) for value in looking.samples(table, ["i"], 500)["i"]]
    assert len(found) > 100
    assert max(found) - min(found) > 5_000


def test_the_statements_make_a_role_that_reads_just_that(company: Any) -> None:
    with look("app", company.source(url=company.follower_url())) as looking:
        table = looking.facts.table("public", "company")
        assert table is not None
        statements = list(looking.grants({table: ["uuid", "plan"]}, "teller"))
    assert statements == [
        "CREATE ROLE \"teller\" LOGIN NOINHERIT CONNECTION LIMIT 4 PASSWORD '…';",
        'ALTER ROLE "teller" SET default_transaction_read_only = on;',
        f'GRANT CONNECT ON DATABASE "{company.database}" TO "teller";',
        'GRANT USAGE ON SCHEMA "public" TO "teller";',
        'GRANT SELECT ("uuid", "plan") ON "public"."company" TO "teller";',
    ]
    try:
        company.run("".join(statements))
        company.run("SET ROLE teller; SELECT uuid, plan FROM company")
    finally:
        company.run("DROP OWNED BY teller; DROP ROLE teller")


def test_a_server_that_is_away_is_unavailable(company: Any) -> None:
    url = "postgresql://turnout:hidden@127.0.0.1:1/app"
    with (
        pytest.raises(SourceUnavailable, match="cannot be reached"),
        look("app", company.source(url=url)),
    ):
        """Nothing is looked at."""
