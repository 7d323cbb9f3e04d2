"""The calls of a base table in one form, and what each says about persons and accounts.

The same text reads rows on their way in (in the shaping engine) and rows stored long ago (in the
warehouse). What follows from calls is said as SELECTs of *sightings*: a key, its value, and
`seen_at`.
"""

from __future__ import annotations

import copy
from collections.abc import Collection

import pyarrow as pa
import pyarrow.compute as pc

from turnout.events.engine import Engine
from turnout.events.identity.illegal import illegal_ids
from turnout.warehouse import Column, Dialect, Type
from turnout.warehouse.duckdb import DIALECT

# The B2B events: being in one's account, leaving it, and its end.
LINKING = (
    *("account_created", "account_added_user", "signed_up", "signed_in", "signed_out"),
    *("invite_sent", "trial_started", "trial_ended"),
)
REMOVED = "account_removed_user"
DELETED = "account_deleted"

# Our name → the base tables' column; NULL where a table has none.
COLUMNS = {
    "user_id": "user_id",
    "anonymous_id": "anonymous_id",
    "previous_id": "previous_id",
    "group_id": "group_id",
    "context_id": "context_group_id",
    "company_id": "company_id",
    "event": "event",
}
IDS = [name for name in COLUMNS if name != "event"]
# Elsewhere such a column is a property or trait of that name.
OWN_TO = {
    "previous_id": "aliases",
    "group_id": "groups",
    "company_id": "identifies",
    "event": "tracks",
}

SENDER = "coalesce(user_id, anonymous_id) AS person, user_id IS NULL AS is_anonymous"
NOBODY = "coalesce(user_id, anonymous_id) IS NULL"

PAIRS = (
    "SELECT anonymous_id, user_id, seen_at FROM calls "
    "WHERE anonymous_id IS NOT NULL AND user_id IS NOT NULL "
    "UNION ALL SELECT previous_id, user_id, seen_at FROM calls WHERE previous_id <> user_id"
)
ALIASES = (
    "SELECT previous_id, user_id, min(seen_at) AS first_seen_at, max(seen_at) AS last_seen_at "
    "FROM calls WHERE previous_id <> user_id GROUP BY previous_id, user_id"
)
GROUPS = (
    f"SELECT {SENDER}, group_id AS account_id, seen_at FROM calls "
    f"WHERE group_id IS NOT NULL AND NOT {NOBODY}"
)
DELETIONS = (
    "SELECT DISTINCT context_id AS account_id, seen_at AS deleted_at FROM calls "
    f"WHERE context_id IS NOT NULL AND event = '{DELETED}'"
)
LINKS = f"""
    SELECT {SENDER}, account_id, coalesce(event = '{REMOVED}', false) AS has_left, via, seen_at
    FROM (
        SELECT *, context_id AS account_id,
            CASE WHEN event IN ({", ".join(map(DIALECT.literal, (*LINKING, REMOVED)))})
            THEN 'spec_event' ELSE 'context' END AS via
        FROM calls WHERE group_id IS NULL AND event IS DISTINCT FROM '{DELETED}'
        UNION ALL SELECT *, group_id, 'group' FROM calls WHERE group_id IS NOT NULL
        UNION ALL SELECT *, company_id, 'company_trait' FROM calls WHERE company_id IS NOT NULL
    ) WHERE account_id IS NOT NULL AND NOT {NOBODY}
"""


class Calls:
    """Some calls, as the table `calls` that the sightings' SELECTs read."""

    def __init__(self, engine: Engine, rows: pa.Table) -> None:
        """`rows` are in the form of `calls_sql`. Ids that mean nobody are taken out of them."""
        self.illegal_ids = pc.unique(pa.concat_arrays([illegal_ids(rows[name]) for name in IDS]))
        self._engine = engine
        self._tables = {"calls": _without(rows, self.illegal_ids)}

    def beside(self, **tables: pa.Table) -> Calls:
        """The same, with further `tables` for SELECTs to read."""
        calls = copy.copy(self)
        calls._tables = self._tables | tables  # noqa: SLF001 -- a copy of ourselves
        return calls

    def table(self, sql: str, **tables: pa.Table) -> pa.Table:
        """What `sql` makes of the calls."""
        return self._engine.table(sql, **self._tables, **tables)

    def has(self, column: str) -> bool:
        """Whether some call has one."""
        values = self._tables["calls"][column]
        return bool(values.null_count < len(values))


def calls_of(base: str, rows: pa.Table) -> pa.Table:
    """The calls in `rows` of the base table named `base`."""
    found = {}
    for name, column in COLUMNS.items():
        is_there = column in rows.schema.names and OWN_TO.get(name, base) == base
        values = rows[column] if is_there else pa.nulls(rows.num_rows, pa.string())
        found[name] = values if values.type == pa.string() else pc.cast(values, pa.string())
    return pa.table({**found, "seen_at": rows["timestamp"]})


def calls_sql(dialect: Dialect, base: str, columns: Collection[str], source: str) -> str:
    """The calls in `source`, rows of the base table named `base` that has these `columns`."""
    text = dialect.type_name(Column("", Type.TEXT))
    parts = []
    for name, column in COLUMNS.items():
        is_there = column in columns and OWN_TO.get(name, base) == base
        value = dialect.identifier(column) if is_there else "NULL"
        parts.append(f"CAST({value} AS {text}) AS {name}")
    return f"SELECT {', '.join(parts)}, {dialect.identifier('timestamp')} AS seen_at FROM {source}"


def _without(rows: pa.Table, illegal: pa.Array) -> pa.Table:
    if not len(illegal):
        return rows
    for place, name in enumerate(rows.schema.names):
        if name in IDS:
            is_illegal = pc.is_in(rows[name], value_set=illegal)
            legal = pc.if_else(is_illegal, pa.scalar(None, pa.string()), rows[name])
            rows = rows.set_column(place, name, legal)
    return rows
