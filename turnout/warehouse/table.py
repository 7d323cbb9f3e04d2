"""What a table is, in words that belong to no engine."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field, replace
from enum import StrEnum

STAGING = "_staging_"


class Type(StrEnum):
    """The types a warehouse column may have. Times are UTC, with microseconds."""

    TEXT = "text"
    INTEGER = "integer"
    DECIMAL = "decimal"
    FLOAT = "float"
    BOOLEAN = "boolean"
    TIME = "time"
    DATE = "date"
    CLOCK = "clock"
    INTERVAL = "interval"
    JSON = "json"
    UUID = "uuid"
    BYTES = "bytes"


@dataclass(frozen=True, slots=True)
class Column:
    """A name and a type; `precision` and `scale` speak only of decimals."""

    name: str
    type: Type
    precision: int = 38
    scale: int = 0


@dataclass(frozen=True, slots=True)
class Table:
    """A table by schema and name. `key` names the columns no two rows may share, or is empty."""

    schema: str
    name: str
    columns: tuple[Column, ...]
    key: tuple[str, ...] = field(default=())

    def column(self, name: str) -> Column | None:
        """The column of that exact name, if there is one."""
        return next((column for column in self.columns if column.name == name), None)


def staging(table: Table, part: str = "rows") -> Table:
    """Where a `part` of the content of `table` waits until it is complete.

    In the same schema, because not every engine can move a table to another; under a name that
    any engine can hold, and that no list of tables shows.
    """
    name = hashlib.sha256(f"{part} {table.name}".encode()).hexdigest()[:16]
    return replace(table, name=STAGING + name)
