"""The messages of one schema and type → rows of their base table and, for tracks, event tables."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from typing import TypeAlias

import pyarrow as pa
import pyarrow.compute as pc

from turnout.events import layout, naming
from turnout.events.engine import Engine
from turnout.events.loading.expression import CarefulRows, literals
from turnout.events.loading.plan import Found, Path, Plan, plan_table
from turnout.events.loading.routing import Target
from turnout.events.loading.structure import Kinds, Structure
from turnout.events.loading.typed import TypedRows, Unsafe
from turnout.warehouse import Column, Table
from turnout.warehouse.duckdb import DIALECT

# Members of the message itself that become columns when they are there.
VIEWED = frozenset({"name", "category"})
# Looking for every path in every message is their product: more paths only in a message alone.
PATHS_MAX = 3_000
# The column of a base table's rows that stands for their id.
KEY = "_key"
# Columns of whole numbers that must stay what they are: schema, table, column.
Exact: TypeAlias = frozenset[tuple[str, str, str]]
NO_DISCARDS = pa.table(
    {name: pa.array([], pa.string()) for name in ("table_name", "row_id", "column_name")}
)


class TooManyPaths(Exception):
    """Different messages have so many different paths that fewer must be looked at at a time."""


@dataclass(frozen=True, slots=True)
class Shaped:
    """Rows for one table, and the values among them that it did not take."""

    plan: Plan
    rows: pa.Table
    discards: pa.Table

    def without(self, ids: pa.Array) -> Shaped:
        """What is left of it when messages with these ids are left out."""
        rows, discards = (
            table.filter(pc.invert(pc.is_in(table[name], value_set=ids)))
            for table, name in ((self.rows, "id"), (self.discards, "row_id"))
        )
        return Shaped(self.plan, rows, discards)


@dataclass(frozen=True, slots=True)
class Family:
    """A base table's rows and, for tracks, those of the event tables beside it."""

    base: Shaped
    details: tuple[Shaped, ...] = ()


@dataclass(frozen=True, slots=True)
class Work:
    """What shaping one unit needs everywhere.

    `looks` has what the messages of each route hold; `exact` the columns never to be widened;
    `has_bad_times`: some call's time is unreadable.
    """

    engine: Engine
    structure: Structure
    looks: Mapping[int, Kinds]
    exact: Exact
    loaded_at: datetime
    has_bad_times: bool


