from __future__ import annotations

from typing import Any

import pytest

from turnout import sync
from turnout.errors import SourceUnavailable


def check(company: Any, **source: Any) -> list[str]:
    return sync.check("app", company.source(**source))


def test_a_role_with_just_the_selection_on_a_follower_is_silent(company: Any) -> None:
    company.grant()
    assert check(company) == []


def test_everything_that_is_missing_is_said_at_once(company: Any) -> None:
    company.grant({"company": ["uuid"]})
    tables = {"company": ["uuid", "plan", "pln"], "person": ["uuid"], "nowhere": ["id"]}
    sentences = check(company, tables=tables)
    assert [sentence.split(". ")[0] for sentence in sentences] == [
        "The table 'company' has no column 'pln'",
        f"The role '{company.reader}' may not read company.plan",
        f"The role '{company.reader}' may not read person.uuid",
        "There is no table 'nowhere' in the source",
    ]


def test_a_superuser_is_warned_of_with_the_role_to_make_instead(company: Any) -> None:
    (sentence,) = check(company, url=company.follower_url())
    assert "The role 'postgres' is a superuser" in sentence
    assert 'GRANT SELECT ("uuid", "name", "plan") ON "public"."company" TO "turnout";' in sentence
    assert company.cluster.password("postgres") not in sentence


def test_columns_beyond_the_selection_are_named_and_can_be_taken_back(company: Any) -> None:
    company.run(f"GRANT SELECT ON company, person TO {company.reader}")
    company.grant()
    sentences = check(company)
    assert len(sentences) == 2
    assert "can also read columns not selected: company.seats." in sentences[0]
    assert "person.email, person.full_name." in sentences[1]
    for sentence in sentences:
        company.run(sentence.partition("Run on the leader: ")[2])
    assert check(company) == []
    assert sync.check("app", company.source()) == []


def test_tables_beyond_the_selection_are_named(company: Any) -> None:
    company.grant()
    company.run(
        f"CREATE TABLE salary (amount int); GRANT SELECT (amount) ON salary TO {company.reader}"
    )
    (sentence,) = check(company)
    assert sentence.endswith("can also read tables not selected: salary.")


def test_rights_to_change_are_named(company: Any) -> None:
    company.grant()
    company.run(f"GRANT UPDATE ON person TO {company.reader}")
    (sentence,) = check(company)
    assert sentence.endswith("can also change tables: person.")


def test_the_right_to_replicate_is_named(company: Any) -> None:
    company.grant()
    company.run(f"ALTER ROLE {company.reader} REPLICATION")
    (sentence,) = check(company)
    assert "may replicate, and so read every column" in sentence


def test_a_leader_is_said_to_be_one(company: Any) -> None:
    company.grant()
    (sentence,) = check(company, url=company.leader_url(company.reader))
    assert "is not a follower" in sentence


def test_a_server_that_is_not_there_is_unavailable(company: Any) -> None:
    with pytest.raises(SourceUnavailable, match="cannot be reached"):
        check(company, url="postgresql://turnout:hidden@127.0.0.1:1/app")
