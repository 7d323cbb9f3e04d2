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
       has_table_privilege(c.oid, 'INSERT, UPDATE, DELETE, TRUNCATE'),
       has_any_column_privilege(c.oid, 'INSERT, UPDATE')
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f')
  AND n.nspname <> 'information_schema' AND n.nspname !~ '^pg_'
"""

# Domains are followed down to their base type, whose typmod may stand on the domain.
COLUMNS = """
WITH RECURSIVE base AS (
    SELECT attrelid, attnum, attname, atttypid AS type, atttypmod AS typmod,
           format_type(atttypid, atttypmod) AS spelled, attnotnull
    FROM pg_attribute
    WHERE attrelid = ANY(%s::oid[]) AND attnum > 0 AND NOT attisdropped
    UNION ALL
    SELECT b.attrelid, b.attnum, b.attname, t.typbasetype,
           CASE WHEN t.typtypmod < 0 THEN b.typmod ELSE t.typtypmod END, b.spelled,
           b.attnotnull
    FROM base b JOIN pg_type t ON t.oid = b.type WHERE t.typtype = 'd'
)
SELECT b.attrelid, b.attname, b.attnum::int, b.spelled, NOT b.attnotnull,
       has_column_privilege(b.attrelid, b.attnum, 'SELECT'),
       t.oid, t.typname, t.typtype, t.typcategory, n.nspname = 'pg_catalog', b.typmod
FROM base b JOIN pg_type t ON t.oid = b.type JOIN pg_namespace n ON n.oid = t.typnamespace
WHERE t.typtype <> 'd'
ORDER BY b.attrelid, b.attnum
"""

# Every key a table has, the primary first: unique, of columns that are never null, at any time.
KEYS = """
SELECT i.indrelid, array_agg(a.attname::text ORDER BY k.place)
FROM pg_index i
    CROSS JOIN unnest(i.indkey::int2[]) WITH ORDINALITY AS k (attnum, place)
    JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.attnum
WHERE i.indrelid = ANY(%s::oid[]) AND i.indisunique AND i.indisvalid AND i.indimmediate
  AND i.indpred IS NULL AND i.indexprs IS NULL AND k.place <= i.indnkeyatts
GROUP BY i.indrelid, i.indexrelid, i.indisprimary
HAVING bool_and(a.attnotnull)
ORDER BY i.indrelid, i.indisprimary DESC, i.indexrelid
"""

# Columns that some index begins with, so that a range of them is found without a look at the rest.
INDEXED = """
SELECT i.indrelid, a.attname::text
FROM pg_index i
    JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_am m ON m.oid = c.relam
    JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = (i.indkey::int2[])[0]
WHERE i.indrelid = ANY(%s::oid[]) AND i.indisvalid AND i.indpred IS NULL
  AND m.amname IN ('btree', 'brin')
"""

# A table is stored in heaps, its own and those of its partitions and children; or it is not (a
# view, a foreign table, another kind of storage), and then its rows have no place and no number.
STORAGE = """
WITH RECURSIVE part AS (
    SELECT c.oid AS root, c.oid FROM pg_class c WHERE c.oid = ANY(%s::oid[])
    UNION ALL
    SELECT part.root, i.inhrelid FROM part JOIN pg_inherits i ON i.inhparent = part.oid
)
SELECT part.root, bool_and(c.relkind = 'p' OR coalesce(m.amname = 'heap', false)),
       max(c.relpages),
       sum(greatest(c.reltuples, 0))::bigint, row_security_active(part.root),
       bool_or(part.oid = part.root AND c.relrowsecurity),
       coalesce(string_agg(part.oid || ':' || c.relfilenode, ' ' ORDER BY part.oid)
           FILTER (WHERE part.oid <> part.root AND c.relkind <> 'p'), '')