class FamilyShaper:
    """Shapes the messages of one schema and type."""

    def __init__(self, work: Work, schema: str, type_: str, tables: Mapping[str, Table]) -> None:
        self._work = work
        self._engine = work.engine
        self._schema = schema
        self._type = type_
        self._tables = tables
        self._loaded_at = f"TIMESTAMP '{work.loaded_at:%Y-%m-%d %H:%M:%S.%f}'"
        self._name_of = column_namer(type_)

    def shape(self, targets: Sequence[Target]) -> Family:
        """The base table over all targets, and each track target's event table."""
        base = self._known(layout.BASES[self._type], layout.OWN_COLUMNS[layout.BASES[self._type]])
        own = self._own_columns(base.name) | {KEY: "key"}
        if self._type != "track":
            return Family(self._shaped(base, own, targets, self._roots(of_part=True)))
        # The largest first, so that no thread is left to it alone.
        work: list[Callable[[], Shaped]] = [
            lambda: self._shaped(base, own, targets, self._roots(of_part=False)),
            *(partial(self._detail, target) for target in targets if target.has_table),
        ]
        shaped, *details = self._engine.each(lambda some: some(), work)
        return Family(shaped, tuple(details))

    def _detail(self, target: Target) -> Shaped:
        """An event's own table."""
        table = self._known(target.name, layout.EVENT_COLUMNS)
        own = self._own_columns("") | {"event": DIALECT.literal(target.name)}
        return self._shaped(table, own, [target], self._roots(of_part=True))

    def _known(self, name: str, columns: Sequence[Column]) -> Table:
        """The table as it is, with the columns it must at least have."""
        table = self._tables.get(name, Table(self._schema, name, ()))
        missing = [column for column in columns if table.column(column.name) is None]
        return replace(table, columns=(*table.columns, *missing), key=layout.KEY)

    def _roots(self, *, of_part: bool) -> frozenset[str]:
        """Below which members of a message columns are found."""
        roots = {"context", "channel"}
        if self._type in ("page", "screen"):
            roots |= VIEWED
        if of_part and self._type in layout.PARTS:
            roots.add(layout.PARTS[self._type])
        return frozenset(roots)

    def _shaped(
        self, table: Table, own: Mapping[str, str], targets: Sequence[Target], roots: frozenset[str]
    ) -> Shaped:
        messages = _messages(targets)
        routes = [route for target in targets for route in target.routes]
        structure = self._work.structure
        found = structure.find([self._work.looks[route] for route in routes], roots, messages)
        if len(found) > PATHS_MAX and self._are_several(messages):
            raise TooManyPaths
        plan = plan_table(
            table,
            found,
            self._name_of,
            lambda paths: structure.first_types(paths, messages),
            lambda column, path: (
                (table.schema, table.name, column) not in self._work.exact
                and structure.has_fraction(path, messages)
            ),
        )
        if table.name in layout.LATEST:
            own = {**own, "_cleared": self._cleared(found)}
        return self._rows(plan, own, messages)

    def _rows(self, plan: Plan, own: Mapping[str, str], messages: str) -> Shaped:
        """Quickly where that is safe, and otherwise with care."""
        bad_times = self._work.has_bad_times
        try:
            rows = self._engine.table(TypedRows(plan, own, bad_times=bad_times).sql(messages))
            if not pc.any(rows["_is_doubtful"]).as_py():
                return Shaped(plan, rows.drop_columns("_is_doubtful"), NO_DISCARDS)
        except Unsafe:
            pass
        rows = self._engine.table(CarefulRows(plan, own, bad_times=bad_times).sql(messages))
        return Shaped(plan, rows.drop_columns("_misfits"), self._discards(plan.table, rows))

    def _own_columns(self, base: str) -> dict[str, str]:
        """The columns that do not come from a path, as expressions over the messages."""
        own = {column.name: DIALECT.identifier(column.name) for column in layout.CALL}
        if self._type == "track":
            own["event_text"] = "event"
        if base == "tracks":
            own |= {"event": "event_table", "_properties": "part"}
        if self._type == "group":
            own["group_id"] = "group_id"
        if self._type == "alias":
            own["previous_id"] = "previous_id"
        loaded_at = self._loaded_at
        return own | {"uuid_ts": loaded_at, "loaded_at": loaded_at, "_source": "source"}

    def _cleared(self, found: Sequence[Found]) -> str:
        """The columns whose trait a call set to null, as a JSON list; NULL for none.

        Also of columns that are not there: an older call may still bring them.
        """
        traits = [each.path for each in found if each.path.keys[0] == "traits"]
        if not traits:
            return "CAST(NULL AS JSON)"
        kinds = f"json_type(part, {literals(path.pointer for path in traits)})"
        are_null = f"list_transform({kinds}, lambda kind: coalesce(kind = 'NULL', false))"
        listed = f"list_where({literals(map(self._name_of, traits))}, {are_null})"
        return f"CASE WHEN contains(part, ':null') AND len({listed}) > 0 THEN to_json({listed}) END"

    def _discards(self, table: Table, rows: pa.Table) -> pa.Table:
        """One row for each value in `_misfits`."""
        rows = rows.filter(pc.greater(pc.list_value_length(rows["_misfits"]), 0))
        if not rows.num_rows:
            return NO_DISCARDS
        return self._engine.table(
            "SELECT ?::VARCHAR AS table_name, id AS row_id, received_at, "
            f"unnest(_misfits, recursive := true), {self._loaded_at} AS uuid_ts, "
            "_source AS source FROM misfit_rows",
            [f"{table.schema}.{table.name}"],
            misfit_rows=rows,
        )

    def _are_several(self, messages: str) -> bool:
        return len(self._engine.rows(f"SELECT 1 FROM {messages} LIMIT 2")) > 1


def column_namer(type_: str) -> Callable[[Path], str]:
    """How a path in a message of this type becomes a column."""
    taken = frozenset({"group_id"} if type_ == "group" else ())

    def name_of(path: Path) -> str:
        if path.keys[0] == "context":
            return naming.context_column(path.keys[1:])
        if len(path.keys) == 1:
            return path.keys[0]
        return naming.property_column(path.keys[1:], taken)

    return name_of


def _messages(targets: Sequence[Target]) -> str:
    """The messages of one target by their routes, or of all that are of one schema and type."""
    if len(targets) == 1:
        routes = ", ".join(map(str, targets[0].routes))
        return (
            f"(SELECT rowid, *, {DIALECT.literal(targets[0].name)} AS event_table "
            f"FROM message WHERE route IN ({routes}))"
        )
    schema, type_ = map(DIALECT.literal, (targets[0].schema, targets[0].type))
    return (
        "(SELECT message.rowid, message.*, event_table FROM message JOIN routes USING (route) "
        f"WHERE schema = {schema} AND type = {type_})"
    )
