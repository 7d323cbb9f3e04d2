"""Where rows wait until a whole run is complete; empty before a run and after it."""

from __future__ import annotations

from collections.abc import Iterable

from turnout.warehouse import Table, Transaction, Warehouse, staging
from turnout.warehouse.table import STAGING

ROWS, KEYS = "rows", "keys"


def staged(source: str, target: Table, part: str) -> Table:
    """Where a `part` of what `source` has for the table `target` waits."""
    return staging(target, f"{source} {part}")


def drop_staged(transaction: Transaction, source: str, targets: Iterable[Table]) -> None:
    """Remove what waits for these tables."""
    for target in targets:
        for part in (ROWS, KEYS):
            transaction.drop(staged(source, target, part))


def drop_staging(warehouse: Warehouse) -> None:
    """Remove everything that a process which was killed has left waiting.

    Only for whoever has just opened the warehouse: a copy that runs would lose its rows.
    """
    found = warehouse.query(
        "SELECT table_schema, table_name FROM information_schema.tables "
        "WHERE substr(table_name, 1, ?) = ?",
        [len(STAGING), STAGING],
    ).to_pylist()
    if not found:
        return
    with warehouse.transaction() as transaction:
        for row in found:
            transaction.drop(Table(row["table_schema"], row["table_name"], ()))
