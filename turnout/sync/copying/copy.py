"""One copy of a source: every selected table at one instant, let in together or not at all."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime

from turnout import config
from turnout.errors import ConfigError, SourceUnavailable, TurnoutError
from turnout.sync.copying.mode import is_by_log
from turnout.sync.copying.plan import Desire
from turnout.sync.copying.reading import Reading, TableRefused
from turnout.sync.copying.settling import remember_problems, remove, settle
from turnout.sync.copying.staging import drop_staged
from turnout.sync.history import history_name
from turnout.sync.privacy.suppressed import Suppressed
from turnout.sync.run import Progress, Run, record, record_failure
from turnout.sync.selection import SelectedTable, selected_tables
from turnout.sync.state import TableState, read_states, write_states
from turnout.sync.turn import copying
from turnout.warehouse import Warehouse

# Whoever waits looks this often whether to go on waiting.
LOOK_EVERY_S = 0.2

Tell = Callable[[Progress], None]


def copy(  # noqa: PLR0913 - what, where to, and how
    name: str,
    source: config.Source,
    warehouse: Warehouse,
    *,
    secret: bytes,
    suppressed: Suppressed | None = None,
    progress: Tell | None = None,
    whole: bool = False,
    retries: int | None = None,
) -> Run:
    """Copy the selection of the source `name` and say what was copied.

    Tables whose changes are captured are left to that; with `whole` they are copied anew by it.
    A run that was cut off is begun again `retries` times, or as often as its settings say;
    `progress` is called while it waits, and may raise `Stopped`.
    A table that cannot be copied stays as it was, with its reason in the run. When nothing could
    be copied the run is remembered with its error, and that is raised: `SourceUnavailable` (a
    later run may succeed), `SourceRefused` or `ConfigError` (an operator must act).
    """
    desire = Desire(name, source, warehouse, secret, suppressed, whole)
    return _Copying(desire, progress or _silent, retries).run(None)


def copy_whole(  # noqa: PLR0913 - what, where to, and how
    name: str,
    source: config.Source,
    warehouse: Warehouse,
    tables: Collection[SelectedTable],
    *,
    secret: bytes,
    suppressed: Suppressed | None = None,
    progress: Tell | None = None,
) -> Run:
    """Copy just these `tables` of the selection whole: what capturing their changes begins with."""
    desire = Desire(name, source, warehouse, secret, suppressed, whole=True)
    return _Copying(desire, progress or _silent).run(tables)


def _silent(_: Progress) -> None:
    """For callers that watch nothing."""


class _Copying:
    """One run. Nobody else copies the same source into the same warehouse meanwhile."""

    def __init__(self, desire: Desire, tell: Tell, retries: int | None = None) -> None:
        self._desire = desire
        self._retries = desire.source.retries if retries is None else retries
        self._warehouse = desire.warehouse
        self._tell = tell
        self._started_at = datetime.now(UTC)
        self._selection: tuple[SelectedTable, ...] = ()
        self._refused: dict[SelectedTable, TurnoutError] = {}

    def run(self, only: Collection[SelectedTable] | None) -> Run:
        """Copy `only` these tables, or all that are not captured."""
        try:
            # A second copy would write into the same staging tables.
            with copying(self._warehouse, self._desire.name, lambda _: self._tell_waiting(0.0)):
                self._selection = _selection(self._desire)
                return self._tried_again(
                    [
                        table
                        for table in self._selection
                        if (not is_by_log(table) if only is None else table in only)
                    ]
                )
        except TurnoutError as error:
            # Where not even this can be written, the error itself says more.
            with suppress(TurnoutError), self._warehouse.transaction() as transaction:
                record_failure(transaction, self._desire.name, self._started_at, error)
            raise

    def _tried_again(self, tables: Sequence[SelectedTable]) -> Run:
        """What passes is tried again, each time with a new snapshot and after a longer pause."""
        for attempt in range(self._retries):
            try:
                return self._without_refused(tables)
            except SourceUnavailable:
                self._pause(self._desire.source.retry_after_s * 2**attempt)
        return self._without_refused(tables)

    def _without_refused(self, tables: Sequence[SelectedTable]) -> Run:
        while True:
            try:
                return self._once(tables)
            except TableRefused as refused:
                self._refused[refused.table] = refused.error

    def _once(self, tables: Sequence[SelectedTable]) -> Run:
        states = read_states(self._warehouse, self._desire.name)
        reading = Reading(self._desire, self._tell, self._refused, states)
        self._drop_staged(tables)
        try:
            return self._settled(reading, tables, states)
        finally:
            with suppress(TurnoutError):
                self._drop_staged(tables)

    def _settled(
        self, reading: Reading, tables: Sequence[SelectedTable], states: Sequence[TableState]
    ) -> Run:
        arrivals = reading.read(tables)
        gone = self._not_selected(states)
        with self._warehouse.transaction() as transaction:
            remember_problems(
                transaction,
                [reading.state(table) for table in reading.problems],
                {table.name: error for table, error in reading.problems.items()},
            )
            remove(transaction, gone)
            write_states(transaction, self._to_be_captured_anew(states, tables))
            copied = [settle(transaction, reading.settling, arrival) for arrival in arrivals]
            run = Run(
                self._desire.name,
                self._started_at,
                datetime.now(UTC),
                reading.as_of,
                tuple(copied),
                {table.label: str(error) for table, error in reading.problems.items()},
                tuple(state.table for state in gone),
                reading.lag_s,
            )
            if copied or (gone and not reading.problems):
                record(transaction, run)
        if reading.problems and not copied:
            raise next(iter(reading.problems.values()))
        return run

    def _not_selected(self, states: Sequence[TableState]) -> list[TableState]:
        """Tables that were copied and must not stay, unless another source has them now."""
        desire = self._desire
        here = {(desire.source.schema, table.name) for table in self._selection}
        if all((state.schema, state.table) in here for state in states):
            return []
        others = {
            (state.schema, state.table)
            for state in read_states(self._warehouse)
            if state.source != desire.name
        }
        return [state for state in states if (state.schema, state.table) not in here | others]

    def _to_be_captured_anew(
        self, states: Sequence[TableState], tables: Sequence[SelectedTable]
    ) -> list[TableState]:
        if not self._desire.whole or any(is_by_log(table) for table in tables):
            return []
        captured = {table.name for table in self._selection if is_by_log(table)}
        return [replace(one, copied_whole_at=None) for one in states if one.table in captured]

    def _drop_staged(self, tables: Sequence[SelectedTable]) -> None:
        drop_staged(self._warehouse, self._desire.name, map(self._desire.target, tables))

    def _pause(self, seconds: float) -> None:
        """Wait, as long as whoever watches lets us."""
        until = time.monotonic() + seconds
        while (left_s := until - time.monotonic()) > 0:
            self._tell_waiting(left_s)
            time.sleep(min(left_s, LOOK_EVERY_S))

    def _tell_waiting(self, left_s: float) -> None:
        self._tell(Progress("", 0, 0, 0, len(self._desire.source.tables), left_s))


def _selection(desire: Desire) -> tuple[SelectedTable, ...]:
    """The selection; raises `ConfigError` when a table is called as the history of another."""
    selection = selected_tables(desire.name, desire.source)
    histories = {
        history_name(table.name).casefold(): table for table in selection if table.settings.history
    }
    for table in selection:
        if (other := histories.get(table.name.casefold())) is not None:
            raise ConfigError(
                f"sources.{desire.name}: the history of {other.label} would be called as the "
                f"table {table.label}.",
                hint="Keep no history of it, or copy one of them through another source.",
            )
    return selection
