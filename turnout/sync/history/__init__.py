"""Every version of a row: `<table>_history` says from when until when it held.

It has the copied table's key and its tracked columns, `valid_from`, `valid_to` and `assumed`. A
version holds from `valid_from` on and no longer at `valid_to`; the one that holds now ends at
`OPEN_END`, never NULL, so that a join as of any instant is a hash join. Per key no two versions
overlap. `assumed` marks a version that may have begun otherwise than it says: the first that was
ever seen of a row is taken to hold since its `created_at`, or since 1970.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from datetime import datetime

from turnout.errors import ConfigError
from turnout.sync.history.statements import (
    BEGINNING,
    EVENT_COLUMNS,
    IS_NEW,
    OPEN_END,
    VALIDITY,
    History,
    Statements,
)
from turnout.sync.selection import SelectedTable
from turnout.sync.widening import common, widens
from turnout.warehouse import Column, Table, Transaction, Type, Warehouse, staging

__all__ = [
    "BEGINNING",
    "OPEN_END",
    "History",
    "begin_anew",
    "forget_values",
    "from_changes",
    "from_copy",
    "from_deletes",
    "history_name",
    "history_of",
]
SUFFIX = "_history"


def history_of(warehouse: Warehouse, copied: Table, selected: SelectedTable) -> History | None:
    """The history of `copied` (its key must be set), where the selection asks for one.

    Raises `ConfigError` when it cannot be kept.
    """
    settings = selected.settings
    if not settings.history:
        return None
    _check(copied, selected)
    tracked = [
        column
        for column in copied.columns
        if column.name not in copied.key
        and (
            not settings.tracked
            or column.name in settings.tracked
            # Whoever is forgotten is found in every version by it.
            or column.name == settings.person
        )
    ]
    key = [column for column in copied.columns if column.name in copied.key]
    name = history_name(copied.name)
    there = next((one for one in warehouse.tables(copied.schema) if one.name == name), None)
    columns = tuple(_as_wide(column, there) for column in (*key, *tracked))
    return History(
        warehouse.dialect,
        copied,
        Table(copied.schema, name, (*columns, *VALIDITY), copied.key),
        there,
        tuple(column.name for column in tracked),
        settings.created_at,
        erases=settings.deleted_history == "erase",
    )


def history_name(table: str) -> str:
    """What the history of a copied table is called."""
    return f"{table}{SUFFIX}"


def from_copy(
    transaction: Transaction, history: History, staged: Table, at: datetime, *, whole: bool
) -> None:
    """Versions out of the rows in the warehouse table `staged`, as they were `at` that instant.

    With `whole` they are all rows there are: those that are missing have gone.
    """
    said = Statements(history)
    if history.there is None:
        _prepare(transaction, history)
        transaction.execute(said.first_versions(staged, at))
        return
    _prepare(transaction, history)
    if whole:
        from_deletes(transaction, history, staged, at)
    versions = _versions(transaction, history)
    transaction.execute(said.new_versions(staged, at))
    transaction.execute(said.not_before_the_last(at))
    transaction.execute(said.without_replaced())
    transaction.execute(said.close())
    transaction.execute(said.open())
    transaction.drop(versions)


def begin_anew(transaction: Transaction, history: History, staged: Table, at: datetime) -> None:
    """Every version ends, and the rows in `staged` begin new ones: they have another key now."""
    if history.there is not None:
        _prepare(transaction, history)
        for statement in Statements(history).close_all(at):
            transaction.execute(statement)
        # What they were before is in the versions that have ended.
        history = replace(history, created_at="")
    from_copy(transaction, history, staged, at, whole=False)
    if history.erases:
        transaction.execute(Statements(history).erase_missing(staged))


def from_deletes(transaction: Transaction, history: History, keys: Table, at: datetime) -> None:
    """Close, or erase, the versions of rows whose keys are not in the warehouse table `keys`."""
    _prepare(transaction, history)
    said = Statements(history)
    if history.erases:
        transaction.execute(said.erase_missing(keys))
        return
    for statement in said.close_missing(keys, at):
        transaction.execute(statement)


def from_changes(transaction: Transaction, history: History, staged: Table) -> None:
    """Versions out of changes in the warehouse table `staged`, each at its commit.

    It has `_op`, `_order` and `_at` as `source.Changes` says, and the copied table's columns,
    treated and with no unchanged value left out. Every change that changes something begins a
    version; of those with one commit time the last counts. A change from before the open
    version's beginning (a log read twice) counts from that beginning on.
    """
    said = Statements(history)
    _prepare(transaction, history)
    events = replace(said.events, columns=(*history.table.columns, *EVENT_COLUMNS), key=())
    transaction.drop(events)
    transaction.prepare(events)
    versions = _versions(transaction, history)
    transaction.execute(said.changed(staged))
    if transaction.execute(said.emptyings(staged))["n"][0].as_py():
        # It looks at every row there is, which no other change does.
        transaction.execute(said.emptied(staged))
    for statement in (
        said.not_before_what_is_there(),
        said.open_before(),
        said.versions_of_events(),
        said.without_open(),
        said.open(),
    ):
        transaction.execute(statement)
    if history.erases:
        transaction.execute(said.erase_gone())
    transaction.drop(versions)
    transaction.drop(events)


def forget_values(transaction: Transaction, history: History, columns: Collection[str]) -> History:
    """Empty `columns` of all versions: they are not to be read in that way any more."""
    there = history.there
    if there is None:
        return history
    name = history.dialect.table(there.schema, there.name)
    left = [column for column in there.columns if column.name not in columns]
    for column in there.columns:
        if column not in left:
            quoted = history.dialect.identifier(column.name)
            transaction.execute(f"ALTER TABLE {name} DROP COLUMN IF EXISTS {quoted}")
    return replace(history, there=replace(there, columns=tuple(left)))


def _check(copied: Table, selected: SelectedTable) -> None:
    settings = selected.settings
    if not copied.key:
        raise ConfigError(
            f"'{selected.label}' has no key, so no history can be kept of it.",
            hint="Name the columns that tell its rows apart in 'key', and select them.",
        )
    taken = {column.name for column in VALIDITY}
    if clash := next((one for one in copied.columns if one.name.casefold() in taken), None):
        raise ConfigError(
            f"The history of '{selected.label}' has a column '{clash.name}' of its own.",
            hint="Leave that column out, or keep no history of this table.",
        )
    for name in (*settings.tracked, *filter(None, [settings.created_at])):
        if copied.column(name) is None:
            raise ConfigError(
                f"The history of '{selected.label}' names '{name}', which is not copied.",
                hint=f"Copied are: {', '.join(column.name for column in copied.columns)}.",
            )
    created = copied.column(settings.created_at)
    if created is not None and created.type not in (Type.TIME, Type.DATE):
        raise ConfigError(
            f"'{selected.label}.{created.name}' says no time, so no version can begin at it.",
            hint="Name a column with a time or a date in 'created_at'.",
        )


def _as_wide(column: Column, there: Table | None) -> Column:
    """The column as the history holds it: its older values stay, whatever has become of it."""
    before = there.column(column.name) if there else None
    return column if before is None else common(before, column)


def _prepare(transaction: Transaction, history: History) -> None:
    kept = {column.name for column in history.table.columns}
    gone = (
        [one.name for one in history.there.columns if one.name not in kept] if history.there else []
    )
    # What is not selected any more must not stay.
    history = forget_values(transaction, history, gone)
    for column in history.table.columns:
        before = history.there.column(column.name) if history.there else None
        if before is not None and before != column and widens(before, column):
            transaction.widen(history.table, column)
    transaction.prepare(history.table)


def _versions(transaction: Transaction, history: History) -> Table:
    """An empty table for new versions."""
    versions = replace(staging(history.table, "versions"), key=())
    transaction.drop(versions)
    transaction.prepare(replace(versions, columns=(*versions.columns, IS_NEW)))
    return versions
