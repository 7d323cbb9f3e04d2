"""Persons and accounts: who had a link to which, who left, and which group was called last.

A link is a group call, a group in a call's context, the company among an identify's traits, or
one of the B2B events. *Account Removed User* ends one membership, *Account Deleted* all of an
account's; a link seen later begins a new one.
"""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

from turnout.events.identity import calls as said
from turnout.events.identity import tables
from turnout.events.identity.calls import Calls
from turnout.events.identity.desk import Desk
from turnout.events.identity.history import History

SENDER = ("user_id", "anonymous_id")
MEMBERSHIPS = History(
    tables.MEMBERSHIP_RUNS,
    ("person", "is_anonymous", "account_id"),
    "has_left",
    "person",
    carried=("via",),
)
GROUPS = History(tables.GROUP_RUNS, ("person", "is_anonymous"), "account_id", "person")
# The end of an account is a leave of everybody who ever had a link to it.
LINKS_AND_ENDS = f"""
    {said.LINKS} UNION ALL
    SELECT person, is_anonymous, account_id, true, 'spec_event', deleted_at
    FROM (
        SELECT person, is_anonymous, account_id FROM ({said.LINKS})
        UNION SELECT person, is_anonymous, account_id FROM members
    ) JOIN deleted USING (account_id)
"""


def note_memberships(desk: Desk, calls: Calls) -> None:
    """Add what the `calls` say to `membership_runs` and `group_runs`."""
    new = calls.table(said.DELETIONS)
    if new.num_rows:
        desk.transaction.append(tables.DELETED_ACCOUNTS, new)
    deleted = desk.all(tables.DELETED_ACCOUNTS)
    if deleted.num_rows:
        members = desk.among(tables.MEMBERSHIP_RUNS, "account_id", pc.unique(new["account_id"]))
        calls = calls.beside(members=members, deleted=deleted)
    change = MEMBERSHIPS.change(
        desk, calls, _sightings(deleted), lambda people: _remembered_links(desk, people)
    )
    if change is not None:
        MEMBERSHIPS.write(desk, change)


def note_groups(desk: Desk, calls: Calls) -> None:
    """Add what group `calls` say to `group_runs`."""
    change = GROUPS.change(
        desk, calls, said.GROUPS, lambda people: _remembered_groups(desk, people)
    )
    if change is not None:
        GROUPS.write(desk, change)


def _sightings(deleted: pa.Table) -> str:
    return LINKS_AND_ENDS if deleted.num_rows else said.LINKS


def _remembered_links(desk: Desk, people: pa.Array) -> pa.Table:
    deleted = desk.all(tables.DELETED_ACCOUNTS)
    members = desk.among(tables.MEMBERSHIP_RUNS, "person", people)
    calls = desk.remembered(SENDER, people).beside(members=members, deleted=deleted)
    return calls.table(_sightings(deleted))


def _remembered_groups(desk: Desk, people: pa.Array) -> pa.Table:
    return desk.remembered(SENDER, people).table(said.GROUPS)
