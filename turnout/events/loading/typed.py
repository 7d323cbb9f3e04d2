"""The quick SQL of one table's rows: documents read straight into typed members, in one parse each.

It serves where every kind of value fits its column, as nearly always; a value that may yet be lost
by its size or spelling marks its row, and `expression.py` looks at the table again with care.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from turnout.events.loading.iso import common_time_sql
from turnout.events.loading.plan import EXACT_MAX, FITTING, Found, Path, Plan
from turnout.warehouse import Type
from turnout.warehouse.duckdb import DIALECT

INTEGER_MAX = 2**63 - 1
# What a value is read as, before it becomes its column's type.
READ_AS = {Type.FLOAT: "DOUBLE", Type.BOOLEAN: "BOOLEAN", Type.JSON: "JSON"}
DOCUMENTS = ("context", "part")


class Unsafe(Exception):
    """These messages must be looked at with care."""


class TypedRows:
    """The SELECT of a plan's columns beside `own` ones (name → expression over the messages).

    Raises `Unsafe` for a plan whose values may not all fit.
    """

    def __init__(self, plan: Plan, own: Mapping[str, str], *, bad_times: bool) -> None:
        """`bad_times` says that the messages have some whose time could not be read."""
        if plan.homeless or bad_times:
            raise Unsafe
        self._members: dict[str, Any] = {}
        self._values: list[str] = []
        self._doubts: list[str] = []
        self._columns = [
            f"{expression} AS {DIALECT.identifier(name)}" for name, expression in own.items()
        ]
        for each in plan.planned:
            names = [self._read(found, each.column.type) for found in each.feeds]
            value = names[0] if len(names) == 1 else f"coalesce({', '.join(names)})"
            self._columns.append(f"{value} AS {DIALECT.identifier(each.column.name)}")
            self._doubts += [f"{name} <> {value}" for name in names[1:]]

    def sql(self, source: str) -> str:
        """The columns, a NULL `_rescued`, and `_is_doubtful`: true for rows to look at again."""
        documents = "".join(
            f", from_json({name}, {DIALECT.literal(json.dumps(self._members[name]))}) AS {name}_"
            for name in DOCUMENTS
            if name in self._members
        )
        values = "".join(f", {value}" for value in self._values)
        columns = ", ".join(self._columns)
        doubts = " OR ".join(self._doubts) or "false"
        return (
            f"SELECT {columns}, CAST(NULL AS JSON) AS _rescued, {doubts} AS _is_doubtful "
            f"FROM (SELECT *{values} FROM (SELECT *{documents} FROM {source}))"
        )

    def _read(self, found: Found, type_: Type) -> str:
        """Read one path; the name of its value."""
        name = f"f{len(self._values)}"
        if found.path.depth == 0:
            self._values.append(f"{found.path.document} AS {name}")
            return name
        read_as = _read_as(found, type_)
        self._add_member(found.path, read_as)
        value = "_.".join((found.path.document, _steps(found.path)))
        if type_ is Type.INTEGER:
            self._doubts += [f"{value} > {INTEGER_MAX}"] * (read_as != "BIGINT")
            value = f"TRY_CAST({value} AS BIGINT)"
        elif type_ is Type.FLOAT:
            self._doubts.append(f"abs({value}) >= {EXACT_MAX}")
        elif type_ is Type.TIME:
            # An empty text is simply none.
            self._doubts.append(f"{name} IS NULL AND {value} <> ''")
            value = common_time_sql(value)
        elif type_ is Type.JSON:
            value = f"nullif(CAST({value} AS VARCHAR), 'null')"
        self._values.append(f"{value} AS {name}")
        return name

    def _add_member(self, path: Path, read_as: str) -> None:
        """Names of members are told apart without regard to case, and may not be empty."""
        inside = self._members.setdefault(path.document, {})
        for key in path.keys[1:-1]:
            inside = inside.setdefault(_distinct(key, inside), {})
            if not isinstance(inside, dict):
                raise Unsafe
        key = path.keys[-1]
        if key in inside:
            raise Unsafe
        inside[_distinct(key, inside)] = read_as


def _read_as(found: Found, type_: Type) -> str:
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


def _distinct(key: str, inside: Mapping[str, Any]) -> str:
    if key not in inside and key.lower() in {other.lower() for other in inside}:
        raise Unsafe
    if not key.strip() or not key.isprintable():
        raise Unsafe
    return key


def _steps(path: Path) -> str:
    return ".".join(DIALECT.identifier(key) for key in path.keys[1:])
