"""The messages of one schema and type → rows of their base table and, for tracks, event tables."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

import pyarrow as pa
import pyarrow.compute as pc

from turnout.events import layout, naming
from turnout.events.discovery import PATHS_MAX, Discovery, TooManyPaths
from turnout.events.engine import Engine
from turnout.events.expression import RowsSelect, literals
from turnout.events.plan import Found, Path, Plan, plan_table
from turnout.events.routing import Target
from turnout.warehouse import Column, Table
from turnout.warehouse.duckdb import DIALECT

# Members of the message itself that become columns when they are there.
TOP_LEVEL = {"page": ("name", "category"), "screen": ("name", "category")}
NO_DISCARDS = pa.table(
    {name: pa.array([], pa.string()) for name in ("table_name", "row_id", "column_name")}
)


@dataclass(frozen=True, slots=True)
class Shaped:
    """Rows for one table, and the values among them that it did not take."""

    plan: Plan
    rows: pa.Table
    discards: pa.Table

    def only(self, ids: pa.Array) -> Shaped:
        """What is left of it for messages with these ids."""
        rows = self.rows.filter(pc.is_in(self.rows["id"], value_set=ids))
        discards = self.discards.filter(pc.is_in(self.discards["row_id"], value_set=ids))
        return Shaped(self.plan, rows, discards)


@dataclass(frozen=True, slots=True)
class Family:
    """A base table's rows and, for tracks, those of the event tables beside it."""

    base: Shaped
    details: tuple[Shaped, ...] = ()


@dataclass(frozen=True, slots=True)
class Work:
    """What shaping one unit needs everywhere. `has_bad_times`: some call's time is unreadable."""

    engine: Engine
    discovery: Discovery
    loaded_at: datetime
    has_bad_times: bool


