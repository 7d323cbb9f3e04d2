"""The publication: which columns of which tables the server itself puts into the change stream.

Its statements are printed for an operator and never run from here.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import psycopg
import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError

from turnout.sync.postgres.functions import function_statements
from turnout.sync.postgres.logged import LoggedTable, problems_of
from turnout.sync.postgres.names import listed, qualified, quoted
from turnout.sync.postgres.pgoutput import is_from
from turnout.sync.selection import SelectedTable

# The first version that publishes some columns only, and some rows.
LISTS_COLUMNS = 150_000

PUBLISHED = """
SELECT schemaname, tablename, attnames::text[], coalesce(rowfilter, '')
FROM pg_publication_tables WHERE pubname = %s
"""
PUBLISHED_WHOLE = """
SELECT schemaname, tablename, NULL, '' FROM pg_publication_tables WHERE pubname = %s
"""
# When each table came into the publication; what was frozen since came long ago.
JOINED = """
SELECT n.nspname, c.relname, pr.xmin::text::bigint
FROM pg_publication_rel pr JOIN pg_publication p ON p.oid = pr.prpubid
    JOIN pg_class c ON c.oid = pr.prrelid JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE p.pubname = %s AND age(pr.xmin) < 2147483647
"""
EXISTS = "SELECT pubviaroot FROM pg_publication WHERE pubname = %s"


@dataclass(frozen=True, slots=True)
class Publication:
    """What the server publishes under this name, table by table. `is_there`, or not at all."""

    name: str
    is_there: bool
    via_root: bool
    # Whether this server can publish some columns and rows only.
    lists_columns: bool
    # By schema and table: the columns, None for all of them, and the condition on the rows.
    tables: Mapping[tuple[str, str], tuple[frozenset[str] | None, str]]
    # By schema and table: the transaction that brought it in.
    joined: Mapping[tuple[str, str], int]
    # Selected tables whose condition is another one than `where` says.
    chosen_otherwise: frozenset[SelectedTable] = frozenset()

    def came_after(self, selected: SelectedTable, xmin: int | None) -> bool:
        """Whether a copy that saw all transactions below `xmin` did not see the table come in.

        What was changed before it came is in no stream; it may have been there before, and left.
        """
        joined = self.joined.get((selected.schema, selected.name))
        return joined is not None and xmin is not None and is_from(joined, xmin)

    def problems_of(self, selected: SelectedTable, found: LoggedTable) -> Iterator[str]:
        """How what is published of the table differs from what is selected."""
        there = self.tables.get((selected.schema, selected.name))
        if there is None:
            yield f"The publication {self.name} does not have the table '{selected.label}'."
            return
        columns, condition = there
        # A list of all columns is given back as one; so is none at all, since nothing differs.
        if columns is not None and columns != set(selected.columns):
            yield (
                f"The publication {self.name} does not have the selected columns of "
                f"'{selected.label}': {_difference(columns, selected.columns)}."
            )
        if bool(condition) != bool(selected.settings.where):
            said = "leaves out rows" if condition else "has no condition on the rows"
            yield f"The publication {self.name} {said} of '{selected.label}', unlike `where`."
        elif selected in self.chosen_otherwise:
            yield (
                f"The publication {self.name} chooses the rows of '{selected.label}' by another "
                "condition than `where`."
            )
        if found.kind == "p" and not self.via_root:
            yield f"The publication {self.name} names partitions, not '{selected.label}' itself."


def read_publication(
    connection: psycopg.Connection[Any], name: str, selection: Sequence[SelectedTable]
) -> Publication:
    """What the server publishes under `name`, beside what is selected."""
    there = connection.execute(EXISTS, [name]).fetchone()
    lists_columns = connection.info.server_version >= LISTS_COLUMNS
    rows = connection.execute(PUBLISHED if lists_columns else PUBLISHED_WHOLE, [name]).fetchall()
    tables = {
        (schema, table): (None if columns is None else frozenset(columns), condition)
        for schema, table, columns, condition in rows
    }
    via_root = bool(there and there[0])
    joined = {(schema, table): xid for schema, table, xid in connection.execute(JOINED, [name])}
    otherwise = frozenset(
        selected
        for selected in selection
        if (found := tables.get((selected.schema, selected.name)))
        and found[1]
        and selected.settings.where
        and not _is_same(connection, selected, found[1])
    )
    return Publication(name, there is not None, via_root, lists_columns, tables, joined, otherwise)


def _is_same(connection: psycopg.Connection[Any], selected: SelectedTable, condition: str) -> bool:
    """Whether `where` chooses rows as the published `condition` does, as the server reads both.

    It writes conditions in its own way: so it is asked how it would look for the rows.
    """
    plans = []
    for each in (condition, f"{selected.settings.where}\n"):
        sql = f"EXPLAIN (COSTS OFF, FORMAT JSON) SELECT FROM {qualified(selected)} WHERE ({each})"
        try:
            plans.append(connection.execute(sql).fetchall())
        except (psycopg.ProgrammingError, psycopg.DataError):
            return False  # it speaks of what may not be read, or is no condition
    return plans[0] == plans[1]


def log_statements(
    selection: Sequence[SelectedTable],
    role: str,
    slot: str,
    *,
    by: str = "functions",
    published: Publication | None = None,
) -> list[str]:
    """What an administrator runs on the leader, in its database, so that changes can be read.

    Run as a superuser, or as a role that owns the tables and may replicate. What is `published`
    already is changed instead of made.
    """
    lists_columns = published is None or published.lists_columns
    tables = ", ".join(_published(table, lists_columns=lists_columns) for table in selection)
    if published is not None and published.is_there:
        publication = f"ALTER PUBLICATION {quoted(slot)} SET TABLE {tables};"
    else:
        publication = (
            f"CREATE PUBLICATION {quoted(slot)} FOR TABLE {tables} "
            "WITH (publish_via_partition_root = true);"
        )
    if by == "replication":
        return [publication, f"ALTER ROLE {quoted(role)} REPLICATION;"]
    return [publication, *function_statements(slot, role)]


def problem_of(selected: SelectedTable, found: LoggedTable | None, published: Publication) -> str:
    """Why the log does not have the changes of this table; empty when it has."""
    problems = [*problems_of(selected, found)]
    if found is not None and not problems:
        problems += where_problems(selected, found.identity)
        problems += published.problems_of(selected, found)
    return " ".join(problems)


def where_problems(selected: SelectedTable, identity: Sequence[str]) -> Iterator[str]:
    """Why the server cannot leave out rows by `where`, if it cannot.

    Of a row that is changed or deleted the log has the identity only. A condition on anything
    else makes the application's own updates and deletes fail.
    """
    where = selected.settings.where
    if not where:
        return
    try:
        columns = {
            column.name for column in sqlglot.parse_one(where, "postgres").find_all(exp.Column)
        }
    except SqlglotError:
        columns = {""}
    if not columns <= set(identity):
        yield (
            f"The condition on rows of '{selected.label}' may use only the columns that the log "
            f"names its rows by: {', '.join(identity)}. Give the table a REPLICA IDENTITY by a "
            "unique index that has the others too, or choose another mode."
        )


def _published(table: SelectedTable, *, lists_columns: bool) -> str:
    if not lists_columns:
        return qualified(table)
    where = f" WHERE ({table.settings.where})" if table.settings.where else ""
    return f"{qualified(table)} ({listed(table.columns)}){where}"


def _difference(columns: frozenset[str], selected: Sequence[str]) -> str:
    missing = ", ".join(name for name in selected if name not in columns)
    more = ", ".join(sorted(columns - set(selected)))
    said = [f"it lacks {missing}" if missing else "", f"it has also {more}" if more else ""]
    return " and ".join(part for part in said if part)
