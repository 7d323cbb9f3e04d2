"""How each PostgreSQL type is read, and what it becomes in the warehouse.

A value travels in PostgreSQL's binary form when that is exact, and else as text that the server
writes and the warehouse casts back. What no warehouse type can hold becomes NULL and is counted.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from turnout.sync.postgres.names import literal
from turnout.warehouse import Column, Type

DECIMAL_DIGITS_MAX = 38
# The first instant that 64 bits of microseconds since 1970 no longer reach, rounded down.
TIME_END = "294247-01-10"


@dataclass(frozen=True, slots=True)
class SourceType:
    """A column's type as the catalogue gives it, domains already resolved to their base."""

    name: str
    kind: str  # pg_type.typtype
    category: str  # pg_type.typcategory
    is_builtin: bool
    typmod: int


@dataclass(frozen=True, slots=True)
class Reading:
    """A column of ours, the expression that reads it, and when its value is lost (or never)."""

    column: Column
    expression: str
    lost: str = ""


# Types whose binary form arrives exactly.
NATIVE = {
    "bool": Type.BOOLEAN,
    "int2": Type.INTEGER,
    "int4": Type.INTEGER,
    "int8": Type.INTEGER,
    "float4": Type.FLOAT,
    "float8": Type.FLOAT,
    "text": Type.TEXT,
    "varchar": Type.TEXT,
    "bytea": Type.BYTES,
    "time": Type.CLOCK,
}
# Types that have a year; outside these bounds lie ±infinity, BC, and more than 64 bits hold.
BOUNDED = {
    "date": (Type.DATE, "'0001-01-01'", "'infinity'"),
    "timestamp": (Type.TIME, "'0001-01-01'", f"'{TIME_END}'"),
    "timestamptz": (Type.TIME, "'0001-01-01 00:00:00+00'", f"'{TIME_END} 00:00:00+00'"),
}


# Types that travel as something else: our type, and the expression around the column.
WRITTEN = {
    "json": (Type.JSON, "{}::text"),
    "jsonb": (Type.JSON, "{}::text"),
    "oid": (Type.INTEGER, "{}::int8"),
    # Text, because ids are what tables are joined to events by, and an event's `user_id` is text:
    # one that is no uuid would make the engine refuse the whole query, or any such join at all.
    "uuid": (Type.TEXT, "{}::text"),
    # Its cast to text says /32 after every address; its output, which concat takes, does not.
    "inet": (Type.TEXT, "nullif(concat({}), '')"),
}


def reading(name: str, quoted: str, source: SourceType) -> Reading:
    """How the column `name`, spelled `quoted` in SQL, is read."""
    if source.category == "A":
        return Reading(Column(name, Type.JSON), f"to_json({quoted})::text")
    if source.is_builtin and source.kind == "b":
        return _builtin(name, quoted, source)
    return Reading(Column(name, Type.TEXT), f"{quoted}::text")


def with_keys(name: str, quoted: str, keys: Sequence[str]) -> Reading:
    """A JSON column of which only `keys` leave the server; what is no object has none of them."""
    objects = f"{quoted}::jsonb"
    parts = (
        f"CASE WHEN {objects} ? {key} THEN jsonb_build_object({key}, {objects} -> {key}) "
        "ELSE '{}'::jsonb END"
        for key in map(literal, keys)
    )
    built = " || ".join(parts) or "'{}'::jsonb"
    expression = f"CASE WHEN jsonb_typeof({objects}) = 'object' THEN ({built})::text END"
    return Reading(Column(name, Type.JSON), expression)


def _builtin(name: str, quoted: str, source: SourceType) -> Reading:
    if source.name in NATIVE:
        return Reading(Column(name, NATIVE[source.name]), quoted)
    if source.name == "money":
        return Reading(Column(name, Type.DECIMAL, 19, 2), f"{quoted}::numeric::text")
    if source.name in BOUNDED:
        type_, first, end = BOUNDED[source.name]
        return _kept(Column(name, type_), quoted, f"{quoted} >= {first} AND {quoted} < {end}")
    if source.name == "numeric":
        return _numeric(name, quoted, source.typmod)
    if source.name == "interval":
        # "-3 days +04:05:06": the plus says nothing, and not every engine reads it.
        text = f"replace({quoted}::text, '+', '')"
        return _kept(Column(name, Type.INTERVAL), quoted, f"isfinite({quoted})", text)
    type_, expression = WRITTEN.get(source.name, (Type.TEXT, "{}::text"))
    return Reading(Column(name, type_), expression.format(quoted))


def _numeric(name: str, quoted: str, typmod: int) -> Reading:
    """A decimal as wide as the source's own; without limits, text keeps it exact."""
    if typmod < 0:
        return Reading(Column(name, Type.TEXT), f"{quoted}::text")
    precision = ((typmod - 4) >> 16) & 0xFFFF
    # The scale is a signed number of eleven bits: numeric(2, -3) holds thousands.
    scale = (((typmod - 4) & 0x7FF) ^ 0x400) - 0x400
    digits = max(precision - min(scale, 0), scale)
    if digits > DECIMAL_DIGITS_MAX:
        return Reading(Column(name, Type.TEXT), f"{quoted}::text")
    column = Column(name, Type.DECIMAL, digits, max(scale, 0))
    return _kept(column, quoted, f"{quoted} <> 'NaN'", f"{quoted}::text")


def _kept(column: Column, quoted: str, condition: str, expression: str = "") -> Reading:
    """A value is kept on `condition`, and lost when it is there without meeting it."""
    return Reading(
        column,
        f"CASE WHEN {condition} THEN {expression or quoted} END",
        f"{quoted} IS NOT NULL AND NOT ({condition})",
    )
