"""Changes of several tables that are applied together, with the position they lead to."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime

import pyarrow as pa

from turnout.errors import QueryFailed, SourceRefused
from turnout.sync.changes.apply import Target, apply
from turnout.sync.changes.spool import Spool
from turnout.sync.history import history_of
from turnout.sync.privacy import scan
from turnout.sync.privacy.passage import Passage
from turnout.sync.privacy.suppressed import Suppressed
from turnout.sync.privacy.watch import Watch
from turnout.sync.selection import SelectedTable
from turnout.sync.source import Changes, SourceTable
from turnout.sync.state import Position, TableState, write_position, write_states
from turnout.warehouse import Table, Transaction, Warehouse


class _Torn(Exception):
    """The changes of a table cannot be applied, and why."""

    def __init__(self, table: SelectedTable, why: str) -> None:
        super().__init__(why)
        self.table = table
        self.why = why


class Unit:
    """What waits to be applied. `torn` are tables that have to be copied whole instead."""

    def __init__(
        self, warehouse: Warehouse, schema: str, secret: bytes, suppressed: Suppressed | None
    ) -> None:
        self.torn: dict[SelectedTable, str] = {}
        self._warehouse = warehouse
        self._schema = schema
        self._secret = secret
        self._suppressed = suppressed
        self._spool: Spool[SourceTable] = Spool()
        self._lost: dict[SelectedTable, Counter[str]] = {}
        self._watch = Watch()

    def __bool__(self) -> bool:
        return bool(self._spool or self.torn)

    def add(self, changes: Changes) -> None:
        """Treat these changes, which come after those of before, and have them wait."""
        table = changes.table
        if table.selected in self.torn:
            return
        if changes.lost and table.selected.settings.on_lost == "fail":
            # The copy that is to come then says which, and leaves the table as it was.
            self.torn[table.selected] = "It has values that no column of the warehouse can hold."
            return
        passage = self._passage(table)
        try:
            batches = [passage.through(batch) for batch in changes.rows.to_batches()]
        except SourceRefused as refused:
            self.torn[table.selected] = str(refused)
            return
        rows = pa.Table.from_batches(batches, passage.schema(changes.rows.schema))
        self._spool.add(table, rows)
        self._lost.setdefault(table.selected, Counter()).update(changes.lost)

    def apply(
        self,
        states: Callable[[], Mapping[str, TableState]],
        position: Position,
        problems: Mapping[SelectedTable, str],
    ) -> int:
        """Apply all that waits, in one transaction; how many changes that were.

        `states` gives those of the source's tables by their names here, when nobody else writes
        any more; they are written anew, and with them the `problems` of tables whose changes are
        not in the log.
        """
        while True:
            try:
                with self._warehouse.transaction() as transaction:
                    counts = self._apply(transaction, states())
                    self._note_findings(transaction, position)
                    rows = self._counted(transaction, counts)
                    renewed = self._renewed(states(), rows, position, problems)
                    write_states(transaction, renewed)
                    write_position(transaction, position)
            except _Torn as torn:
                self.torn[torn.table] = torn.why
            else:
                self._spool.clear()
                self._lost = {}
                return counts.total()

    def _apply(self, transaction: Transaction, states: Mapping[str, TableState]) -> Counter[str]:
        """How many changes there were, by the name of the table."""
        counts: Counter[str] = Counter()
        targets: dict[SelectedTable, Target] = {}
        for table, rows in self._spool:
            selected = table.selected
            if selected in self.torn:
                continue
            state = states.get(selected.name)
            before = state.shape.key if state is not None and state.shape else table.shape.key
            if set(before) != set(table.shape.key):
                raise _Torn(selected, "Its rows are told apart by other columns now.")
            target = targets.setdefault(selected, self._target(table))
            try:
                applied = apply(transaction, target, rows)
            except QueryFailed as error:
                # One value that does not fit keeps no other table waiting.
                raise _Torn(selected, str(error)) from error
            if applied is None:
                raise _Torn(selected, "A value that did not change is not here.")
            counts[selected.name] += rows.num_rows
        return counts

    def _note_findings(self, transaction: Transaction, position: Position) -> None:
        """Tell of texts that look personal after all."""
        at = position.as_of or datetime.now(UTC)
        for table, rows in self._spool:
            selected = table.selected
            if selected in self.torn:
                continue
            columns = self._passage(table).columns
            if found := self._watch.new_findings(selected, columns, rows):
                scan.record(transaction, position.source, selected, found, at, whole=False)

    def _target(self, table: SourceTable) -> Target:
        columns = self._passage(table).columns
        copied = Table(self._schema, table.selected.name, columns, table.shape.key)
        history = history_of(self._warehouse, copied, table.selected)
        return Target(self._warehouse.dialect, copied, history)

    def _passage(self, table: SourceTable) -> Passage:
        return Passage(
            table.selected, table.columns, self._secret, self._suppressed, key=table.shape.key
        )

    def _counted(self, transaction: Transaction, changed: Counter[str]) -> dict[str, int]:
        """The rows that each changed table has now."""
        dialect = self._warehouse.dialect
        return {
            name: transaction.execute(
                f"SELECT count(*) AS n FROM {dialect.table(self._schema, name)}"
            )["n"][0].as_py()
            for name in changed
        }

    def _renewed(
        self,
        states: Mapping[str, TableState],
        rows: Mapping[str, int],
        position: Position,
        problems: Mapping[SelectedTable, str],
    ) -> list[TableState]:
        lost = {selected.name: counts for selected, counts in self._lost.items()}
        stopped = {selected.name: why for selected, why in problems.items()}
        torn = {selected.name for selected in self.torn}
        return [
            _stopped(state, stopped[name])
            if name in stopped
            else replace(
                state,
                as_of=state.as_of
                if name in torn or state.copied_whole_at is None
                else max(filter(None, [position.as_of, state.as_of]), default=None),
                rows=rows.get(name, state.rows),
                lost=dict(Counter(state.lost) + lost.get(name, Counter())),
                copied_whole_at=None if name in torn else state.copied_whole_at,
            )
            for name, state in states.items()
        ]


def _stopped(state: TableState, problem: str) -> TableState:
    """What happens to the table meanwhile is never told: it is copied whole when all is well."""
    since = state.problem_at if state.problem else datetime.now(UTC)
    return replace(state, copied_whole_at=None, problem=problem, problem_at=since)
