"""The quick way to tables' rows: documents read straight into typed members, in one parse each.

It serves where every kind of value fits its column, as nearly always; where a value may be lost by
its size or spelling, `expression.py` looks at that table again with care.

Most of what a small load costs is the engine's planning, of each statement and each expression in
it. So tables share a statement where none reads a member otherwise than another: a sheet. What the
engine gives are the documents as structs; their members become columns as Arrow.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

import pyarrow as pa
import pyarrow.compute as pc

from turnout.events.engine import Engine
from turnout.events.loading.iso import common_time_sql
from turnout.events.loading.plan import EXACT_MAX, FITTING, Found, Path, Plan
from turnout.warehouse import Type
from turnout.warehouse.duckdb import DIALECT

# What a value is read as, before it becomes its column's type.
READ_AS = {Type.FLOAT: "DOUBLE", Type.BOOLEAN: "BOOLEAN", Type.JSON: "JSON"}
TIMES_SQL = (
    f"SELECT {common_time_sql('text')} AS time, time IS NULL AND text <> '' AS is_lost FROM texts"
)

# What is read of a document: key → what it is read as and becomes, or the same of an object.
Members: TypeAlias = dict[str, Any]


class Unsafe(Exception):
    """These messages must be looked at with care."""


class Apart(Exception):
    """These messages cannot be on this sheet."""


class Sheet:
    """The SELECT of `own` columns (name → expression over the messages) and of plans' documents."""

    def __init__(self, own: Mapping[str, str]) -> None:
        self._own = own
        self._members: dict[str, Members] = {}
        self._texts: set[str] = set()

    def add(self, plan: Plan) -> None:
        """Have the values for the columns of a further table.

        Raises `Unsafe` for a plan whose values may not all fit, `Apart` for one that reads a
        member otherwise than the plans that are there.
        """
        self._members = _beside(self._members, _members(plan))
        self._texts |= {
            found.path.document
            for each in plan.planned
            for found in each.feeds
            if not found.path.depth
        }

    def sql(self, source: str) -> str:
        """The own columns, and each document as `<name>_`."""
        columns = [
            *(
                f"{expression} AS {DIALECT.identifier(name)}"
                for name, expression in self._own.items()
            ),
            *(f"{name} AS {name}_" for name in sorted(self._texts)),
            *(
                f"from_json({name}, {DIALECT.literal(json.dumps(_read_as(members)))}) AS {name}_"
                for name, members in self._members.items()
            ),
            "CAST(NULL AS JSON) AS _rescued",
        ]
        return f"SELECT {', '.join(columns)} FROM {source}"


class Fit:
    """The values of one plan's columns in the rows of a sheet, or in those at some `places`."""

    def __init__(self, plan: Plan, rows: pa.Table, places: pa.Array | None = None) -> None:
        self._plan = plan
        self._rows = rows
        self._places = places
        # Texts that are to become times, by their paths.
        self.texts = {
            found.path: self._value(found.path)
            for each in plan.planned
            if each.column.type is Type.TIME
            for found in each.feeds
        }

    def columns(self, times: Mapping[Path, pa.Array]) -> dict[str, pa.Array]:
        """By name, when the texts became `times`; raises `Unsafe` when a value may be lost."""
        columns = {}
        for each in self._plan.planned:
            values = [
                times[found.path]
                if found.path in times
                else _fitted(self._value(found.path), each.column.type)
                for found in each.feeds
            ]
            columns[each.column.name] = pc.coalesce(*values) if len(values) > 1 else values[0]
            for value in values[1:]:
                _check_none(pc.not_equal(value, columns[each.column.name]))
        return columns

    def own(self, names: Sequence[str]) -> dict[str, pa.Array]:
        """The columns of the sheet that are not of its documents."""
        return {name: self._at_places(self._rows[name].chunk(0)) for name in names}

    def _value(self, path: Path) -> pa.Array:
        values = self._rows[f"{path.document}_"].chunk(0)
        return self._at_places(pc.struct_field(values, path.keys[1:]) if path.depth else values)

    def _at_places(self, values: pa.Array) -> pa.Array:
        return values if self._places is None else values.take(self._places)


