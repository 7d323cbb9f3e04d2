"""The end of a run: what has landed becomes what readers see, in one transaction."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from turnout.errors import TurnoutError
from turnout.sync.copying.bound import reached
from turnout.sync.copying.choice import is_filtered_otherwise, kept_history, read_otherwise
from turnout.sync.copying.guards import same
from turnout.sync.copying.landing import Landed
from turnout.sync.copying.mode import BY_CURSOR, cursor_of
from turnout.sync.copying.plan import Plan
from turnout.sync.history import begin_anew, forget_values, from_copy, from_deletes, history_name
from turnout.sync.privacy import disclosed, scan
from turnout.sync.run import TableCopied
from turnout.sync.selection import SelectedTable
from turnout.sync.source import Instant
from turnout.sync.state import TableState, remove_states, write_states
from turnout.warehouse import Dialect, Table, Transaction


@dataclass(frozen=True, slots=True)
class Arrival:
    """One table whose rows have landed and may be let in."""

    plan: Plan
    rows: Landed
    largest_cursor: str | None = None
    keys: Landed | None = None
    deleted: int = 0
    findings: Sequence[scan.Finding] = ()


@dataclass(frozen=True, slots=True)
class Settling:
    """What a run changes, as of when."""

    source: str
    as_of: datetime
    instant: Instant
    dialect: Dialect


def settle(transaction: Transaction, settling: Settling, arrival: Arrival) -> TableCopied:
    """Let one table in: its history, its rows, its state."""
    plan = arrival.plan
    _keep_history(transaction, settling, arrival)
    if plan.is_whole:
        transaction.swap(plan.target, arrival.rows.table)
    else:
        _widen(transaction, plan)
        _merge(transaction, settling.dialect, arrival)
    scan.record(
        transaction,
        settling.source,
        plan.selected,
        arrival.findings,
        settling.as_of,
        whole=plan.is_whole,
    )
    for landed in (arrival.rows, arrival.keys):
        if landed is not None:
            transaction.drop(landed.table)
    name = settling.dialect.table(plan.target.schema, plan.target.name)
    count = transaction.execute(f"SELECT count(*) AS n FROM {name}")["n"][0].as_py()
    write_states(transaction, [_state(settling, arrival, count)])
    return _copied(arrival)


def remember_problems(
    transaction: Transaction, states: Sequence[TableState], problems: Mapping[str, TurnoutError]
) -> None:
    """Note why tables, by their names in the warehouse, were not copied; their rows stay."""
    now = datetime.now(UTC)
    write_states(
        transaction,
        [
            replace(
                state,
                problem=str(problems[state.table]),
                problem_at=state.problem_at if state.problem else now,
            )
            for state in states
            if state.table in problems
        ],
    )


def remove(transaction: Transaction, states: Sequence[TableState]) -> None:
    """Drop tables that are not selected any more, and what was kept of them."""
    now = datetime.now(UTC)
    for state in states:
        nothing = SelectedTable(state.source_schema, state.table, ())
        disclosed.note(transaction, state.source, nothing, now)
        target = Table(state.schema, state.table, ())
        transaction.drop(target)
        if kept_history(state.choice):
            transaction.drop(replace(target, name=history_name(state.table)))
    remove_states(transaction, states)


def _keep_history(transaction: Transaction, settling: Settling, arrival: Arrival) -> None:
    plan, staged = arrival.plan, arrival.rows.table
    if plan.history is None:
        if kept_history(plan.state.choice):
            transaction.drop(replace(plan.target, name=history_name(plan.target.name)))
        return
    otherwise = read_otherwise(plan.state.choice, plan.choice)
    history = forget_values(transaction, plan.history, otherwise)
    if plan.is_whole and is_filtered_otherwise(plan.state.choice, plan.choice):
        # Versions of rows that are not selected any more must not stay either.
        history = replace(history, erases=True)
    before = plan.state.shape
    if plan.is_whole and before is not None and set(before.key) != set(plan.target.key):
        begin_anew(transaction, history, staged, settling.as_of)
        return
    from_copy(transaction, history, staged, settling.as_of, whole=plan.is_whole)
    if arrival.keys is not None:
        from_deletes(transaction, history, arrival.keys.table, settling.as_of)


def _widen(transaction: Transaction, plan: Plan) -> None:
    for column in plan.target.columns:
        there = plan.there.column(column.name) if plan.there else None
        if there is not None and there != column:
            transaction.widen(plan.target, column)


def _merge(transaction: Transaction, dialect: Dialect, arrival: Arrival) -> None:
    """In the engine: what changed is never held in memory as a whole."""
    plan = arrival.plan
    target = dialect.table(plan.target.schema, plan.target.name)
    staged = dialect.table(arrival.rows.table.schema, arrival.rows.table.name)
    names = ", ".join(dialect.identifier(column.name) for column in plan.target.columns)
    condition = same(dialect, plan.target.key)
    transaction.execute(
        f"DELETE FROM {target} AS existing USING {staged} AS staged WHERE {condition}"
    )
    transaction.execute(f"INSERT INTO {target} ({names}) SELECT {names} FROM {staged}")
    if arrival.keys is not None and arrival.deleted:
        keys = dialect.table(arrival.keys.table.schema, arrival.keys.table.name)
        transaction.execute(
            f"DELETE FROM {target} AS existing WHERE NOT EXISTS "
            f"(SELECT 1 FROM {keys} AS staged WHERE {condition})"
        )


def _state(settling: Settling, arrival: Arrival, rows: int) -> TableState:
    plan, before = arrival.plan, arrival.plan.state
    lost = dict(arrival.rows.lost) if plan.is_whole else {**before.lost, **arrival.rows.lost}
    others = set(plan.table.shape.others)
    noticed = dict.fromkeys((*before.not_selected, *plan.new_columns))
    return replace(
        before.at(settling.instant),
        source_schema=plan.selected.schema,
        mode=plan.mode,
        cursor=_cursor(settling, arrival),
        shape=plan.table.shape,
        choice=plan.choice,
        rows=rows,
        as_of=settling.as_of,
        copied_whole_at=settling.as_of if plan.is_whole else before.copied_whole_at,
        lost=lost,
        not_selected=tuple(name for name in noticed if name in others),
        problem=None,
        problem_at=None,
    )


def _cursor(settling: Settling, arrival: Arrival) -> str | None:
    column = cursor_of(arrival.plan.table)
    if arrival.plan.mode not in BY_CURSOR or column is None:
        return None
    return reached(column, arrival.largest_cursor, settling.instant)


def _copied(arrival: Arrival) -> TableCopied:
    landed = [arrival.rows, *([arrival.keys] if arrival.keys else [])]
    return TableCopied(
        arrival.plan.target.name,
        arrival.rows.rows,
        sum(each.duration_s for each in landed),
        arrival.rows.lost,
        mode=arrival.plan.mode,
        is_whole=arrival.plan.is_whole,
        deleted=arrival.deleted,
        bytes=sum(each.bytes for each in landed),
        new_columns=arrival.plan.new_columns,
        findings=tuple(found.sentence for found in arrival.findings),
    )