FROM part JOIN pg_class c ON c.oid = part.oid LEFT JOIN pg_am m ON m.oid = c.relam
GROUP BY part.root
"""
# Tables written anew since the snapshot was taken, which does not see the rows where they are now:
# the file is asked for as of now, the catalogue as of then.
MOVED = """
WITH RECURSIVE part AS (
    SELECT c.oid AS root, c.oid FROM pg_class c WHERE c.oid = ANY(%s::oid[])
    UNION ALL
    SELECT part.root, i.inhrelid FROM part JOIN pg_inherits i ON i.inhparent = part.oid
)
SELECT part.root, true FROM part JOIN pg_class c ON c.oid = part.oid
WHERE pg_relation_filenode(c.oid) <> c.relfilenode
"""
# How many blocks the largest heap has now. Asking waits for whoever has locked the table.
BLOCKS = """
WITH RECURSIVE part AS (
    SELECT %s::oid AS oid
    UNION ALL
    SELECT i.inhrelid FROM part JOIN pg_inherits i ON i.inhparent = part.oid
)
SELECT coalesce(max(pg_relation_size(oid)), 0) / current_setting('block_size')::int8 FROM part
"""
SYSTEM_COLUMNS = """
SELECT attrelid, attname::text FROM pg_attribute
WHERE attrelid = ANY(%s::oid[]) AND attnum < 0 AND attname IN ('ctid', 'xmin')
  AND has_column_privilege(attrelid, attnum, 'SELECT')
"""


@dataclass(frozen=True, slots=True)
class FoundColumn:
    """A column as the server has it; its values are read only if it is selected."""

    place: int  # pg_attribute.attnum
    spelled: str  # its type as PostgreSQL writes it, with length or digits
    is_nullable: bool
    may_read: bool
    type_oid: int  # its base's, where it is a domain
    type: SourceType


@dataclass(frozen=True, slots=True)
class Details:
    """What is asked about selected tables only."""

    columns: Mapping[str, FoundColumn]
    keys: Sequence[tuple[str, ...]] = ()
    indexed: frozenset[str] = frozenset()
    # Those of ctid and xmin that the role may read.
    system_columns: frozenset[str] = frozenset()
    is_heap: bool = False
    # Of the largest heap, as of when it was last looked through by the server.
    blocks_estimated: int = 0
    rows_estimated: int = 0
    # A row policy hides rows of it from the role.
    has_policy: bool = False
    # Or from some other role.
    has_policies: bool = False
    # The heaps of its partitions and children.
    parts: str = ""


NO_DETAILS = Details({})


@dataclass(frozen=True, slots=True)
class FoundTable:
    """A table as the server has it. `details` are filled for selected tables only."""

    schema: str
    name: str
    oid: int
    rows_estimated: int
    may_enter: bool
    may_read: bool
    may_write: bool
    details: Details

    @property
    def columns(self) -> Mapping[str, FoundColumn]:
        return self.details.columns

    @property
    def selected(self) -> SelectedTable:
        """This table with all of its columns, to speak of it."""
        return SelectedTable(self.schema, self.name, tuple(self.columns))

    @property
    def has_xmin(self) -> bool:
        """Whether its rows say which transaction wrote them, and the role may read that."""
        return self.details.is_heap and "xmin" in self.details.system_columns

    @property
    def has_places(self) -> bool:
        """Whether its rows can be read by where they lie."""
        return self.details.is_heap and "ctid" in self.details.system_columns

    def key_among(self, columns: Sequence[str]) -> tuple[str, ...]:
        """The first of its keys that is wholly among `columns`; empty when there is none."""
        return next((key for key in self.details.keys if set(key) <= set(columns)), ())


@dataclass(frozen=True, slots=True)
class Catalogue:
    """Tables by schema and name, as one role sees them."""

    role: str
    tables: Mapping[tuple[str, str], FoundTable]

    def get(self, table: SelectedTable) -> FoundTable | None:
        """The table of that name, whatever may be wrong with it."""
        return self.tables.get((table.schema, table.name))

    def find(self, table: SelectedTable) -> FoundTable:
        """The selected table. Raises `SourceRefused` with the first thing that is in the way."""
        problem = next(self.problems(table), None)
        if problem is not None:
            raise problem
        return self.tables[table.schema, table.name]

    def problems(self, table: SelectedTable) -> Iterator[SourceRefused]:
        """All that keeps this table from being copied."""
        found = self.get(table)
        if found is None:
            known = [other.selected.label for other in self.tables.values()]
            yield SourceRefused(
                f"There is no table '{table.label}' in the source.",
                hint=_nearest(table.label, known),
            )
            return
        any_gone = table.settings.on_dropped == "null" and any(
            name in found.columns for name in table.columns
        )
        for name in table.columns:
            if name not in found.columns and not any_gone:
                yield SourceRefused(
                    f"The table '{table.label}' has no column '{name}'.",
                    hint=_nearest(name, set(found.columns) - set(table.columns)),
                )
        closed = [name for name in table.columns if not _may_read(found, name)]
        if closed:
            columns = ", ".join(f"{table.label}.{name}" for name in closed)
            yield SourceRefused(
                f"The role '{self.role}' may not read {columns}.",
                hint="Run on the leader: " + " ".join(grants([table], self.role)),
            )
        yield from _unfit_settings(table, found, self.role)


def _unfit_settings(table: SelectedTable, found: FoundTable, role: str) -> Iterator[SourceRefused]:
    """What turnout.toml says of the table and its selected columns cannot give."""
    settings = table.settings
    named = [*settings.key, *settings.tracked, *settings.json_keys]
    named += [name for name in (settings.cursor, settings.created_at, settings.person) if name]
    for name in dict.fromkeys(named):
        if name not in table.columns:
            yield SourceRefused(
                f"The settings of '{table.label}' speak of '{name}', which is not selected.",
                hint=f"Add '{name}' to its columns.",
            )
    if settings.mode == "xmin" and not found.details.is_heap:
        yield SourceRefused(
            f"The rows of '{table.label}' do not say which transaction wrote them.",
            hint="Only a table's own do: choose another mode for a view or a foreign table.",
        )
    elif settings.mode == "xmin" and not found.has_xmin:
        yield SourceRefused(
            f"The role '{role}' may not read {table.label}.xmin.",
            hint="Run on the leader: " + " ".join(grants([table], role)),
        )


def read_catalogue(
    connection: psycopg.Connection[Any], selection: Sequence[SelectedTable]
) -> Catalogue:
    """Every table's name and rights; the details of the selected ones."""
    wanted = {(table.schema, table.name) for table in selection}
    rows = connection.execute(TABLES).fetchall()
    details = _details(
        connection, [oid for schema, name, oid, *_ in rows if (schema, name) in wanted]
    )
    tables = {
        (schema, name): FoundTable(
            schema, name, oid, rows_estimated, may_enter, may_read, may_write or may_write_columns,
            details.get(oid, NO_DETAILS),
        )
        for schema, name, oid, rows_estimated, may_enter, may_read, may_write, may_write_columns
        in rows
    }  # fmt: skip
    role = connection.execute("SELECT current_user").fetchone()
    return Catalogue(role[0] if role else "", tables)


