"""What keeps a copy out although it was read to its end: it would do more harm than good."""

from __future__ import annotations

from collections.abc import Sequence

from turnout.errors import ConfigError, SourceRefused
from turnout.sync.copying.choice import is_filtered_otherwise
from turnout.sync.copying.landing import Landed
from turnout.sync.copying.plan import Plan
from turnout.warehouse import Dialect, Table, Warehouse

# Less than this share of the rows of before looks like a source that is not the right one.
ROWS_SHARE_MIN = 0.5
DELETED_SHARE_MAX = 0.3
SHRINK = (
    "If that is so, set shrink = true for this table, copy it, and take that out again. "
    "Until then the rows of before are kept."
)


def refuse_lost(plan: Plan, *landed: Landed) -> None:
    """Raise `SourceRefused` when values were lost and the table asks to stop then."""
    lost = {name: count for each in landed for name, count in each.lost.items()}
    if plan.selected.settings.on_lost != "fail" or not lost:
        return
    told = ", ".join(f"{count:,} of {name}" for name, count in lost.items())
    raise SourceRefused(
        f"'{plan.selected.label}' has values that no column of the warehouse can hold: {told}.",
        hint='Mend them at the source, leave the column out, or set on_lost = "null".',
    )


def refuse_repeats(warehouse: Warehouse, plan: Plan, rows: Landed) -> None:
    """Raise `ConfigError` when a key that turnout.toml names does not tell rows apart."""
    key = plan.selected.settings.key
    if not key:
        return
    dialect = warehouse.dialect
    names = ", ".join(dialect.identifier(name) for name in key)
    repeats = _count(
        warehouse,
        f"SELECT count(*) AS n FROM (SELECT 1 AS one FROM {_name(dialect, rows.table)} "
        f"GROUP BY {names} HAVING count(*) > 1) AS repeated",
    )
    if repeats:
        raise ConfigError(
            f"{', '.join(key)} do not tell the rows of '{plan.selected.label}' apart: "
            f"{repeats:,} of their values are there more than once.",
            hint="Name the columns of a unique index in 'key'.",
        )


def refuse_shrunk(warehouse: Warehouse, plan: Plan, rows: Landed) -> None:
    """Raise `SourceRefused` when a whole copy has none or few of the rows of before."""
    if plan.there is None or not _is_comparable(plan):
        return
    before = _count(warehouse, f"SELECT count(*) AS n FROM {_name(warehouse.dialect, plan.there)}")
    if rows.rows >= before * ROWS_SHARE_MIN and (rows.rows or not before):
        return
    raise SourceRefused(
        f"'{plan.selected.label}' has {rows.rows:,} rows at the source and had {before:,}.",
        hint=SHRINK,
    )


def refuse_deletes(warehouse: Warehouse, plan: Plan, keys: Landed) -> int:
    """How many rows have gone. Raises `SourceRefused` when they are too many."""
    dialect, there = warehouse.dialect, plan.target
    before = _count(warehouse, f"SELECT count(*) AS n FROM {_name(dialect, there)}")
    gone = _count(
        warehouse,
        f"SELECT count(*) AS n FROM {_name(dialect, there)} AS existing WHERE NOT EXISTS "
        f"(SELECT 1 FROM {_name(dialect, keys.table)} AS staged "
        f"WHERE {same(dialect, plan.target.key)})",
    )
    if plan.selected.settings.shrink or not gone:
        return gone
    if keys.rows and gone <= before * DELETED_SHARE_MAX:
        return gone
    raise SourceRefused(
        f"{gone:,} of {before:,} rows of '{plan.selected.label}' are not at the source any more.",
        hint=SHRINK,
    )


def same(dialect: Dialect, key: Sequence[str]) -> str:
    """The condition that the rows `existing` and `staged` share a key, missing parts included."""
    names = [dialect.identifier(name) for name in key]
    return " AND ".join(f"existing.{name} IS NOT DISTINCT FROM staged.{name}" for name in names)


def _is_comparable(plan: Plan) -> bool:
    """Whether the rows of before were chosen as those that come."""
    state = plan.state
    return not (
        plan.selected.settings.shrink
        or state.shape is None
        or state.source_schema != plan.selected.schema
        or is_filtered_otherwise(state.choice, plan.choice)
    )


def _name(dialect: Dialect, table: Table) -> str:
    return dialect.table(table.schema, table.name)


def _count(warehouse: Warehouse, sql: str) -> int:
    return int(warehouse.query(sql)["n"][0].as_py())
