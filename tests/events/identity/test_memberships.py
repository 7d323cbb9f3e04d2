from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
import pytest

from tests.events.identity.ledger import Call, Ledger, at
from turnout.config import Membership
from turnout.warehouse import Column, Table, Type

MEMBERSHIP = Membership("userdata.companyperson", "company_uuid", "person_uuid")
COMPANYPERSON = Table(
    "userdata",
    "companyperson",
    (
        Column("company_uuid", Type.UUID),
        Column("person_uuid", Type.TEXT),
        Column("joined_at", Type.TIME),
        Column("left_at", Type.TIME),
    ),
)
ACME, GLOBEX = "00000000-0000-0000-0000-00000000000a", "00000000-0000-0000-0000-00000000000b"


def group(hour: float, account: str, user: str = "alice") -> Call:
    return Call("group", hour, user_id=user, group_id=account)


def acts(hour: float, account: str | None = None, event: str = "clicked") -> Call:
    return Call("track", hour, user_id="alice", context=account, event=event)


def left(hour: float, account: str) -> Call:
    return acts(hour, account, "account_removed_user")


def closed(hour: float, account: str) -> Call:
    return Call("track", hour, user_id="bob", context=account, event="account_deleted")


def account_at(ledger: Ledger, hour: float, user: str = "alice") -> tuple[str | None, str]:
    """Account and rule of a call of that hour that names none."""
    ledger.load(Call("page", hour, user_id=user))
    sql = (
        "SELECT DISTINCT account_id, account_rule FROM turnout.events "
        "WHERE type = 'page' AND \"timestamp\" = ? AND user_id = ?"
    )
    [(account, rule)] = ledger.rows(sql, [at(hour), user])
    return account, rule


MEMBER, CALLED = ("acme", "membership"), ("acme", "group_call")
NONE, SEVERAL = (None, "no_membership"), (None, "ambiguous")


@pytest.mark.parametrize(
    ("calls", "hour", "answer"),
    [
        ([], 5, NONE),
        ([group(3, "acme")], 5, MEMBER),
        ([group(3, "acme")], 3, MEMBER),
        ([group(3, "acme")], 2, NONE),  # as of then
        ([acts(3, "acme")], 5, MEMBER),
        ([acts(3, "acme", "signed_up")], 5, MEMBER),
        ([Call("identify", 3, user_id="alice", company="acme")], 5, MEMBER),
        # Several: the last group call, else none is guessed.
        ([acts(1, "acme"), acts(2, "globex")], 5, SEVERAL),
        ([group(1, "globex"), group(2, "acme")], 5, CALLED),
        ([group(1, "acme"), group(9, "globex")], 5, MEMBER),
        ([group(1, "acme"), acts(2, "globex")], 5, CALLED),
        ([group(1, "globex"), group(2, "acme"), group(3, "acme")], 2.5, CALLED),
        # Leaving, and coming back.
        ([group(1, "acme"), left(4, "acme")], 3, MEMBER),
        ([group(1, "acme"), left(4, "acme")], 4, NONE),
        ([group(1, "acme"), left(4, "acme"), acts(7, "acme")], 5, NONE),
        ([group(1, "acme"), left(4, "acme"), acts(7, "acme")], 8, MEMBER),
        ([group(1, "globex"), group(2, "acme"), left(4, "globex")], 5, MEMBER),
        ([acts(1, "acme"), group(2, "globex"), left(4, "globex")], 5, MEMBER),
        ([acts(1, "acme"), acts(1, "x"), group(2, "globex"), left(4, "globex")], 5, SEVERAL),
        ([left(4, "acme")], 5, NONE),
        # The end of an account.
        ([group(1, "acme"), closed(4, "acme")], 3, MEMBER),
        ([group(1, "acme"), closed(4, "acme")], 5, NONE),
        ([closed(4, "acme"), group(1, "acme")], 5, NONE),
        ([group(1, "acme"), closed(4, "acme"), group(6, "acme")], 7, MEMBER),
    ],
)
def test_the_account_of_a_call_that_names_none(
    ledger: Ledger, calls: Sequence[Call], hour: float, answer: tuple[str | None, str]
) -> None:
    for call in calls:
        ledger.load(call)
    assert account_at(ledger, hour) == answer


def test_the_group_in_the_context_comes_first(ledger: Ledger) -> None:
    ledger.load(group(1, "acme"))
    ledger.load(
        Call("track", 2, user_id="alice", context="globex", id="track"),
        Call("group", 3, user_id="alice", group_id="initech", context="globex", id="group"),
    )
    rows = ledger.rows("SELECT id, account_id, account_rule FROM turnout.events ORDER BY id DESC")
    assert rows[:1] == [("track", "globex", "explicit")]
    assert ("group", "initech", "explicit") in rows


