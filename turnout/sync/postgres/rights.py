"""What a role can do beyond what the selection needs, and what the server is: as sentences."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import psycopg

from turnout.sync.postgres.catalogue import Catalogue
from turnout.sync.postgres.grants import grants, revokes
from turnout.sync.selection import SelectedTable

# So many names are listed in one sentence.
NAMES_MAX = 12
LAG_S_MAX = 300

ROLE = "SELECT rolsuper, rolreplication, rolbypassrls FROM pg_roles WHERE rolname = current_user"
SERVER = """
SELECT pg_is_in_recovery(), EXISTS (SELECT FROM pg_stat_wal_receiver),
       pg_is_in_recovery() AND pg_is_wal_replay_paused(),
       pg_last_wal_receive_lsn() = pg_last_wal_replay_lsn(),
       extract(epoch FROM now() - pg_last_xact_replay_timestamp())::float8
"""


def more_than_needed(
    connection: psycopg.Connection[Any], catalogue: Catalogue, selection: Sequence[SelectedTable]
) -> Iterator[str]:
    """Every right of the role that copying does not need."""
    role = catalogue.role
    is_superuser, is_replicator, _ = connection.execute(ROLE).fetchone() or (False, False, False)
    if is_superuser:
        yield (
            f"The role '{role}' is a superuser: it can read and change everything. "
            f"Make one that reads only the selection: {_new_role(selection)}"
        )
        return
    if is_replicator:
        yield (
            f"The role '{role}' may replicate, and so read every column of every table. "
            f'Run on the leader: ALTER ROLE "{role}" NOREPLICATION;'
        )
    yield from _other_tables(catalogue, selection)
    for table in selection:
        yield from _other_columns(catalogue, table)


def about_server(connection: psycopg.Connection[Any], place: str) -> Iterator[str]:
    """What a reader should know of the server itself."""
    follower, receives, paused, caught_up, behind_s = connection.execute(SERVER).fetchone() or (
        (False,) * 5
    )
    if not follower:
        yield f"{place} is not a follower: copies add to the load of the leader itself."
    elif paused:
        yield f"{place} has paused replaying: its data does not get newer."
    elif not receives:
        yield f"{place} receives nothing from its leader: its data does not get newer."
    elif not caught_up and (behind_s or 0) > LAG_S_MAX:
        yield f"{place} is {behind_s:.0f} s behind its leader."
    host = connection.info.hostaddr or connection.info.host
    if not connection.pgconn.ssl_in_use and not host.startswith(("127.", "::1", "/")):
        yield f"{place} is reached without TLS. Add sslmode=verify-full to its url."


def _new_role(selection: Sequence[SelectedTable]) -> str:
    create = "CREATE ROLE turnout LOGIN NOINHERIT CONNECTION LIMIT 4 PASSWORD '…';"
    return " ".join([create, *grants(selection, "turnout")])


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
    extra = [
        name
        for name, column in found.columns.items()
        if column.may_read and name not in table.columns
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
