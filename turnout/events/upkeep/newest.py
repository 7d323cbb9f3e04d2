"""Users made anew from all identifies, and accounts from all groups, inside the warehouse."""

from __future__ import annotations

from turnout.events import layout
from turnout.events.loading.latest import latest_columns_sql, latest_table
from turnout.warehouse import Dialect, Table, Transaction


def rebuild_newest(transaction: Transaction, dialect: Dialect, calls: Table) -> None:
    """Replace all rows of the table that follows from `calls`."""
    table = latest_table(calls)
    _, who = layout.LATEST[calls.name]
    name = dialect.table(table.schema, table.name)
    transaction.prepare(table)
    transaction.execute(f"DELETE FROM {name}")
    transaction.execute(
        f"INSERT INTO {name} BY NAME SELECT who AS id, {latest_columns_sql(calls)} FROM ("
        f"SELECT {dialect.identifier(who)} AS who, id AS call_id, * EXCLUDE (id) "
        f"FROM {dialect.table(calls.schema, calls.name)} "
        f"WHERE {dialect.identifier(who)} IS NOT NULL) GROUP BY who"
    )
