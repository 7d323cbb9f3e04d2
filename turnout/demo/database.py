"""The pretend company's product database on the leader: made, filled, kept living.

Turnout reads the follower as `turnout_reader`, a role that may SELECT the selected columns and
nothing else: the people's e-mail addresses and names are out of its reach, not just unasked for.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from importlib.resources import files
from typing import Any

import psycopg
from psycopg import sql

from turnout.demo.rows import COLUMNS, KEYS, SELECTION, Row, rows_at
from turnout.demo.world import World

READER = "turnout_reader"

Connection = psycopg.Connection[Any]


def is_filled(connection: Connection) -> bool:
    """Whether the tables are there. They are made and filled in one transaction."""
    row = connection.execute("SELECT to_regclass('public.company') IS NOT NULL").fetchone()
    return bool(row and row[0])


def fill(connection: Connection, world: World, at: datetime) -> int:
    """Make the schema, copy in all rows at that instant, grant the selection; how many rows."""
    with connection.transaction():
        connection.execute((files("turnout.demo") / "schema.sql").read_bytes())
        count = sum(_copy_in(connection, *table) for table in rows_at(world, at).items())
        grant_selection(connection)
    connection.execute("ANALYZE")
    return count


def grant_selection(connection: Connection) -> None:
    """Let the reader SELECT exactly the selected columns. The role must exist."""
    for table, columns in SELECTION.items():
        connection.execute(
            sql.SQL("GRANT SELECT ({}) ON {} TO {}").format(
                _names(columns), sql.Identifier(table), sql.Identifier(READER)
            )
        )


def catch_up(connection: Connection, world: World, since: datetime, until: datetime) -> int:
    """Write what the world changed in (since, until]; harmless to repeat; how many rows."""
    before, now = rows_at(world, since), rows_at(world, until)
    changed = {table: sorted(set(now[table]) - set(before[table]), key=str) for table in now}
    return write(connection, changed)


def write(connection: Connection, rows: Mapping[str, Iterable[Row]]) -> int:
    """Insert or update whole rows, parents before children, in one transaction."""
    count = 0
    with connection.transaction(), connection.cursor() as cursor:
        for table in COLUMNS:
            upsert = _upsert(table)
            for row in rows.get(table, ()):
                cursor.execute(upsert, row)
                count += 1
    return count


def _copy_in(connection: Connection, table: str, rows: Iterable[Row]) -> int:
    statement = sql.SQL("COPY {} ({}) FROM STDIN").format(
        sql.Identifier(table), _names(COLUMNS[table])
    )
    count = 0
    with connection.cursor() as cursor, cursor.copy(statement) as copy:
        for row in rows:
            copy.write_row(row)
            count += 1
    return count


def _upsert(table: str) -> sql.Composed:
    columns = COLUMNS[table]
    return sql.SQL("INSERT INTO {} ({}) VALUES ({}) ON CONFLICT ({}) DO UPDATE SET {}").format(
        sql.Identifier(table),
        _names(columns),
        sql.SQL(", ").join(sql.Placeholder() * len(columns)),
        _names(KEYS[table]),
        sql.SQL(", ").join(
            sql.SQL("{0} = EXCLUDED.{0}").format(sql.Identifier(column)) for column in columns
        ),
    )


def _names(columns: Iterable[str]) -> sql.Composed:
    return sql.SQL(", ").join(map(sql.Identifier, columns))
