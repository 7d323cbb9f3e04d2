"""The messages of one schema and type → rows of their base table and, for tracks, event tables."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
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
from turnout.events.loading.structure import Look, Structure
from turnout.events.loading.typed import Apart, Fit, Sheet, Unsafe, read_times
from turnout.warehouse import Column, Table
from turnout.warehouse.duckdb import DIALECT

# Members of the message itself that become columns when they are there.
VIEWED = frozenset({"name", "category"})
# Looking for every path in every message is their product: more paths only in a message alone.
PATHS_MAX = 3_000
# A sheet is no wider and has no more values, most of them absent, than these.
SHEET_COLUMNS_MAX, SHEET_VALUES_MAX = 1_000, 1_000_000
# On a sheet, by what its rows are told apart.
ROUTE = "route"
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
    looks: Mapping[int, Look]
    exact: Exact
    loaded_at: datetime
    has_bad_times: bool


@dataclass(frozen=True, slots=True)
class Draft:
    """A table that is planned; `own` columns do not come from paths."""

    plan: Plan
    own: Mapping[str, str]
    targets: Sequence[Target]

    @property
    def routes(self) -> list[int]:
        return [route for target in self.targets for route in target.routes]


@dataclass(slots=True)
class Group:
    """Tables on one sheet; without a sheet, one to be looked at with care."""

    sheet: Sheet | None
    drafts: list[Draft] = field(default_factory=list)
    columns: int = 0
    messages: int = 0


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
        if self._type != "track":
            return Family(self._shaped(self._base(targets)))
        drafts: list[Callable[[], Draft]] = [
            partial(self._base, targets),
            *(partial(self._detail, target) for target in targets if target.has_table),
        ]
        base, *details = self._engine.each(lambda draft: draft(), drafts)
        # The largest first, so that no thread is left to it alone.
        work: list[Callable[[], list[Shaped]]] = [
            lambda: [self._shaped(base)],
            *(partial(self._shaped_together, group) for group in self._groups(details)),
        ]
        [shaped], *groups = self._engine.each(lambda some: some(), work)
        found = {each.plan.table.name: each for group in groups for each in group}
        return Family(shaped, tuple(found[draft.plan.table.name] for draft in details))

    def _base(self, targets: Sequence[Target]) -> Draft:
        """One row a message."""
        name = layout.BASES[self._type]
        table = self._known(name, layout.OWN_COLUMNS[name])
        own = self._own_columns(name) | {KEY: "key"}
        return self._draft(table, own, targets, self._roots(of_part=self._type != "track"))

    def _detail(self, target: Target) -> Draft:
        """An event's own table."""
        table = self._known(target.name, layout.EVENT_COLUMNS)
        own = self._own_columns("") | {"event": DIALECT.literal(target.name)}
        return self._draft(table, own, [target], self._roots(of_part=True))

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

    def _draft(
        self, table: Table, own: Mapping[str, str], targets: Sequence[Target], roots: frozenset[str]
    ) -> Draft:
        messages = _messages(targets)
        routes = [route for target in targets for route in target.routes]
        structure = self._work.structure
        looks = [self._work.looks[route].kinds for route in routes]
        found = structure.find(looks, roots, messages)
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
        return Draft(plan, own, targets)

    def _groups(self, drafts: Sequence[Draft]) -> list[Group]:
        """Those that can be on one sheet together."""
        groups: list[Group] = []
        for draft in drafts:
            if any(self._joins(draft, group) for group in groups):
                continue
            group = Group(Sheet(self._own_columns("") | {ROUTE: ROUTE}))
            if not self._joins(draft, group):
                group = Group(None, [draft])
            groups.append(group)
        return groups

    def _joins(self, draft: Draft, group: Group) -> bool:
        """Put it on the sheet, if there is room and it can be there."""
        if group.sheet is None or self._work.has_bad_times:
            return False
        messages = group.messages + sum(self._work.looks[route].messages for route in draft.routes)
        columns = group.columns + len(draft.plan.planned)
        is_large = columns > SHEET_COLUMNS_MAX or messages * columns > SHEET_VALUES_MAX
        if is_large and group.drafts:
            return False
        try:
            group.sheet.add(draft.plan)
        except (Apart, Unsafe):
            return False
        group.drafts.append(draft)
        group.messages, group.columns = messages, columns
        return True

    def _shaped_together(self, group: Group) -> list[Shaped]:
        """The rows of all tables on a sheet."""
        drafts = group.drafts
        if group.sheet is None:
            return [self._with_care(draft) for draft in drafts]
        rows = self._engine.table(group.sheet.sql(_routed(drafts))).combine_chunks()
        names = [*self._own_columns(""), "_rescued"]
        fits = [
            Fit(draft.plan, rows, places)
            for draft, places in zip(drafts, _places(drafts, rows), strict=True)
        ]
        return [
            self._shaped_of(draft, fit, names, times)
            for draft, fit, times in zip(drafts, fits, read_times(self._engine, fits), strict=True)
        ]

    def _shaped(self, draft: Draft) -> Shaped:
        """Quickly where that is safe, and otherwise with care."""
        sheet = Sheet(draft.own)
        try:
            sheet.add(draft.plan)
        except Unsafe:
            return self._with_care(draft)
        if self._work.has_bad_times:
            return self._with_care(draft)
        rows = self._engine.table(sheet.sql(_messages(draft.targets))).combine_chunks()
        fit = Fit(draft.plan, rows)
        [times] = read_times(self._engine, [fit])
        return self._shaped_of(draft, fit, [*draft.own, "_rescued"], times)

    def _shaped_of(
        self,
        draft: Draft,
        fit: Fit,
        names: Sequence[str],
        times: Mapping[Path, pa.Array] | None,
    ) -> Shaped:
        """The columns of those names and the plan's, unless a value may be lost."""
        if times is None:
            return self._with_care(draft)
        try:
            columns = fit.own(names) | fit.columns(times)
        except Unsafe:
            return self._with_care(draft)
        rows = pa.table(columns)
        if "event" not in columns and self._type == "track":
            event = pa.repeat(pa.scalar(draft.plan.table.name), rows.num_rows)
            rows = rows.append_column("event", event)
        return Shaped(draft.plan, rows, NO_DISCARDS)

    def _with_care(self, draft: Draft) -> Shaped:
        plan, messages = draft.plan, _messages(draft.targets)
        sql = CarefulRows(plan, draft.own, bad_times=self._work.has_bad_times).sql(messages)
        rows = self._engine.table(sql)
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


def _routed(drafts: Sequence[Draft]) -> str:
    """The messages of tables on one sheet."""
    routes = ", ".join(str(route) for draft in drafts for route in draft.routes)
    return f"(SELECT rowid, * FROM message WHERE route IN ({routes}))"


def _places(drafts: Sequence[Draft], rows: pa.Table) -> list[pa.Array]:
    """Of each table, where its rows are among those of the sheet, in their order."""
    numbered = [(route, number) for number, draft in enumerate(drafts) for route in draft.routes]
    routes = pa.array([route for route, _ in numbered], pa.uint64())
    numbers = pa.array([number for _, number in numbered], pa.int32())
    found = numbers.take(pc.index_in(rows[ROUTE].combine_chunks(), value_set=routes))
    order = pc.sort_indices(found)
    ends = pc.search_sorted(found.take(order), pa.array(range(len(drafts)), pa.int32()), "right")
    starts = [0, *ends.to_pylist()]
    return [order.slice(start, end - start) for start, end in itertools.pairwise(starts)]
