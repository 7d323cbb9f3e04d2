"""What is wrong with a selection, what a role can do beyond it, what the servers are: sentences."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing
from typing import Any

import psycopg

from turnout import config
from turnout.errors import TurnoutError
from turnout.sync.postgres.address import Address, addresses
from turnout.sync.postgres.catalogue import Catalogue, FoundTable, read_catalogue
from turnout.sync.postgres.connection import connect
from turnout.sync.postgres.errors import explained
from turnout.sync.postgres.grants import (
    columns_needed,
    grants,
    new_role,
    revokes,
    system_grant,
)
from turnout.sync.postgres.names import qualified, quoted
from turnout.sync.postgres.pieces import PIECE_BLOCKS
from turnout.sync.postgres.server import read_standing, unfit
from turnout.sync.selection import SelectedTable

# So many names are listed in one sentence.
NAMES_MAX = 12

ROLE = """
SELECT rolsuper, rolreplication, rolbypassrls, rolcreaterole, rolcreatedb
FROM pg_roles WHERE rolname = current_user
"""
# Seeing all sessions' starts is what a cursor's bound is made of.
MEMBERSHIPS = """
SELECT g.rolname::text FROM pg_auth_members m
    JOIN pg_roles g ON g.oid = m.roleid JOIN pg_roles r ON r.oid = m.member
WHERE r.rolname = current_user AND g.rolname <> 'pg_read_all_stats' ORDER BY 1
"""
SCHEMAS = """
SELECT nspname::text FROM pg_namespace
WHERE nspname !~ '^pg_' AND nspname <> 'information_schema'
  AND has_schema_privilege(oid, 'CREATE') ORDER BY 1
