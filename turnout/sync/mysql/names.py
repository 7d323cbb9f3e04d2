"""Names as MySQL writes them, whatever is in them."""

from __future__ import annotations

from turnout.sync.selection import DEFAULT_SCHEMA, SelectedTable


def quoted(name: str) -> str:
    """`name` as an identifier."""
    return "`" + name.replace("`", "``") + "`"


def database_of(table: SelectedTable, database: str) -> str:
    """Where the table is: a name without a schema means the url's own `database`."""
    return database if table.schema == DEFAULT_SCHEMA else table.schema


def qualified(table: SelectedTable, database: str) -> str:
    """The table's quoted name with its database."""
    return f"{quoted(database_of(table, database))}.{quoted(table.name)}"
