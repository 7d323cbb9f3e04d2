"""What a PostgreSQL server says about its tables, their columns, and our role's rights to them."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import psycopg

from turnout.errors import SourceRefused
from turnout.sync.postgres.grants import grants
from turnout.sync.postgres.types import SourceType
from turnout.sync.selection import SelectedTable

TABLES = """
SELECT n.nspname, c.relname, c.oid, greatest(c.reltuples, 0)::bigint,
       has_schema_privilege(n.oid, 'USAGE'),
       has_schema_privilege(n.oid, 'USAGE') AND has_any_column_privilege(c.oid, 'SELECT'),
       has_table_privilege(c.oid, 'INSERT, UPDATE, DELETE, TRUNCATE')
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f')
  AND n.nspname <> 'information_schema' AND n.nspname !~ '^pg_'
"""

# Domains are followed down to their base type, whose typmod may stand on the domain.
COLUMNS = """
WITH RECURSIVE base AS (
    SELECT attrelid, attnum, attname, atttypid AS type, atttypmod AS typmod
    FROM pg_attribute
    WHERE attrelid = ANY(%s::oid[]) AND attnum > 0 AND NOT attisdropped
    UNION ALL
    SELECT b.attrelid, b.attnum, b.attname, t.typbasetype, t.typtypmod
    FROM base b JOIN pg_type t ON t.oid = b.type WHERE t.typtype = 'd'
)
SELECT b.attrelid, b.attname, has_column_privilege(b.attrelid, b.attnum, 'SELECT'),
       t.typname, t.typtype, t.typcategory, n.nspname = 'pg_catalog', b.typmod
FROM base b JOIN pg_type t ON t.oid = b.type JOIN pg_namespace n ON n.oid = t.typnamespace
WHERE t.typtype <> 'd'
ORDER BY b.attrelid, b.attnum
"""


@dataclass(frozen=True, slots=True)
class FoundColumn:
    """A column as the server has it; its values are read only if it is selected."""

    type: SourceType
    may_read: bool


@dataclass(frozen=True, slots=True)
class FoundTable:
    """A table as the server has it. `columns` is filled for selected tables only."""

    schema: str
    name: str
    rows_estimated: int
    may_enter: bool
    may_read: bool
    may_write: bool
    columns: Mapping[str, FoundColumn]

    @property
    def selected(self) -> SelectedTable:
        """This table with all of its columns, to speak of it."""
        return SelectedTable(self.schema, self.name, tuple(self.columns))


@dataclass(frozen=True, slots=True)
class Catalogue:
    """Tables by schema and name, as one role sees them."""

    role: str
    tables: Mapping[tuple[str, str], FoundTable]

    def find(self, table: SelectedTable) -> FoundTable:
        """The selected table. Raises `SourceRefused` with the first thing that is in the way."""
        problem = next(self.problems(table), None)
        if problem is not None:
            raise problem
        return self.tables[table.schema, table.name]

    def problems(self, table: SelectedTable) -> Iterator[SourceRefused]:
        """All that keeps this table from being copied."""
        found = self.tables.get((table.schema, table.name))
        if found is None:
            known = [other.selected.label for other in self.tables.values()]
            yield SourceRefused(
                f"There is no table '{table.label}' in the source.",
                hint=_nearest(table.label, known),
            )
            return
        for name in table.columns:
            if name not in found.columns:
                yield SourceRefused(
                    f"The table '{table.label}' has no column '{name}'.",
                    hint=_nearest(name, found.columns),
                )
        closed = [name for name in table.columns if not _may_read(found, name)]
        if closed:
            columns = ", ".join(f"{table.label}.{name}" for name in closed)
            yield SourceRefused(
                f"The role '{self.role}' may not read {columns}.",
                hint="Run on the leader: " + " ".join(grants([table], self.role)),
            )


def read_catalogue(
    connection: psycopg.Connection[Any], selection: Sequence[SelectedTable]
) -> Catalogue:
    """Every table's name and rights; the columns of the selected ones."""
    wanted = {(table.schema, table.name) for table in selection}
    rows = connection.execute(TABLES).fetchall()
    columns = _columns(
        connection, [oid for schema, name, oid, *_ in rows if (schema, name) in wanted]
    )
    tables = {
        (schema, name): FoundTable(
            schema, name, rows_estimated, may_enter, may_read, may_write, columns.get(oid, {})
        )
        for schema, name, oid, rows_estimated, may_enter, may_read, may_write in rows
    }
    role = connection.execute("SELECT current_user").fetchone()
    return Catalogue(role[0] if role else "", tables)


def _columns(
    connection: psycopg.Connection[Any], oids: list[int]
) -> dict[int, dict[str, FoundColumn]]:
    found: dict[int, dict[str, FoundColumn]] = {}
    for oid, name, may_read, *type_ in connection.execute(COLUMNS, [oids]):
        found.setdefault(oid, {})[name] = FoundColumn(SourceType(*type_), may_read)
    return found


def _may_read(found: FoundTable, name: str) -> bool:
    """A column that is not there is another problem than one that may not be read."""
    column = found.columns.get(name)
    return column is None or (found.may_enter and column.may_read)


def _nearest(name: str, known: Iterable[str]) -> str | None:
    known = sorted(known)
    close = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    if close:
        return f"Did you mean '{close[0]}'?"
    return f"There are: {', '.join(known[:20])}." if known else None
