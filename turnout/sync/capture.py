"""Change capture: the tables whose changes are read from the source's log, as they happen.

A pass reads what is new in the log and applies it, whole transactions at a time, with the position
it reached in the same transaction of the warehouse. Only then does the source hear of it. So a
pass that is cut off anywhere is repeated by the next one, and changes nothing twice.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

import structlog

from turnout import config
from turnout.errors import LogLost, SourceRefused, TurnoutError
from turnout.sync.changes import Unit
from turnout.sync.copying import OF_ONE_TABLE, copy_whole
from turnout.sync.copying.choice import choice_of
from turnout.sync.opening import open_source
from turnout.sync.privacy.suppressed import Suppressed
from turnout.sync.run import Progress, Run, record_failure
from turnout.sync.selection import SelectedTable, selected_tables
from turnout.sync.source import ChangeBatch, ChangeStream, Instant
from turnout.sync.state import (
    Position,
    TableState,
    read_position,
    read_states,
    write_position,
    write_states,
)
from turnout.sync.turn import following
from turnout.warehouse import Warehouse

LOG = "log"
# While nothing of ours changes, how far the log was read is written down no sooner than after so
# much of it or so long: each writing makes readers a new copy of the warehouse.
REST_BYTES_MAX = 16 * 1024 * 1024
REST_S_MAX = 600.0
# A table that somebody has to see to is tried again this often, while others are followed.
COPY_AGAIN_S = 300.0

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Captured:
    """One pass: how many changes were applied, and as of when the tables are now.

    `copied` is the whole copy that had to come first; `problems` say of each table that is left
    as it was why; `is_behind` that a table has to be copied whole, which the next pass does.
    """

    source: str
    changes: int = 0
    as_of: datetime | None = None
    copied: Run | None = None
    problems: Mapping[str, str] = field(default_factory=dict)
    is_behind: bool = False
    # How much of its log the source keeps for us.
    retained_bytes: int = 0


def capture(
    name: str,
    source: config.Source,
    warehouse: Warehouse,
    *,
    secret: bytes,
    suppressed: Suppressed | None = None,
) -> Captured:
    """Apply what has changed since the last pass, and say how much that was.

    The first pass begins the log and copies the tables whole. Raises `SourceUnavailable` (a later
    pass may succeed) or `SourceRefused` (an operator must act).
    """
    capturing = Capturing(name, source, warehouse, secret=secret, suppressed=suppressed)
    try:
        return capturing.once()
    finally:
        capturing.close()


class Capturing:
    """The capture of one source, which keeps its connection from pass to pass."""

    def __init__(  # noqa: PLR0913 - what, from where to where, and how
        self,
        name: str,
        source: config.Source,
        warehouse: Warehouse,
        *,
        secret: bytes,
        suppressed: Suppressed | None = None,
        progress: Callable[[Progress], None] | None = None,
    ) -> None:
        """`progress` hears of whole copies, and may raise to end one."""
        self._name = name
        self._source = source
        self._warehouse = warehouse
        self._secret = secret
        self._suppressed = suppressed
        self._progress = progress
        self._selection: Sequence[SelectedTable] = ()
        self._stream: ChangeStream | None = None
        self._copy_again_s = 0.0
        # Tables that could not be copied whole when that was tried last, and why.
        self._not_copied: dict[SelectedTable, str] = {}
        # The states, as they are in that version of the warehouse.
        self._known: dict[str, TableState] = {}
        self._known_version: int | None = None
        self._forget_read()

    @property
    def has_tables(self) -> bool:
        """Whether there is anything to capture."""
        return any(table.mode == LOG for table in self._source.tables.values())

    def once(self) -> Captured:
        """One pass. Raises as `capture` does; the next pass then begins anew."""
        if not self.has_tables:
            return Captured(self._name)
        selected = selected_tables(self._name, self._source)
        self._selection = [table for table in selected if table.settings.mode == LOG]
        with following(self._warehouse, self._name):
            if self._suppressed is not None and self._suppressed.has_grown():
                # What was read and waits may name somebody who was forgotten meanwhile.
                self.close()
            return self._once()

    def _once(self) -> Captured:
        try:
            return self._pass()
        except LogLost as lost:
            self.close()
            return self._begun_anew(lost)
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Leave the source. The next pass connects again."""
        stream, self._stream = self._stream, None
        self._forget_read()
        if stream is not None:
            with suppress(TurnoutError):
                stream.close()

    def _forget_read(self) -> None:
        """Nothing is read: the next pass goes on from what is written down."""
        self._position = ""
        self._unit = Unit(self._warehouse, self._source.schema, self._secret, self._suppressed)
        # Since the position was written last: how much of the log was read, when, what stood still.
        self._rested_bytes = 0
        self._written_s = 0.0
        self._problems: Mapping[SelectedTable, str] = {}

    def _pass(self) -> Captured:
        stream = self._opened()
        self._position = self._position or self._begins_at(stream)
        instants = self._instants(stream)
        copied = self._copy_missing(stream, instants)
        if copied is not None:
            instants = self._instants(stream)
        changes, as_of = self._read(stream, instants)
        problems = dict(copied.problems) if copied else {}
        problems |= {t.label: why for t, why in self._not_copied.items() if t not in instants}
        problems |= {table.label: problem for table, problem in stream.problems.items()}
        torn, self._unit.torn = self._unit.torn, {}
        for table, why in torn.items():
            log.warning("copied whole again", source=self._name, table=table.label, problem=why)
        return Captured(
            self._name, changes, as_of, copied, problems, bool(torn), stream.retained_bytes
        )

    def _opened(self) -> ChangeStream:
        if self._stream is None:
            self._stream = open_source(self._name, self._source).log(self._selection)
        return self._stream

    def _begins_at(self, stream: ChangeStream) -> str:
        """The position to read from: that of the last pass, or a new beginning."""
        last = read_position(self._warehouse, self._name)
        if last is None:
            return self._begun(stream, replacing=False)
        if not last.position:
            # It was cut off while the source was being asked: what is kept there is ours.
            return self._begun(stream, replacing=True)
        if last.server != stream.server:
            raise LogLost("The source is another server than before, or was restored.")
        return last.position

    def _begun(self, stream: ChangeStream, *, replacing: bool) -> str:
        """Have the source keep its log from now on; every table has to be copied after that."""
        begins_at = stream.begin(replacing=replacing, intend=lambda: self._intend(stream))
        stale = [replace(state, copied_whole_at=None) for state in self._states().values()]
        with self._warehouse.transaction() as transaction:
            write_position(transaction, Position(self._name, stream.server, begins_at))
            write_states(transaction, stale)
        return begins_at

    def _intend(self, stream: ChangeStream) -> None:
        """Whatever the source keeps under our name from now on is ours, should we end here."""
        if read_position(self._warehouse, self._name) is None:
            with self._warehouse.transaction() as transaction:
                write_position(transaction, Position(self._name, stream.server, ""))

    def _begun_anew(self, lost: LogLost) -> Captured:
        """Changes were lost: the tables are copied whole again, if that is wanted."""
        log.warning("changes lost", source=self._name, problem=str(lost))
        with self._warehouse.transaction() as transaction:
            record_failure(transaction, self._name, datetime.now(UTC), lost)
        if self._source.on_slot_lost == "stop":
            raise SourceRefused(
                str(lost), hint='Say on_slot_lost = "copy" to copy its tables whole and go on.'
            )
        try:
            self._position = self._begun(self._opened(), replacing=True)
            return self._pass()
        except BaseException:
            self.close()
            raise

    def _copy_missing(
        self, stream: ChangeStream, instants: Mapping[SelectedTable, Instant]
    ) -> Run | None:
        """Copy whole what has to be, when it is time for that."""
        known = {*instants, *stream.problems}
        missing = [table for table in self._selection if table not in known]
        if not missing or time.monotonic() < self._copy_again_s:
            return None
        self._copy_again_s = time.monotonic() + self._source.retry_after_s
        self._mark(stream, missing)
        try:
            run = copy_whole(
                self._name,
                self._source,
                self._warehouse,
                missing,
                secret=self._secret,
                suppressed=self._suppressed,
                progress=self._progress,
            )
        except OF_ONE_TABLE as error:
            if not instants:
                raise
            # Those that are copied are followed all the same.
            self._copy_again_s = time.monotonic() + COPY_AGAIN_S
            self._not_copied = dict.fromkeys(missing, str(error))
            return None
        self._not_copied = {}
        if not run.problems:
            self._copy_again_s = 0.0
        return run

    def _mark(self, stream: ChangeStream, tables: Sequence[SelectedTable]) -> None:
        """Their copies must not be older than what is followed from: a follower may be behind."""
        known = self._states()
        states = [
            known.get(table.name) or TableState(self._name, self._source.schema, table.name)
            for table in tables
        ]
        with self._warehouse.transaction() as transaction:
            write_states(
                transaction,
                [
                    replace(
                        state, server=stream.server, position=self._position, copied_whole_at=None
                    )
                    for state in states
                ],
            )

    def _instants(self, stream: ChangeStream) -> dict[SelectedTable, Instant]:
        """When each table was copied whole, of those that were and are as they were chosen."""
        states = self._states()
        return {
            table: Instant(
                state.server,
                state.position,
                state.copied_whole_at,
                xmin=state.xmin,
                parts=state.shape.parts if state.shape else "",
            )
            for table in self._selection
            if (state := states.get(table.name)) is not None
            and state.copied_whole_at is not None
            and state.mode == LOG
            and state.server == stream.server
            and state.choice == choice_of(table, self._secret)
        }

    def _states(self) -> dict[str, TableState]:
        """The states of captured tables, by their names here."""
        version = self._warehouse.version
        if version != self._known_version:
            ours = {table.name for table in self._selection}
            states = read_states(self._warehouse, self._name)
            self._known = {state.table: state for state in states if state.table in ours}
            self._known_version = version
        return self._known

    def _read(
        self, stream: ChangeStream, instants: Mapping[SelectedTable, Instant]
    ) -> tuple[int, datetime | None]:
        """Apply all there is; how many changes that were, and as of when the tables are."""
        # Until the log has passed the copies, rows would go back to what they were before.
        goal = max((instant.position for instant in instants.values()), default="")
        changes, as_of = 0, None
        for batch in stream.batches(self._position, instants):
            self._gather(batch, instants)
            if not batch.is_whole:
                continue
            self._position = batch.position
            if batch.position < goal:
                continue
            as_of = batch.as_of
            if self._is_worth_writing(stream):
                changes += self._write(stream, batch)
        return changes, as_of

    def _gather(self, batch: ChangeBatch, instants: Mapping[SelectedTable, Instant]) -> None:
        self._unit.torn |= batch.torn
        self._rested_bytes += batch.log_bytes
        for changes in batch.tables:
            if changes.table.selected in instants:
                self._unit.add(changes)

    def _is_worth_writing(self, stream: ChangeStream) -> bool:
        return (
            bool(self._unit)
            or self._problems != stream.problems
            or self._rested_bytes >= REST_BYTES_MAX
            or time.monotonic() - self._written_s >= REST_S_MAX
        )

    def _write(self, stream: ChangeStream, batch: ChangeBatch) -> int:
        position = Position(self._name, stream.server, batch.position, batch.as_of)
        changes = self._unit.apply(self._states, position, stream.problems)
        stream.confirm(batch.position)
        self._rested_bytes = 0
        self._written_s = time.monotonic()
        self._problems = dict(stream.problems)
        return changes
