from __future__ import annotations

from typing import Any

import pytest

from turnout.config import TableSelection
from turnout.sync.postgres import rights

SELECTED = {"company": ["uuid", "name"]}


@pytest.fixture
def check(company: Any, reader: Any) -> Any:
    """`check(tables)` as the role that copies, on the follower."""

    def checked(tables: Any = None, **settings: Any) -> list[str]:
        url = company.follower_url(company.reader)
        found: list[str] = reader(url, tables or SELECTED, **settings).check()
        return found

    company.grant({"company": ["uuid", "name"]})
    assert checked() == []
    return checked


def remedy(sentence: str) -> str:
    return sentence.partition("Run on the leader: ")[2]


def test_attributes_and_memberships_beyond_need_are_named_and_can_be_taken_back(
    company: Any, check: Any
) -> None:
    group = f"{company.reader}_group"
    company.run(f"ALTER ROLE {company.reader} BYPASSRLS CREATEDB CREATEROLE REPLICATION")
    company.run(f"CREATE ROLE {group}; GRANT {group}, pg_read_all_stats TO {company.reader}")
    try:
        sentences = check()
        assert [sentence.split(". ")[0].split("' ")[1] for sentence in sentences] == [
            "may replicate, and so read every column of every table",
            "has BYPASSRLS, which copying does not need",
            "has CREATEROLE, which copying does not need",
            "has CREATEDB, which copying does not need",
            f"is a member of '{group}",
        ]
        for sentence in sentences:
            company.run(remedy(sentence))
        assert check() == []
    finally:
        company.run(f"DROP ROLE {group}")


def test_the_right_to_make_tables_is_named(company: Any, check: Any) -> None:
    company.run(f"GRANT CREATE ON SCHEMA public TO {company.reader}")
    (sentence,) = check()
    assert sentence.endswith("can also make tables, in the schemas public.")


def test_the_right_to_change_a_single_column_is_named(company: Any, check: Any) -> None:
    company.run(f"GRANT UPDATE (plan) ON company TO {company.reader}")
    assert any("can also change tables: company" in sentence for sentence in check())


def test_a_row_policy_is_said_before_a_copy_meets_it(company: Any, check: Any) -> None:
    company.run(
        "ALTER TABLE company ENABLE ROW LEVEL SECURITY;"
        "CREATE POLICY only_pro ON company USING (plan = 'pro')"
    )
    (sentence,) = check()
    assert "A row policy hides rows of 'company' from the role" in sentence
    company.run(remedy(sentence))
    assert not any("row policy" in sentence for sentence in check())


def test_columns_of_a_condition_are_granted_and_not_too_much(company: Any, check: Any) -> None:
    tables = {"company": TableSelection(["uuid"], where='"seats" > 3 AND Plan IS NULL')}
    company.grant({"company": ["uuid"]})
    company.run(f"GRANT SELECT (seats, plan) ON company TO {company.reader}")
    (sentence,) = check(tables)
    assert "can also read columns not selected: company.name." in sentence
    company.run(remedy(sentence))
    assert check(tables) == []


def test_rows_that_say_who_wrote_them_need_a_right(company: Any, check: Any) -> None:
    tables = {"company": TableSelection(["uuid", "name"], mode="xmin")}
    (sentence,) = check(tables)
    assert "may not read company.xmin" in sentence
    company.run(remedy(sentence))
    assert check(tables) == []
    # The right to read its place and writer is not one to a column.
    assert check() == []


def test_a_large_table_is_better_read_by_place_and_by_an_index(
    company: Any, check: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rights, "PIECE_BLOCKS", 10)
    company.run(
        "INSERT INTO person SELECT gen_random_uuid(), 'x', repeat('y', 500) "
        "FROM generate_series(1, 500); ANALYZE person"
    )
    tables = {"person": TableSelection(["uuid", "created_at"], cursor="created_at")}
    company.grant({"person": ["uuid", "created_at"], "company": ["uuid", "name"]})
    company.run(f"REVOKE SELECT (uuid, name) ON company FROM {company.reader}")
    place, index = check(tables)
    assert "'person' is large" in place
    assert "The cursor 'created_at' of 'person' has no index" in index
    for sentence in (place, index):
        company.run(remedy(sentence))
    assert check(tables) == []


def test_problems_with_settings_are_said(company: Any, check: Any) -> None:
    tables = {"company": TableSelection(["uuid", "name"], cursor="seats")}
    (sentence,) = check(tables)
    assert "speak of 'seats', which is not selected" in sentence