def read_times(engine: Engine, fits: Sequence[Fit]) -> list[dict[Path, pa.Array] | None]:
    """The times in the texts of each, all read in one statement; None where one may be lost."""
    texts = [text for fit in fits for text in fit.texts.values()]
    if not texts:
        return [{} for _ in fits]
    rows = engine.table(TIMES_SQL, texts=pa.table({"text": pa.concat_arrays(texts)}))
    rows, start = rows.combine_chunks(), 0
    found: list[dict[Path, pa.Array] | None] = []
    for fit in fits:
        times: dict[Path, pa.Array] = {}
        is_lost = False
        for path, text in fit.texts.items():
            part, start = rows.slice(start, len(text)), start + len(text)
            times[path] = part["time"].combine_chunks()
            is_lost = is_lost or pc.any(part["is_lost"]).as_py() or False
        found.append(None if is_lost else times)
    return found


def _fitted(values: pa.Array, type_: Type) -> pa.Array:
    """As the column has them; raises `Unsafe` when one would be lost."""
    if type_ is Type.INTEGER:
        try:
            return values.cast(pa.int64())
        except pa.ArrowInvalid:
            raise Unsafe from None
    if type_ is Type.FLOAT:
        _check_none(pc.greater_equal(pc.abs(values), float(EXACT_MAX)))
    if type_ is Type.JSON:
        return pc.if_else(pc.equal(values, "null"), pa.scalar(None, values.type), values)
    return values


def _check_none(doubts: pa.Array) -> None:
    if pc.any(doubts).as_py():
        raise Unsafe


def _members(plan: Plan) -> dict[str, Members]:
    """What a plan reads of each document.

    The engine tells names apart without regard to case, and has no empty ones.
    """
    if plan.homeless:
        raise Unsafe
    documents: dict[str, Members] = {}
    for each in plan.planned:
        for found in each.feeds:
            if found.path.depth:
                _add_member(documents, found, each.column.type)
    return documents


def _add_member(documents: dict[str, Members], found: Found, type_: Type) -> None:
    path = found.path
    inside = documents.setdefault(path.document, {})
    for key in path.keys[1:-1]:
        inside = inside.setdefault(_distinct(key, inside), {})
        if not isinstance(inside, dict):
            raise Unsafe
    key = path.keys[-1]
    if key in inside:
        raise Unsafe
    inside[_distinct(key, inside)] = _kind(found, type_), type_


def _beside(ours: Members, theirs: Members) -> Members:
    """Both; `Apart` where they do not read the same of the same."""
    spelled = {key.lower() for key in ours}
    both = dict(ours)
    for key, their in theirs.items():
        our = ours.get(key)
        if our is None:
            if key.lower() in spelled:
                raise Apart
            both[key] = their
        elif isinstance(our, dict) and isinstance(their, dict):
            both[key] = _beside(our, their)
        elif our != their:
            raise Apart
    return both


def _read_as(members: Members) -> Members:
    """As the engine is told it."""
    return {
        key: _read_as(value) if isinstance(value, dict) else value[0]
        for key, value in members.items()
    }


def _kind(found: Found, type_: Type) -> str:
    kinds = found.kinds - {"NULL"}
    if type_ not in FITTING:
        if "OBJECT" in kinds:
            raise Unsafe
        return READ_AS.get(type_, "VARCHAR")
    if not kinds <= FITTING[type_]:
        raise Unsafe
    if type_ is Type.INTEGER:
        return "HUGEINT" if len(kinds) > 1 else next(iter(kinds))
    return READ_AS.get(type_, "VARCHAR")


def _distinct(key: str, inside: Members) -> str:
    if key not in inside and key.lower() in {other.lower() for other in inside}:
        raise Unsafe
    if not key.strip() or not key.isprintable():
        raise Unsafe
    return key