class FamilyShaper:
    """Shapes the messages of one schema and type."""

    def __init__(
        self,
        work: Work,
        schema: str,
        type_: str,
        tables: Mapping[str, Table],
    ) -> None:
        self._engine = work.engine
        self._discovery = work.discovery
        self._has_bad_times = work.has_bad_times
        self._schema = schema
        self._type = type_
        self._tables = tables
        self._loaded_at = f"TIMESTAMP '{work.loaded_at:%Y-%m-%d %H:%M:%S.%f}'"
        self._name_of = column_namer(type_)

    def shape(self, targets: Sequence[Target]) -> Family:
        """The base table over all targets, and each track target's event table."""
        base = self._known(layout.BASES[self._type], layout.OWN_COLUMNS[layout.BASES[self._type]])
        apart = [target for target in targets if target.has_table]
        together = [target for target in targets if not target.has_table]
        asked = [*([target] for target in apart), *([together] if together else [])]
        found = self._engine.each(self._find, asked)
        if self._type != "track":
            return Family(self._shaped(base, found[0], targets))
        outside = [[each for each in some if each.path.keys[0] != "properties"] for some in found]
        with_table = [
            (self._known(target.name, layout.EVENT_COLUMNS), some, [target])
            for target, some in zip(apart, found, strict=False)
        ]
        details = self._engine.each(lambda given: self._shaped(*given), with_table)
        return Family(self._shaped(base, _united(outside), targets), tuple(details))

    def _known(self, name: str, columns: Sequence[Column]) -> Table:
        """The table as it is, with the columns it must at least have."""
        table = self._tables.get(name, Table(self._schema, name, ()))
        missing = [column for column in columns if table.column(column.name) is None]
        return replace(table, columns=(*table.columns, *missing), key=layout.KEY)

    def _find(self, targets: Sequence[Target]) -> list[Found]:
        """What is in the messages of these targets; properties without a table are not asked."""
        roots = [Path(("context",))]
        part = layout.PARTS.get(self._type)
        if part and (self._type != "track" or targets[0].has_table):
            roots.append(Path((part,)))
        leaves = [Path((name,)) for name in ("channel", *TOP_LEVEL.get(self._type, ()))]
        name = targets[0].name if targets[0].has_table else ""
        subject = (self._schema, self._type, name)
        return self._discovery.find(subject, roots, leaves, _messages(targets))

    def _shaped(self, table: Table, found: Sequence[Found], targets: Sequence[Target]) -> Shaped:
        messages = _messages(targets)
        if len(targets) > 1 and len(found) > PATHS_MAX:
            raise TooManyPaths
        plan = plan_table(
            table,
            found,
            self._name_of,
            lambda paths: self._discovery.first_types(paths, messages),
            lambda path: self._discovery.has_fraction(path, messages),
        )
        select = RowsSelect(plan, self._own_columns(plan, found), bad_times=self._has_bad_times)
        rows = self._rows(select.plain, targets)
        if not pc.any(rows["_is_misfit"]).as_py():
            return Shaped(plan, rows.drop_columns("_is_misfit"), NO_DISCARDS)
        rows = self._rows(select.careful, targets)
        return Shaped(plan, rows.drop_columns("_misfits"), self._discards(table, rows))

    def _rows(self, select: Callable[[str], str], targets: Sequence[Target]) -> pa.Table:
        """All rows; those of several targets in two halves at the same time."""
        if len(targets) == 1:
            return self._engine.table(select(_messages(targets)))
        halves = self._engine.each(
            lambda some: self._engine.table(select(_messages(some))), [targets[::2], targets[1::2]]
        )
        return pa.concat_tables(halves)

    def _own_columns(self, plan: Plan, found: Sequence[Found]) -> dict[str, str]:
        """The columns that do not come from a path, as expressions over `routed`."""
        name = plan.table.name
        own = {column.name: DIALECT.identifier(column.name) for column in layout.CALL}
        if self._type == "track":
            own |= {"event": "event_table", "event_text": "event"}
        if name == "tracks":
            own["_properties"] = "json_extract(line, '/event/properties')"
        if self._type == "group":
            own["group_id"] = "group_id"
        if self._type == "alias":
            own["previous_id"] = "previous_id"
        if name in layout.LATEST:
            own["_cleared"] = self._cleared(found)
        loaded_at = self._loaded_at
        return own | {"uuid_ts": loaded_at, "loaded_at": loaded_at, "_source": "source"}

    def _cleared(self, found: Sequence[Found]) -> str:
        """The columns whose trait a call set to null, as a JSON list; NULL for none.

        Also of columns that are not there: an older call may still bring them.
        """
        nulls = [
            each.path for each in found if "NULL" in each.kinds and each.path.keys[0] == "traits"
        ]
        if not nulls:
            return "CAST(NULL AS JSON)"
        kinds = f"json_type(line, {literals(path.pointer for path in nulls)})"
        are_null = f"list_transform({kinds}, lambda kind: coalesce(kind = 'NULL', false))"
        listed = f"list_where({literals(map(self._name_of, nulls))}, {are_null})"
        return f"CASE WHEN len({listed}) > 0 THEN to_json({listed}) END"

    def _discards(self, table: Table, rows: pa.Table) -> pa.Table:
        """One row for each value in `_misfits`."""
        rows = rows.filter(pc.greater(pc.list_value_length(rows["_misfits"]), 0))
        if not rows.num_rows:
            return NO_DISCARDS
        return self._engine.table(
            "SELECT ?::VARCHAR AS table_name, id AS row_id, received_at, "
            f"unnest(_misfits, recursive := true), {self._loaded_at} AS uuid_ts, _source AS source "
            "FROM misfit_rows",
            [f"{table.schema}.{table.name}"],
            misfit_rows=rows,
        )


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
    numbers = ", ".join(str(target.number) for target in targets)
    return f"(SELECT rowid, * FROM routed WHERE target IN ({numbers}))"


def _united(found: Sequence[Sequence[Found]]) -> list[Found]:
    """What several sets of messages have together."""
    kinds: dict[Path, frozenset[str]] = {}
    for each in itertools.chain.from_iterable(found):
        kinds[each.path] = kinds.get(each.path, frozenset()) | each.kinds
    return [Found(path, kinds[path]) for path in sorted(kinds, key=lambda path: path.keys)]
