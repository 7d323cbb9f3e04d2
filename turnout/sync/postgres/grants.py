"""The statements an operator runs so that a role can read the selection, and nothing else."""

from __future__ import annotations

from collections.abc import Sequence

from turnout.sync.postgres.names import listed, qualified, quoted
from turnout.sync.selection import SelectedTable


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


def _grant(table: SelectedTable, role: str) -> str:
    return f"GRANT SELECT ({listed(table.columns)}) ON {qualified(table)} TO {quoted(role)};"
