"""What is to be done about one table in one run, before any of its rows is read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import timedelta

from turnout import config
from turnout.sync.copying.choice import choice_of
from turnout.sync.copying.drift import differences, new_columns, refuse_drift, refuse_dropped
from turnout.sync.copying.mode import BY_CURSOR, LOG, compares_keys, cursor_of, mode_of, part_since
from turnout.sync.history import History, history_of
from turnout.sync.privacy.passage import Passage
from turnout.sync.privacy.suppressed import Suppressed
from turnout.sync.selection import SelectedTable
from turnout.sync.source import WHOLE, Part, SourceSnapshot, SourceTable, Whole
from turnout.sync.state import TableState
from turnout.warehouse import Column, Table, Type, Warehouse


@dataclass(frozen=True, slots=True)
class Desire:
    """What one run is about: a source, and how its rows are to be treated."""

    name: str
    source: config.Source
    warehouse: Warehouse
    secret: bytes
    suppressed: Suppressed | None = None
    # Everything is to be copied whole, and what has changed at the source is accepted.
    whole: bool = False

    def target(self, selected: SelectedTable) -> Table:
        """Where a table lies in the warehouse."""
        return Table(self.source.schema, selected.name, ())


@dataclass(frozen=True, slots=True)
class Plan:
    """One table of a run: from where to where, which part of it, and through what."""

    table: SourceTable
    target: Table
    there: Table | None
    passage: Passage
    state: TableState
    choice: str
    mode: str
    part: Part
    history: History | None
    # Passes keys alone, where they are to be compared.
    keys: Passage | None = None
    # Not selected, and new since the last time.
    new_columns: tuple[str, ...] = ()

    @property
    def selected(self) -> SelectedTable:
        return self.table.selected

    @property
    def is_whole(self) -> bool:
        return isinstance(self.part, Whole)


def plan(
    desire: Desire,
    snapshot: SourceSnapshot,
    table: SourceTable,
    state: TableState | None,
    tables: Mapping[str, Table],
) -> Plan:
    """How to copy `table`, after `state`; `tables` are those of the warehouse's schema, by name.

    Raises what keeps this table, and no other, from being copied.
    """
    selected = table.selected
    before = state or TableState(desire.name, desire.source.schema, selected.name)
    refuse_dropped(table, before.shape)
    key = table.shape.key
    passage = Passage(selected, table.columns, desire.secret, desire.suppressed, key=key)
    there = tables.get(selected.name)
    target = replace(
        desire.target(selected), columns=_columns(selected, passage.columns, there), key=key
    )
    if not desire.whole and before.shape is not None and there is not None:
        refuse_drift(desire.name, table, before.shape, passage.columns, there)
    mode = mode_of(table)
    planned = Plan(
        table,
        target,
        there,
        passage,
        before,
        choice_of(selected, desire.secret),
        mode,
        WHOLE,
        history_of(desire.warehouse, target, selected),
        new_columns=new_columns(table, before.shape),
    )
    if mode in BY_CURSOR:
        cursor_of(table)
    if mode == LOG or _needs_whole(desire, snapshot, planned):
        return planned
    part = part_since(table, mode, before, snapshot.instant)
    if isinstance(part, Whole) or not compares_keys(table, mode):
        return replace(planned, part=part)
    columns = [column for column in table.columns if column.name in key]
    return replace(
        planned, part=part, keys=Passage(selected, columns, desire.secret, None, key=key)
    )


def _columns(
    selected: SelectedTable, treated: tuple[Column, ...], there: Table | None
) -> tuple[Column, ...]:
    """In the selection's order; one that is gone at the source stays as it was, and empty."""
    by_name = {column.name: column for column in treated}
    return tuple(
        by_name.get(name) or (there and there.column(name)) or Column(name, Type.TEXT)
        for name in selected.columns
    )


def _needs_whole(desire: Desire, snapshot: SourceSnapshot, planned: Plan) -> bool:
    state = planned.state
    if desire.whole or state.shape is None or state.copied_whole_at is None:
        return True
    oldest = snapshot.as_of - timedelta(seconds=desire.source.whole_every_s)
    return (
        planned.there is None
        or state.server != snapshot.instant.server
        or state.choice != planned.choice
        or state.source_schema != planned.selected.schema
        or state.copied_whole_at <= oldest
        or any(differences(planned.table, state.shape))
        or [column.name for column in planned.there.columns]
        != [column.name for column in planned.target.columns]
    )
