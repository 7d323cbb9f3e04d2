"""How each MySQL type is read, and what it becomes in the warehouse.

Values travel as text that the server writes in its own way, whichever road they take: a copy asks
for that text, and `image.py` writes the same out of the log. `arrays.py` makes Arrow of it.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

from turnout.warehouse import Column, Type

DECIMAL_DIGITS_MAX = 38
# A number of 64 bits without a sign has up to so many digits.
BIG_DIGITS = 20
BIT_MAX = 63


@dataclass(frozen=True, slots=True)
class SourceType:
    """A column's type as the catalogue gives it, such as `decimal` and `decimal(10,2) unsigned`."""

    name: str
    spelled: str
    precision: int = 0
    scale: int = 0

    @property
    def is_unsigned(self) -> bool:
        return "unsigned" in self.spelled


@dataclass(frozen=True, slots=True)
class Reading:
    """A column of ours, the expression that reads it, and its type at the source."""

    column: Column
    expression: str
    type: SourceType


INTEGERS = ("tinyint", "smallint", "mediumint", "int", "integer", "bigint")
BYTES = ("binary", "varbinary", "tinyblob", "blob", "mediumblob", "longblob", "vector")
SHAPES = (
    "geometry", "point", "linestring", "polygon", "multipoint", "multilinestring",
    "multipolygon", "geometrycollection", "geomcollection",
)  # fmt: skip
# What a type becomes; text stands for the others.
PLAIN = {
    **dict.fromkeys(INTEGERS, Type.INTEGER),
    **dict.fromkeys(BYTES, Type.BYTES),
    "bit": Type.INTEGER,
    "year": Type.INTEGER,
    "float": Type.FLOAT,
    "double": Type.FLOAT,
    "date": Type.DATE,
    "datetime": Type.TIME,
    "timestamp": Type.TIME,
    "time": Type.INTERVAL,
    "json": Type.JSON,
}
# Types whose column by itself would be written with fewer digits than it has (floats: six, or as
# many as their type says), or not as text.
WRITTEN = {
    "bit": "{} + 0",
    "float": "{} + 0e0",
    "double": "{} + 0e0",
    **dict.fromkeys(SHAPES, "ST_AsText({})"),
}


def reading(
    name: str, quoted: str, source: SourceType, json_keys: Sequence[str] | None = None
) -> Reading:
    """How the column `name`, spelled `quoted` in SQL, is read.

    With `json_keys` it is a document of which only those keys are read.
    """
    if json_keys is not None:
        return Reading(Column(name, Type.JSON), _keys_of(quoted, json_keys), source)
    return Reading(_column(name, source), WRITTEN.get(source.name, "{}").format(quoted), source)


def _column(name: str, source: SourceType) -> Column:
    is_unsigned = source.name == "bigint" and source.is_unsigned
    if is_unsigned or (source.name == "bit" and source.precision > BIT_MAX):
        return Column(name, Type.DECIMAL, BIG_DIGITS, 0)
    if source.name == "decimal":
        return _decimal(name, source)
    return Column(name, PLAIN.get(source.name, Type.TEXT))


def _decimal(name: str, source: SourceType) -> Column:
    if source.precision > DECIMAL_DIGITS_MAX:
        return Column(name, Type.TEXT)
    return Column(name, Type.DECIMAL, source.precision, source.scale)


def _keys_of(quoted: str, keys: Sequence[str]) -> str:
    """A document with those keys only; one that has none of them stays one, a missing one too."""
    pairs = ", ".join(f"{_literal(key)}, JSON_EXTRACT({quoted}, {_path(key)})" for key in keys)
    return f"IF({quoted} IS NULL, NULL, JSON_OBJECT({pairs}))"


def _path(key: str) -> str:
    return _literal("$." + json.dumps(key, ensure_ascii=False))


def _literal(text: str) -> str:
    """As our sessions write text: a backslash says that the next sign is meant as it is."""
    return "'" + text.replace("\\", "\\\\").replace("'", "''") + "'"
