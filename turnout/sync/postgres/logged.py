"""A selected table as its changes will come: what the server knows of it, and what is in the way.

A publication that lists columns makes the application's own updates and deletes fail when the
table cannot name its rows by listed columns. So all of this is asked before any is made.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import psycopg

from turnout.sync.postgres.names import parts_mark
from turnout.sync.postgres.types import SourceType
from turnout.sync.selection import SelectedTable
from turnout.sync.source import Shape

TABLES = """
SELECT n.nspname, c.relname, c.oid, c.relkind, c.relpersistence,
    CASE c.relkind WHEN 'p' THEN coalesce((
        SELECT min(leaf.relreplident::text) FROM pg_partition_tree(c.oid) t
        JOIN pg_class leaf ON leaf.oid = t.relid
        WHERE t.isleaf AND leaf.relreplident <> 'd'), 'd')
    ELSE c.relreplident::text END,
    coalesce((
        SELECT array_agg(a.attname::text ORDER BY k.place)
        FROM pg_index i CROSS JOIN unnest(i.indkey::int2[]) WITH ORDINALITY AS k (attnum, place)
        JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = k.attnum
        WHERE i.indrelid = c.oid AND i.indisvalid AND i.indimmediate AND k.place <= i.indnkeyatts
          AND CASE c.relreplident WHEN 'i' THEN i.indisreplident ELSE i.indisprimary END), '{}'),
    coalesce((
        WITH RECURSIVE part AS (
            SELECT i.inhrelid AS oid FROM pg_inherits i WHERE i.inhparent = c.oid
            UNION ALL
            SELECT i.inhrelid FROM part JOIN pg_inherits i ON i.inhparent = part.oid
        )
        SELECT string_agg(heap.oid || ':' || heap.relfilenode, ' ' ORDER BY heap.oid)
        FROM part JOIN pg_class heap ON heap.oid = part.oid WHERE heap.relkind <> 'p'), '')
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE (n.nspname, c.relname) IN (SELECT * FROM unnest(%s::text[], %s::text[]))
"""
COLUMNS = """
WITH RECURSIVE base AS (
    SELECT attrelid, attnum, attname::text, atttypid, atttypmod, attgenerated, attnotnull,
           format_type(atttypid, atttypmod) AS spelled, atttypid AS type, atttypmod AS typmod
    FROM pg_attribute WHERE attrelid = ANY(%s::oid[]) AND attnum > 0 AND NOT attisdropped
    UNION ALL
    SELECT attrelid, attnum, attname, atttypid, atttypmod, attgenerated, attnotnull,
           spelled, t.typbasetype, CASE WHEN t.typtypmod < 0 THEN b.typmod ELSE t.typtypmod END
    FROM base b JOIN pg_type t ON t.oid = b.type WHERE t.typtype = 'd'
)
SELECT b.attrelid, b.attname, b.atttypid, b.atttypmod, b.attgenerated::text <> '',
    t.typname, t.typtype::text, t.typcategory::text, n.nspname = 'pg_catalog', b.typmod,
    coalesce(e.typname, ''), coalesce(e.typtype::text, ''), b.attnum::int, b.spelled, b.attnotnull
FROM base b JOIN pg_type t ON t.oid = b.type JOIN pg_namespace n ON n.oid = t.typnamespace
    LEFT JOIN pg_type e ON e.oid = t.typelem AND t.typcategory = 'A'
