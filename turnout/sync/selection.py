"""Which tables and which columns: an allow-list, and nothing else ever leaves the source."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field

from turnout.config import Source, TableSelection
from turnout.errors import ConfigError

DEFAULT_SCHEMA = "public"
NO_SETTINGS = TableSelection([""])
# What a key of `tables` may look like: table, schema.table, and either part in double quotes.
PART = r'(?:"((?:[^"]|"")+)"|([^".]+))'
NAME = re.compile(rf"(?:{PART}\.)?{PART}", re.DOTALL)


@dataclass(frozen=True, slots=True)
class SelectedTable:
    """One table of a source and the columns to copy, all by exact name."""

    schema: str
    name: str
    columns: tuple[str, ...]
    # All that turnout.toml says of it. Not part of what makes it the same table.
    settings: TableSelection = field(default=NO_SETTINGS, compare=False)

    @property
    def label(self) -> str:
        """How people name it: the schema is said only when it is not the usual one."""
        return self.name if self.schema == DEFAULT_SCHEMA else f"{self.schema}.{self.name}"


def selected_tables(source_name: str, source: Source) -> tuple[SelectedTable, ...]:
    """The selection of `source`, checked as far as that goes without asking the database.

    Raises `ConfigError` for an empty selection, an unreadable name, and for tables or columns
    that would fall together in the warehouse, which tells no upper case from lower.
    """
    if not source.tables:
        raise ConfigError(
            f"The source '{source_name}' selects no table.",
            hint=f'Name one: [sources.{source_name}.tables.company] columns = ["uuid", "plan"].',
        )
    tables = tuple(
        SelectedTable(*_split(source_name, key), tuple(selection.columns), selection)
        for key, selection in source.tables.items()
    )
    if twice := _twice(table.name for table in tables):
        raise ConfigError(
            f"Two tables of '{source_name}' would both be copied to {source.schema}.{twice}.",
            hint="Copy one of them through a second source with its own schema.",
        )
    for table in tables:
        if twice := _twice(table.columns):
            raise ConfigError(f"sources.{source_name}: {table.label} names '{twice}' twice.")
    return tables


def _split(source_name: str, key: str) -> tuple[str, str]:
    """Schema and name out of `company`, `billing.invoice` or `billing."Odd.Name"`."""
    match = NAME.fullmatch(key)
    if match is None:
        raise ConfigError(
            f"sources.{source_name}.tables: '{key}' is no table's name.",
            hint="""Write 'table', 'schema.table', or quote: 'schema."odd.table"'.""",
        )
    quoted_schema, schema, quoted_name, name = match.groups()
    return (
        _unquote(quoted_schema) or schema or DEFAULT_SCHEMA,
        _unquote(quoted_name) or name,
    )


def _unquote(text: str | None) -> str:
    return (text or "").replace('""', '"')


def _twice(names: Iterable[str]) -> str | None:
    """The first name that was there before, in whatever case."""
    seen: set[str] = set()
    for name in names:
        if name.casefold() in seen:
            return name
        seen.add(name.casefold())
    return None
