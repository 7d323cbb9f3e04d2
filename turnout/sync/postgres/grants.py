"""The statements an operator runs so that a role can read the selection, and nothing else."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from turnout.sync.postgres.names import listed, qualified, quoted
from turnout.sync.selection import SelectedTable

# So many connections are enough for one copy and a look besides.
CONNECTIONS_MAX = 4


def new_role(role: str, password: str = "…") -> list[str]:  # noqa: S107 - to be replaced
    """Statements that make a role which may sign in, and of itself do nothing."""
    secret = password.replace("'", "''")
    attributes = f"LOGIN NOINHERIT CONNECTION LIMIT {CONNECTIONS_MAX} PASSWORD '{secret}'"
    return [
        f"CREATE ROLE {quoted(role)} {attributes};",
        f"ALTER ROLE {quoted(role)} SET default_transaction_read_only = on;",
    ]


def grants(selection: Sequence[SelectedTable], role: str) -> list[str]:
    """Exact column-level GRANT statements for `role`, schema by schema, table by table."""
    schemas = dict.fromkeys(table.schema for table in selection)
    return [
        *(f"GRANT USAGE ON SCHEMA {quoted(name)} TO {quoted(role)};" for name in schemas),
        *(_grant(table, role) for table in selection),
    ]


def revokes(table: SelectedTable, columns: Sequence[str], role: str) -> list[str]:
    """Statements that leave `role` only the selected columns of `table`.

    A table-level right covers every column and cannot be narrowed, so it goes first.
    """
    return [
        f"REVOKE SELECT ON {qualified(table)} FROM {quoted(role)};",
        f"REVOKE SELECT ({listed(columns)}) ON {qualified(table)} FROM {quoted(role)};",
        _grant(table, role),
    ]


def system_grant(table: SelectedTable, role: str) -> str:
    """Lets `role` see where rows lie and which transaction wrote them: for large tables."""
    return f"GRANT SELECT (ctid, xmin) ON {qualified(table)} TO {quoted(role)};"


def columns_needed(table: SelectedTable) -> list[str]:
    """The columns that statements about the table name: those selected, and those of `where`."""
    return list(dict.fromkeys([*table.columns, *_columns_of(table.settings.where)]))


def _grant(table: SelectedTable, role: str) -> str:
    columns = listed(columns_needed(table))
    if table.settings.mode == "xmin":
        columns += ", ctid, xmin"
    return f"GRANT SELECT ({columns}) ON {qualified(table)} TO {quoted(role)};"


def _columns_of(where: str) -> Iterator[str]:
    """The columns a condition names; none of one that cannot be understood here."""
    if not where:
        return
    import sqlglot

    try:
        condition = sqlglot.parse_one(f"SELECT 1 WHERE {where}", dialect="postgres")
    except sqlglot.errors.SqlglotError:
        return
    for column in condition.find_all(sqlglot.exp.Column):
        # As PostgreSQL reads names: without quotes, in lower case.
        yield column.name if column.this.quoted else column.name.lower()