WHERE t.typtype <> 'd'
ORDER BY b.attrelid, b.attnum
"""
ORDINARY, PARTITIONED = "r", "p"
PERMANENT = "p"
DEFAULT, BY_INDEX, FULL = "dif"
COMPOSITE, DOMAIN = "cd"


@dataclass(frozen=True, slots=True)
class LoggedColumn:
    """A column: its type and typmod as the stream names them, and the type they come down to."""

    type_id: int
    typmod: int
    is_generated: bool
    type: SourceType
    # Of an array: the type of its elements, and of what kind that is.
    element: str
    element_kind: str
    place: int
    spelled: str
    is_required: bool


@dataclass(frozen=True, slots=True)
class LoggedTable:
    """A table: `identity` are the columns by which the log names its rows."""

    oid: int
    kind: str
    persistence: str
    replica_identity: str
    identity: tuple[str, ...]
    columns: Mapping[str, LoggedColumn]
    # What tells its partitions and their files from any others; empty where it has none.
    parts: str = ""

    def shape_of(self, selected: SelectedTable) -> Shape:
        """The table as a snapshot would describe it, its key being that of the log."""
        columns = {
            name: (column.place, column.spelled, not column.is_required)
            for name, column in self.columns.items()
            if name in selected.columns
        }
        others = tuple(name for name in self.columns if name not in selected.columns)
        return Shape(str(self.oid), self.identity, columns, others, self.parts)


def read_logged(
    connection: psycopg.Connection[Any], selection: Sequence[SelectedTable]
) -> dict[SelectedTable, LoggedTable]:
    """The selected tables that are there, with all their columns."""
    wanted = {(table.schema, table.name): table for table in selection}
    names = [[name for name, _ in wanted], [name for _, name in wanted]]
    rows = connection.execute(TABLES, names).fetchall()
    columns: dict[int, dict[str, LoggedColumn]] = {oid: {} for _, _, oid, *_ in rows}
    for oid, name, type_id, typmod, is_generated, *facts in connection.execute(
        COLUMNS, [list(columns)]
    ):
        columns[oid][name] = LoggedColumn(
            type_id, typmod, is_generated, SourceType(*facts[:5]), *facts[5:]
        )
    return {
        wanted[schema, name]: LoggedTable(
            oid, kind, persistence, by, tuple(key), columns[oid], parts_mark(parts)
        )
        for schema, name, oid, kind, persistence, by, key, parts in rows
    }


def problems_of(selected: SelectedTable, found: LoggedTable | None) -> Iterator[str]:
    """Why the changes of this table cannot be read; a sentence each, with what to do."""
    label = selected.label
    if found is None:
        yield f"There is no table '{label}' in the source."
        return
    if found.kind not in (ORDINARY, PARTITIONED) or found.persistence != PERMANENT:
        yield f"The table '{label}' has no log of its own: choose the mode full."
        return
    if found.kind == ORDINARY and found.parts:
        yield (
            f"The table '{label}' has rows in tables that inherit from it, whose changes the log "
            "has under their own names: choose another mode."
        )
    if found.replica_identity == FULL:
        yield (
            f"The table '{label}' has REPLICA IDENTITY FULL: a publication of some of its columns "
            "would make every UPDATE and DELETE of your application fail. Set it to DEFAULT or to "
            "a unique index, or choose another mode."
        )
    elif not found.identity or found.replica_identity not in (DEFAULT, BY_INDEX):
        yield (
            f"The table '{label}' has no primary key: the log could not say which rows were "
            "changed, and a publication would make every UPDATE and DELETE of your application "
            "fail. Give it one, or choose the mode full."
        )
    else:
        yield from _of_key(selected, found)
    yield from _of_columns(selected, found)


def _of_key(selected: SelectedTable, found: LoggedTable) -> Iterator[str]:
    missing = [name for name in found.identity if name not in selected.columns]
    if missing:
        yield (
            f"The table '{selected.label}' is published only with the columns that tell its rows "
            f"apart: select also {_named(missing)}."
        )
    key = selected.settings.key
    if set(key) != set(found.identity) and (key or found.replica_identity == BY_INDEX):
        said = ", ".join(f'"{name}"' for name in found.identity)
        yield f"The log names rows of '{selected.label}' by other columns: say key = [{said}]."


def _of_columns(selected: SelectedTable, found: LoggedTable) -> Iterator[str]:
    for name in selected.columns:
        column = found.columns.get(name)
        if column is None:
            yield f"The table '{selected.label}' has no column '{name}'."
        elif column.is_generated:
            yield (
                f"The column '{selected.label}.{name}' is generated, and the log does not have "
                "it: leave it out, or choose another mode."
            )
        elif column.element_kind in (COMPOSITE, DOMAIN):
            yield (
                f"The column '{selected.label}.{name}' is an array of a type of your own, which "
                "cannot be read from the log: leave it out, or choose another mode."
            )


def _named(names: Sequence[str]) -> str:
    return ", ".join(f"'{name}'" for name in names)
