"""The first half of a run: one snapshot of the source, and all that is new in it, landed."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime

from turnout.errors import ConfigError, QueryFailed, SourceRefused, TurnoutError
from turnout.sync.copying.bound import bound
from turnout.sync.copying.guards import refuse_deletes, refuse_lost, refuse_repeats, refuse_shrunk
from turnout.sync.copying.landing import Landed, land
from turnout.sync.copying.mode import BY_CURSOR, cursor_of
from turnout.sync.copying.plan import Desire, Plan, plan
from turnout.sync.copying.settling import Arrival, Settling
from turnout.sync.copying.staging import KEYS, ROWS, staged
from turnout.sync.opening import open_source
from turnout.sync.privacy import scan
from turnout.sync.run import Progress
from turnout.sync.selection import SelectedTable
from turnout.sync.source import Instant, Keys, SourceSnapshot
from turnout.sync.state import TableState
from turnout.warehouse import Table

BEGINNING = datetime.min.replace(tzinfo=UTC)

# What is wrong with one table and keeps no other from being copied.
OF_ONE_TABLE = (ConfigError, SourceRefused, QueryFailed)


class TableRefused(Exception):
    """One table could not be read to its end: the snapshot is spoilt for those after it."""

    def __init__(self, table: SelectedTable, error: TurnoutError) -> None:
        super().__init__(str(error))
        self.table = table
        self.error = error


class Reading:
    """Everything a run reads, and what kept tables out: `problems`."""

    def __init__(
        self,
        desire: Desire,
        tell: Callable[[Progress], None],
        refused: Mapping[SelectedTable, TurnoutError],
        states: Sequence[TableState],
    ) -> None:
        """`refused` are tables that this run has met before and leaves alone."""
        self.problems: dict[SelectedTable, TurnoutError] = dict(refused)
        self.as_of = datetime.now(UTC)
        self.instant = Instant("", "", self.as_of)
        self._desire = desire
        self._tell = tell
        self._states = {state.table: state for state in states if _is_here(desire, state)}

    @property
    def lag_s(self) -> float:
        """How far behind its leader's clock the snapshot was."""
        return max(0.0, (self.instant.now - self.as_of).total_seconds())

    @property
    def settling(self) -> Settling:
        """What the second half of the run needs to know."""
        return Settling(self._desire.name, self.as_of, self.instant, self._desire.warehouse.dialect)

    def state(self, table: SelectedTable) -> TableState:
        """How far `table` was before this run."""
        desire = self._desire
        return self._states.get(table.name) or TableState(
            desire.name, desire.source.schema, table.name, table.schema
        )

    def read(self, tables: Sequence[SelectedTable]) -> list[Arrival]:
        """The tables that may be let in; what is wrong with the others is in `problems`.

        Raises `TableRefused` when it has to be done again without that table.
        """
        wanted = [table for table in tables if table not in self.problems]
        if not wanted:
            self.as_of = min(
                filter(None, (one.as_of for one in self._states.values())), default=self.as_of
            )
            return []
        desire = self._desire
        source = open_source(desire.name, desire.source)
        with source.snapshot(wanted, self._last_instant(wanted)) as snapshot:
            self.as_of, self.instant = snapshot.as_of, snapshot.instant
            for table, sentence in snapshot.problems.items():
                self.problems[table] = SourceRefused(sentence)
            plans = self._plans(snapshot)
            landed = [self._land(snapshot, each, place, plans) for place, each in enumerate(plans)]
        # The source is left in peace; what is asked from here on is asked of our own rows.
        return [arrival for each in landed if (arrival := self._let_in(each)) is not None]

    def _last_instant(self, tables: Sequence[SelectedTable]) -> Instant | None:
        """That of the newest copy of these tables: what comes now must not be older."""
        states = [state for table in tables if (state := self._states.get(table.name))]
        # One that was never copied has a position where its changes are followed from it.
        reached = [(state.as_of or BEGINNING, state) for state in states if state.position]
        if not reached:
            return None
        as_of, state = max(reached, key=lambda pair: pair[0])
        return Instant(state.server, state.position, as_of)

    def _plans(self, snapshot: SourceSnapshot) -> list[Plan]:
        desire = self._desire
        there = {table.name: table for table in desire.warehouse.tables(desire.source.schema)}
        plans = []
        for table in snapshot.tables:
            try:
                state = self._states.get(table.selected.name)
                plans.append(plan(desire, snapshot, table, state, there))
            except OF_ONE_TABLE as error:
                self.problems[table.selected] = error
        return plans

    def _land(
        self, snapshot: SourceSnapshot, planned: Plan, place: int, plans: Sequence[Plan]
    ) -> Arrival:
        def told(rows: int) -> None:
            estimated = planned.table.rows_estimated if planned.is_whole else 0
            self._tell(Progress(planned.selected.label, rows, estimated, place, len(plans)))

        warehouse = self._desire.warehouse
        try:
            largest = _largest_cursor(snapshot, planned)
            rows = snapshot.rows(planned.table, planned.part)
            landed = land(warehouse, rows, planned.passage, self._staged(planned, ROWS), told)
            if planned.keys is None:
                return Arrival(planned, landed, largest)
            rows = snapshot.rows(planned.table, Keys())
            keys = land(
                warehouse,
                rows,
                planned.keys,
                self._staged(planned, KEYS),
                lambda _: told(landed.rows),
            )
            return Arrival(planned, landed, largest, keys)
        except OF_ONE_TABLE as error:
            raise TableRefused(planned.selected, error) from error

    def _staged(self, planned: Plan, part: str) -> Table:
        table = staged(self._desire.name, planned.target, part)
        if part == ROWS:
            return table
        key = tuple(column for column in table.columns if column.name in table.key)
        return replace(table, columns=key, key=())

    def _let_in(self, arrival: Arrival) -> Arrival | None:
        """The arrival, looked through; None when there is a problem with it."""
        desire, planned = self._desire, arrival.plan
        warehouse = desire.warehouse
        landed: list[Landed] = [arrival.rows]
        try:
            refuse_lost(planned, *landed)
            refuse_repeats(warehouse, planned, arrival.rows)
            if planned.is_whole:
                refuse_shrunk(warehouse, planned, arrival.rows)
            deleted = (
                refuse_deletes(warehouse, planned, arrival.keys) if arrival.keys is not None else 0
            )
            findings = scan.scan(
                warehouse.query, warehouse.dialect, arrival.rows.table, planned.selected
            )
            scan.stop_if_found(planned.selected, findings)
        except OF_ONE_TABLE as error:
            self.problems[planned.selected] = error
            return None
        return replace(arrival, deleted=deleted, findings=findings)


def _largest_cursor(snapshot: SourceSnapshot, planned: Plan) -> str | None:
    column = cursor_of(planned.table)
    if planned.mode not in BY_CURSOR or column is None:
        return None
    largest = snapshot.cursor_max(planned.table)
    if largest is not None:
        bound(column, largest, planned.selected.settings)  # said now, not by the next copy
    return largest


def _is_here(desire: Desire, state: TableState) -> bool:
    """A table that was copied to another schema is not this one."""
    return state.schema == desire.source.schema
