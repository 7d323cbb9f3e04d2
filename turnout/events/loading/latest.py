"""The newest state of users and accounts: per trait, the last writer wins by time of the call.

Not by arrival: a late or imported call changes only what no later call has said. Calls newer
than the row they meet are laid over it; when an older one comes late, that row alone is made
again from all its calls.
"""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa
import pyarrow.compute as pc

from turnout.events import layout
from turnout.events.engine import Engine
from turnout.warehouse import Dialect, Table, Transaction
from turnout.warehouse.duckdb import DIALECT

# Placeholders in one statement.
IDS_MAX = 1_000
# What one call says and the newest state does not keep as such.
NOT_KEPT = frozenset(
    {"id", "anonymous_id", "user_id", "group_id", "_cleared", "_rescued", "uuid_ts", "loaded_at"}
)
OF_THE_CALL = frozenset({"received_at", "sent_at", "original_timestamp", "timestamp", "_source"})
# Its place in time; calls of one instant are told apart by id, so that every order is the same.
ORDER = '("timestamp", received_at, call_id)'


def latest_table(calls: Table) -> Table:
    """`users` beside `identifies`, `accounts` beside `groups`: a column for each trait."""
    name, _ = layout.LATEST[calls.name]
    own = layout.OWN_COLUMNS[name]
    there = {column.name for column in own} | NOT_KEPT
    traits = [column for column in calls.columns if column.name not in there]
    return Table(calls.schema, name, (*own, *traits), layout.KEY)


def latest_rows(
    engine: Engine,
    transaction: Transaction,
    dialect: Dialect,
    calls: Table,
    rows: pa.Table,
) -> pa.Table | None:
    """New rows for whoever the call `rows` are about; None when they are about nobody.

    `rows` are already in the warehouse's table `calls`, in the same `transaction`.
    """
    name, who = layout.LATEST[calls.name]
    rows = rows.filter(pc.is_valid(rows[who]))
    if not rows.num_rows:
        return None
    ids = pc.unique(rows[who]).to_pylist()
    current = _fetch(transaction, dialect.table(calls.schema, name), "id", ids)
    late = _late_ids(engine, rows, current, who)
    history = _fetch(transaction, dialect.table(calls.schema, calls.name), who, late)
    return _merged(engine, calls, (rows, current, history), late)


def _fetch(
    transaction: Transaction, table: str, column: str, ids: Sequence[str]
) -> pa.Table | None:
    """The rows of `table` whose `column` is one of `ids`."""
    found = [
        transaction.execute(
            f"SELECT * FROM {table} WHERE {column} IN ({', '.join('?' * len(some))})", some
        )
        for some in (ids[start : start + IDS_MAX] for start in range(0, len(ids), IDS_MAX))
    ]
    return pa.concat_tables(found) if found else None


def _late_ids(engine: Engine, rows: pa.Table, current: pa.Table | None, who: str) -> list[str]:
    """Those who have a call among `rows` that is not newer than their row."""
    if current is None or not current.num_rows:
        return []
    found = engine.rows(
        "SELECT DISTINCT current_rows.id FROM calls JOIN current_rows "
        f"ON current_rows.id = calls.{who} "
        'WHERE (calls."timestamp", calls.received_at) '
        '<= (current_rows."timestamp", current_rows.received_at)',
        calls=rows,
        current_rows=current,
    )
    return [id_ for (id_,) in found]


def _merged(
    engine: Engine,
    calls: Table,
    parts: tuple[pa.Table, pa.Table | None, pa.Table | None],
    late: Sequence[str],
) -> pa.Table:
    """One row for each person or account out of their calls and, unless late, their row."""
    rows, current, history = parts
    _, who = layout.LATEST[calls.name]
    named = {"calls": rows, "late": pa.table({"id": pa.array(late, pa.string())})}
    call = f"SELECT {who} AS who, id AS call_id, * EXCLUDE (id)"
    sources = [f"{call} FROM calls ANTI JOIN late ON late.id = calls.{who}"]
    if current is not None:
        named["current_rows"] = current
        sources.append(
            "SELECT id AS who, '' AS call_id, * EXCLUDE (id) "
            "FROM current_rows ANTI JOIN late USING (id)"
        )
    if history is not None:
        named["history"] = history
        sources.append(f"{call} FROM history")
    return engine.table(
        f"SELECT who AS id, {latest_columns_sql(calls)} "
        f"FROM ({' UNION ALL BY NAME '.join(sources)}) GROUP BY who",
        **named,
    )


def latest_columns_sql(calls: Table) -> str:
    """Of the newest call as a whole, then trait by trait."""
    whole = ["max(uuid_ts) AS uuid_ts", "max(loaded_at) AS loaded_at"]
    for column in calls.columns:
        name = DIALECT.identifier(column.name)
        if column.name in OF_THE_CALL:
            whole.append(f"arg_max_null({name}, {ORDER}) AS {name}")
        elif column.name not in NOT_KEPT:
            whole.append(f"{_newest(column.name)} AS {name}")
    return ", ".join(whole)


def _newest(trait: str) -> str:
    """The newest value, where a call that cleared the trait counts as a value."""
    name = DIALECT.identifier(trait)
    cleared = f"list_contains(from_json(_cleared, '[\"VARCHAR\"]'), {DIALECT.literal(trait)})"
    return f"arg_max_null({name}, {ORDER}) FILTER (WHERE {name} IS NOT NULL OR {cleared})"