def test_a_leave_that_comes_late_does_not_undo_what_came_after_it(ledger: Ledger) -> None:
    ledger.load(acts(1, "acme"), acts(5, "acme"), acts(9, "acme"))
    ledger.load(left(3, "acme"))
    assert account_at(ledger, 4) == NONE
    assert account_at(ledger, 6) == MEMBER


def test_an_anonymous_sender_has_accounts_too_and_takes_them_along(ledger: Ledger) -> None:
    ledger.load(Call("group", 1, anonymous_id="x", group_id="acme"))
    ledger.load(Call("page", 2, anonymous_id="x", id="anonymous"))
    assert ledger.events()["anonymous"] == (None, "acme")
    assert ledger.rows("SELECT * FROM turnout.account_users") == []
    ledger.load(Call("identify", 3, anonymous_id="x", user_id="alice"))
    assert ledger.events()["anonymous"] == ("alice", "acme")
    assert account_at(ledger, 4) == MEMBER
    assert ledger.rows("SELECT account_id, user_id FROM turnout.account_users") == [
        ("acme", "alice")
    ]


def test_memberships_follow_a_user_to_the_next_name(ledger: Ledger) -> None:
    ledger.load(group(1, "acme", "temporary"))
    ledger.load(Call("alias", 2, previous_id="temporary", user_id="alice"))
    assert account_at(ledger, 3) == MEMBER


def test_account_users_says_since_when_until_when_and_how(ledger: Ledger) -> None:
    ledger.load(
        *(group(3, "acme"), acts(1, "acme"), acts(6, "acme")),
        *(acts(1, "globex", "account_added_user"), left(4, "globex")),
        *(acts(1, "initech"), left(4, "initech"), acts(5, "initech")),
        Call("identify", 2, user_id="bob", company="acme"),
    )
    assert ledger.rows("SELECT * FROM turnout.account_users ORDER BY 1, 2") == [
        ("acme", "alice", at(1), at(6), None, "context"),
        ("acme", "bob", at(2), at(2), None, "company_trait"),
        ("globex", "alice", at(1), at(1), at(4), "spec_event"),
        ("initech", "alice", at(1), at(5), None, "context"),
    ]


def declare(ledger: Ledger, *rows: tuple[str, str, float | None, float | None]) -> None:
    """Copy the declared table anew, as sync does."""
    names = ("company_uuid", "person_uuid", "joined_at", "left_at")
    values = [
        (company, person, *(None if hour is None else at(hour) for hour in hours))
        for company, person, *hours in rows
    ]
    times = pa.timestamp("us")
    types = (pa.string(), pa.string(), times, times)
    columns = zip(*values, strict=True) if values else ([],) * 4
    arrow = {
        name: pa.array(column, type_)
        for name, column, type_ in zip(names, columns, types, strict=True)
    }
    with ledger.warehouse.transaction() as transaction:
        transaction.replace(COMPANYPERSON, pa.table(arrow))


def test_a_declared_table_decides_alone(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path, MEMBERSHIP)
    assert ledger.rows("SELECT * FROM turnout.account_users") == []
    ledger.load(group(1, GLOBEX), Call("alias", 1, previous_id="old", user_id="alice"))
    assert account_at(ledger, 5) == NONE
    declare(ledger, (ACME, "alice", None, None), (ACME, "old", None, None))
    assert account_at(ledger, 5) == (ACME, "membership")
    declare(ledger, (ACME, "alice", None, None), (GLOBEX, "alice", None, None))
    assert account_at(ledger, 5) == (GLOBEX, "group_call")
    assert account_at(ledger, 0) == (None, "ambiguous")
    assert ledger.rows("SELECT * FROM turnout.account_users ORDER BY 1") == [
        (ACME, "alice", None, None, None, "table"),
        (GLOBEX, "alice", None, None, None, "table"),
    ]
    declare(ledger)
    assert account_at(ledger, 5) == NONE
    ledger.close()


def test_a_declared_table_may_say_since_when_and_until_when(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path, Membership(*_named(MEMBERSHIP), "joined_at", "left_at"))
    declare(
        ledger,
        *((ACME, "alice", 1, 4), (ACME, "alice", 3, 5), (ACME, "alice", 7, None)),
        (GLOBEX, "alice", None, 2),
    )
    accounts = {hour: account_at(ledger, hour)[0] for hour in (0, 1, 2, 4, 5, 6, 7, 99)}
    assert accounts == {0: GLOBEX, 1: None, 2: ACME, 4: ACME, 5: None, 6: None, 7: ACME, 99: ACME}
    assert ledger.rows("SELECT * FROM turnout.account_users ORDER BY 1") == [
        (ACME, "alice", at(1), None, None, "table"),
        (GLOBEX, "alice", None, None, at(2), "table"),
    ]
    ledger.close()


def _named(membership: Membership) -> tuple[str, str, str]:
    return membership.table, membership.account, membership.user
