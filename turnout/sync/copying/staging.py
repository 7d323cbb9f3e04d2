"""Where rows wait until a whole run is complete; empty before a run and after it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from turnout.warehouse import Table, Warehouse, staging
from turnout.warehouse.table import STAGING

ROWS, KEYS = "rows", "keys"


def staged(source: str, target: Table, part: str) -> Table:
    """Where a `part` of what `source` has for the table `target` waits."""
    return staging(target, f"{source} {part}")


def drop_staged(warehouse: Warehouse, source: str, targets: Iterable[Table]) -> None:
    """Remove what waits for these tables."""
    waiting = {staged(source, target, part).name for target in targets for part in (ROWS, KEYS)}
    _drop(warehouse, [table for table in _found(warehouse) if table.name in waiting])


def drop_staging(warehouse: Warehouse) -> None:
    """Remove everything that a process which was killed has left waiting.

    Only for whoever has just opened the warehouse: a copy that runs would lose its rows.
    """
    _drop(warehouse, _found(warehouse))


def _found(warehouse: Warehouse) -> list[Table]:
    rows = warehouse.query(
        "SELECT table_schema, table_name FROM information_schema.tables "
        "WHERE substr(table_name, 1, ?) = ?",
        [len(STAGING), STAGING],
    ).to_pylist()
    return [Table(row["table_schema"], row["table_name"], ()) for row in rows]


def _drop(warehouse: Warehouse, tables: Sequence[Table]) -> None:
    # A write that changes nothing would make readers a new copy of the warehouse.
    if not tables:
        return
    with warehouse.transaction() as transaction:
        for table in tables:
            transaction.drop(table)