"""


def check(source: config.Source, selection: Sequence[SelectedTable]) -> Iterator[str]:
    """All there is to say of every server; of the rights, as the first that answers says them."""
    errors: list[TurnoutError] = []
    candidates = addresses(source)
    rights_told = False
    for address in candidates:
        if address.warning:
            yield address.warning
        try:
            sentences = list(_about(address, source, () if rights_told else selection))
        except TurnoutError as error:
            errors.append(error)
            continue
        yield from sentences
        rights_told = True
    if not rights_told:
        raise errors[0]
    yield from map(str, errors)


def _about(
    address: Address, source: config.Source, selection: Sequence[SelectedTable]
) -> Iterator[str]:
    with (
        explained(address.url),
        closing(
            connect(
                address, statement_s_max=source.statement_s_max, idle_s_max=source.snapshot_s_max
            )
        ) as connection,
    ):
        if selection:
            catalogue = read_catalogue(connection, selection)
            for table in selection:
                yield from map(str, catalogue.problems(table))
            yield from more_than_needed(
                connection,
                catalogue,
                selection,
                needs_replication=source.log_by == "replication" and _any_log(selection),
            )
            yield from _less_than_wished(catalogue, selection)
        yield from _about_server(connection, address, source)


def more_than_needed(
    connection: psycopg.Connection[Any],
    catalogue: Catalogue,
    selection: Sequence[SelectedTable],
    *,
    needs_replication: bool = False,
) -> Iterator[str]:
    """Every right of the role that copying does not need."""
    role = catalogue.role
    is_superuser, is_replicator, *others = connection.execute(ROLE).fetchall()[0]
    if is_superuser:
        statements = " ".join([*new_role("turnout"), *grants(selection, "turnout")])
        yield (
            f"The role '{role}' is a superuser: it can read and change everything. "
            f"Make one that reads only the selection: {statements}"
        )
        return
    if is_replicator and not needs_replication:
        yield (
            f"The role '{role}' may replicate, and so read every column of every table. "
            f"Run on the leader: ALTER ROLE {quoted(role)} NOREPLICATION;"
        )
    for has, word in zip(others, ("BYPASSRLS", "CREATEROLE", "CREATEDB"), strict=True):
        if word == "BYPASSRLS" and _meets_policies(catalogue, selection):
            continue
        if has:
            yield (
                f"The role '{role}' has {word}, which copying does not need. "
                f"Run on the leader: ALTER ROLE {quoted(role)} NO{word};"
            )
    for (group,) in connection.execute(MEMBERSHIPS):
        yield (
            f"The role '{role}' is a member of '{group}' and has its rights. "
            f"Run on the leader: REVOKE {quoted(group)} FROM {quoted(role)};"
        )
    if schemas := [name for (name,) in connection.execute(SCHEMAS)]:
        yield f"The role '{role}' can also make tables, in the schemas {_listed(schemas)}."
    yield from _other_tables(catalogue, selection)
    for table in selection:
        yield from _other_columns(catalogue, table)


def _meets_policies(catalogue: Catalogue, selection: Sequence[SelectedTable]) -> bool:
    tables = map(catalogue.get, selection)
    return any(found is not None and found.details.has_policies for found in tables)


def _any_log(selection: Sequence[SelectedTable]) -> bool:
    return any(table.settings.mode == "log" for table in selection)


def _less_than_wished(catalogue: Catalogue, selection: Sequence[SelectedTable]) -> Iterator[str]:
    """Rights without which the copy does not work, or works worse."""
    for table in selection:
        found = catalogue.get(table)
        if found is not None and found.details.has_policy:
            yield (
                f"A row policy hides rows of '{table.label}' from the role '{catalogue.role}': it "
                "is not copied, for it would be copied in part. Select a view of it that its owner "
                "made, or let the role see all rows of its columns. "
                f"Run on the leader: ALTER ROLE {quoted(catalogue.role)} BYPASSRLS;"
            )
        if found is None or not _is_large(found):
            continue
        if not (found.has_places and found.has_xmin):
            yield (
                f"The table '{table.label}' is large: a reading of it that is cut off begins at "
                "its first row again, unless the role may see where rows lie. "
                f"Run on the leader: {system_grant(table, catalogue.role)}"
            )
        cursor = table.settings.cursor
        if cursor in found.columns and cursor not in found.details.indexed:
            yield (
                f"The cursor '{cursor}' of '{table.label}' has no index: every copy looks at every "
                f"row. Run on the leader: CREATE INDEX ON {qualified(table)} ({quoted(cursor)});"
            )


def _is_large(found: FoundTable) -> bool:
    return found.details.is_heap and found.details.blocks_estimated > PIECE_BLOCKS


def _about_server(
    connection: psycopg.Connection[Any], address: Address, source: config.Source
) -> Iterator[str]:
    """What a reader should know of the server itself."""
    standing = read_standing(connection)
    place = address.place
    if not standing.is_follower:
        if not source.accept_leader:
            yield f"{place} is not a follower: copies add to the load of the leader itself."
    elif problem := unfit(standing, address, source.lag_max_s):
        yield str(problem)
    elif not standing.receives:
        yield f"{place} receives nothing from its leader: its data does not get newer."
    if not connection.pgconn.ssl_in_use and not address.is_local:
        yield f"{place} is reached without TLS. Add sslmode=verify-full to its url."


def _other_tables(catalogue: Catalogue, selection: Sequence[SelectedTable]) -> Iterator[str]:
    selected = {(table.schema, table.name) for table in selection}
    readable = [
        found.selected.label
        for key, found in catalogue.tables.items()
        if found.may_read and key not in selected
    ]
    if readable:
        yield f"The role '{catalogue.role}' can also read tables not selected: {_listed(readable)}."
    changeable = [found.selected.label for found in catalogue.tables.values() if found.may_write]
    if changeable:
        yield f"The role '{catalogue.role}' can also change tables: {_listed(changeable)}."


def _other_columns(catalogue: Catalogue, table: SelectedTable) -> Iterator[str]:
    found = catalogue.get(table)
    if found is None or not found.may_enter:
        return
    needed = columns_needed(table)
    extra = [
        name for name, column in found.columns.items() if column.may_read and name not in needed
    ]
    if extra:
        names = _listed([f"{table.label}.{name}" for name in extra])
        statements = " ".join(revokes(table, extra, catalogue.role))
        yield (
            f"The role '{catalogue.role}' can also read columns not selected: {names}. "
            f"Run on the leader: {statements}"
        )


def _listed(names: Sequence[str]) -> str:
    rest = len(names) - NAMES_MAX
    return ", ".join(sorted(names)[:NAMES_MAX]) + (f" and {rest} more" if rest > 0 else "")
