"""The derived tables: what has been learned about persons and accounts so far.

A *run* is a stretch of time in which a history shows one value and no other: of an anonymous id
its user, of a person and an account whether they belong together, of a person the last group.
"""

from __future__ import annotations

from datetime import datetime

from turnout.events import layout
from turnout.warehouse import Column, Table, Type

SCHEMA = "turnout"

# Half-open intervals `[since, until)` that have no beginning or no end begin or end here.
BEGINNING = datetime(1, 1, 1)  # noqa: DTZ001 -- warehouse times are UTC and say no zone
FOREVER = datetime(9999, 12, 31)  # noqa: DTZ001 -- as above

_SEEN = (Column("first_seen_at", Type.TIME), Column("last_seen_at", Type.TIME))
_SPAN = (Column("since", Type.TIME), Column("until", Type.TIME))
# Whoever sent a call: a user id, or the anonymous id of a call without one.
_PERSON = (Column("person", Type.TEXT), Column("is_anonymous", Type.BOOLEAN))

# An anonymous event at a time in `[since, until)` is its user's. NULL: the id is left out.
IDENTITY_RUNS = Table(
    layout.BOOKS,
    "identity_runs",
    (Column("anonymous_id", Type.TEXT), Column("user_id", Type.TEXT), *_SEEN, *_SPAN),
)
MEMBERSHIP_RUNS = Table(
    layout.BOOKS,
    "membership_runs",
    (
        *_PERSON,
        Column("account_id", Type.TEXT),
        Column("has_left", Type.BOOLEAN),
        Column("via", Type.TEXT),
        *_SEEN,
    ),
)
GROUP_RUNS = Table(layout.BOOKS, "group_runs", (*_PERSON, Column("account_id", Type.TEXT), *_SEEN))
DELETED_ACCOUNTS = Table(
    layout.BOOKS,
    "deleted_accounts",
    (Column("account_id", Type.TEXT), Column("deleted_at", Type.TIME)),
    key=("account_id", "deleted_at"),
)
# Ids that came and mean nobody, such as 'undefined'.
ILLEGAL_IDS = Table(layout.BOOKS, "illegal_ids", (Column("id", Type.TEXT),), key=("id",))
# Users with so many anonymous ids that none of them says anything.
LEFT_OUT_USERS = Table(
    layout.BOOKS, "left_out_users", (Column("user_id", Type.TEXT),), key=("user_id",)
)
USER_ALIASES = Table(
    SCHEMA,
    "user_aliases",
    (Column("previous_id", Type.TEXT), Column("user_id", Type.TEXT), *_SEEN),
    key=("previous_id", "user_id"),
)
USER_MERGES = Table(
    SCHEMA,
    "user_merges",
    (Column("user_id", Type.TEXT), Column("resolved_user_id", Type.TEXT)),
    key=("user_id",),
)

# The views as they were created last: name and SELECT.
DEFINITIONS = Table(
    layout.BOOKS,
    "view_definitions",
    (Column("name", Type.TEXT), Column("definition", Type.TEXT)),
    key=("name",),
)

# What follows from the stored events.
LEARNED = (
    IDENTITY_RUNS,
    MEMBERSHIP_RUNS,
    GROUP_RUNS,
    DELETED_ACCOUNTS,
    ILLEGAL_IDS,
    LEFT_OUT_USERS,
    USER_ALIASES,
    USER_MERGES,
)
TABLES = (*LEARNED, DEFINITIONS)
