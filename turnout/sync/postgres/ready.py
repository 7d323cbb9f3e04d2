"""Whether a server is ready to have its changes followed, and the statements that make it so."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import psycopg

from turnout import config
from turnout.errors import SourceRefused
from turnout.sync.postgres.functions import HEADS
from turnout.sync.postgres.logged import problems_of, read_logged
from turnout.sync.postgres.names import quoted
from turnout.sync.postgres.publication import (
    log_statements,
    read_publication,
    where_problems,
)
from turnout.sync.postgres.slot import check_server, read_slot
from turnout.sync.selection import SelectedTable

MAY_CALL = """
SELECT count(*) FROM unnest(%s::text[]) AS head
WHERE has_schema_privilege(to_regnamespace(%s), 'USAGE')
  AND has_function_privilege(to_regprocedure(%s || '.' || head), 'EXECUTE')
"""
ROLE = "SELECT rolname, rolreplication OR rolsuper FROM pg_roles WHERE rolname = current_user"


def check_log(
    connection: psycopg.Connection[Any],
    slot: str,
    source: config.Source,
    selection: Sequence[SelectedTable],
) -> Iterator[str]:
    """What keeps the tables in the mode log from being followed: sentences, statements included.

    No statement is offered while it would harm: a publication of a table that cannot name its
    rows stops the application's own changes.
    """
    followed = [table for table in selection if table.settings.mode == "log"]
    if not followed:
        return
    found = read_logged(connection, followed)
    problems = [
        problem for table in followed for problem in problems_of(table, found.get(table))
    ] or [problem for table in followed for problem in where_problems(table, found[table].identity)]
    yield from problems
    now = read_slot(connection, slot)
    try:
        check_server(
            connection,
            accept_unlimited=source.accept_unlimited_slot or now.is_there,
            is_follower=now.is_follower,
        )
    except SourceRefused as refused:
        yield str(refused)
    if problems:
        return
    published = read_publication(connection, slot, followed)
    differs = [
        problem
        for table in followed
        for problem in published.problems_of(table, found[table])
        if published.is_there
    ]
    yield from differs
    role, may_replicate = connection.execute(ROLE).fetchall()[0]
    may_read = may_replicate or (source.log_by == "functions" and _may_call(connection, slot))
    if differs or not published.is_there or not may_read:
        statements = log_statements(followed, role, slot, by=source.log_by, published=published)
        yield "So that its changes can be followed, run on the leader: " + " ".join(statements)


def check_left(connection: psycopg.Connection[Any], slot: str) -> Iterator[str]:
    """A slot that is left from when changes were followed: the source keeps its log for nobody."""
    now = read_slot(connection, slot)
    if now.is_there and now.reader_pid is None:
        name = quoted(slot)
        yield (
            f"No table is followed any more, and the source still keeps {now.retained_bytes:,} "
            f"bytes of its log for the slot {slot}. If nobody else reads it, run on the leader: "
            f"SELECT pg_drop_replication_slot('{slot}'); DROP PUBLICATION IF EXISTS {name}; "
            f"DROP SCHEMA IF EXISTS {name} CASCADE;"
        )


def _may_call(connection: psycopg.Connection[Any], slot: str) -> bool:
    values = [list(HEADS), f'"{slot}"', f'"{slot}"']
    return bool(connection.execute(MAY_CALL, values).fetchall()[0][0] == len(HEADS))