def _details(connection: psycopg.Connection[Any], oids: list[int]) -> dict[int, Details]:
    columns: dict[int, dict[str, FoundColumn]] = {oid: {} for oid in oids}
    for oid, name, place, spelled, nullable, may_read, type_oid, *type_ in connection.execute(
        COLUMNS, [oids]
    ):
        columns[oid][name] = FoundColumn(
            place, spelled, nullable, may_read, type_oid, SourceType(*type_)
        )
    keys = _grouped(connection, KEYS, oids)
    indexed = _grouped(connection, INDEXED, oids)
    system_columns = _grouped(connection, SYSTEM_COLUMNS, oids)
    return {
        oid: Details(
            columns[oid],
            [tuple(key) for key in keys[oid]],
            frozenset(indexed[oid]),
            frozenset(system_columns[oid]),
            *storage,
        )
        for oid, *storage in connection.execute(STORAGE, [oids])
    }


def read_blocks(connection: psycopg.Connection[Any], oid: int) -> int:
    """How many blocks the largest heap of a locked table has: no row's place is beyond."""
    blocks: int = connection.execute(BLOCKS, [oid]).fetchall()[0][0]
    return blocks


def moved(connection: psycopg.Connection[Any], oids: list[int]) -> set[int]:
    """Those of the locked tables that this transaction's snapshot does not see as they are."""
    return {oid for oid, _ in connection.execute(MOVED, [oids])}


def _grouped(
    connection: psycopg.Connection[Any], question: str, oids: list[int]
) -> dict[int, list[Any]]:
    """The second column's values by the first's, which is a table's oid."""
    found: dict[int, list[Any]] = {oid: [] for oid in oids}
    for oid, value in connection.execute(question, [oids]):
        found[oid].append(value)
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
