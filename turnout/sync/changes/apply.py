"""Changes of one table, applied within a transaction of the warehouse: delete, then insert."""

from __future__ import annotations

from dataclasses import dataclass, replace

import pyarrow as pa
import pyarrow.compute as pc

from turnout.sync.changes.reduce import (
    AT,
    GONE,
    MOVED,
    OPERATION,
    ORDER,
    gone,
    last_of_each,
    since_emptied,
    written,
)
from turnout.sync.changes.unchanged import filled
from turnout.sync.history import History, from_changes
from turnout.warehouse import Column, Dialect, Table, Transaction, Type, staging

EVENT = (Column(OPERATION, Type.INTEGER), Column(ORDER, Type.INTEGER), Column(AT, Type.TIME))


@dataclass(frozen=True, slots=True)
class Target:
    """A copied table, whose key and columns are set, and its history where one is kept."""

    dialect: Dialect
    table: Table
    history: History | None


@dataclass(frozen=True, slots=True)
class Applied:
    """How many rows were written and how many deleted, of those that differ in their key."""

    written: int = 0
    deleted: int = 0


def apply(transaction: Transaction, target: Target, rows: pa.Table) -> Applied | None:
    """Bring the table from before these changes, in the form of `source.Changes`, to after them.

    None when a value that did not change is to be found nowhere: then nothing was done, and the
    table has to be copied whole.
    """
    names = [column.name for column in target.table.columns]
    rows, is_complete = filled(transaction, target.table, names, rows)
    if not is_complete:
        return None
    if target.history is not None:
        _keep_history(transaction, target, rows)
    rows, was_emptied = since_emptied(rows)
    if was_emptied:
        name = target.dialect.table(target.table.schema, target.table.name)
        transaction.execute(f"DELETE FROM {name}")
    last = last_of_each(rows, target.table.key)
    left = written(last).select(names)
    lost = gone(last).select(list(target.table.key))
    deleted = transaction.delete(target.table, lost) if lost.num_rows else 0
    if left.num_rows:
        transaction.merge(target.table, left)
    return Applied(left.num_rows, deleted)


def _keep_history(transaction: Transaction, target: Target, rows: pa.Table) -> None:
    history = target.history
    if history is None:
        return
    staged = replace(
        staging(target.table, "changes"), columns=(*EVENT, *target.table.columns), key=()
    )
    transaction.drop(staged)
    transaction.prepare(staged)
    operations = pc.if_else(pc.equal(rows[OPERATION], MOVED), GONE, rows[OPERATION])
    place = rows.schema.get_field_index(OPERATION)
    transaction.append(staged, rows.set_column(place, OPERATION, operations))
    from_changes(transaction, history, staged)
    transaction.drop(staged)
