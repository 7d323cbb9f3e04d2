"""A look at a PostgreSQL server: what is there to choose from, before anything is selected."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import Any

import psycopg

from turnout import config
from turnout.errors import TurnoutError
from turnout.sync.facts import ColumnFacts, Reference, ServerFacts, TableFacts
from turnout.sync.postgres.address import Address, addresses
from turnout.sync.postgres.catalogue import INDEXED, KEYS
from turnout.sync.postgres.connection import connect
from turnout.sync.postgres.errors import explained
from turnout.sync.postgres.grants import grants, new_role, system_grant
from turnout.sync.postgres.names import qualified, quoted
from turnout.sync.postgres.publication import LISTS_COLUMNS
from turnout.sync.postgres.server import Standing, read_standing
from turnout.sync.postgres.slot import DECODES_ON_FOLLOWER
from turnout.sync.selection import DEFAULT_SCHEMA, SelectedTable

# Reading the catalogue of many thousand tables, and a sample of one of them.
STATEMENT_S_MAX = 60.0
SAMPLE_S_MAX = 3.0
VALUE_CHARACTERS_MAX = 200
# Tables from here on are better read by where their rows lie and by who wrote them.
LARGE_ROWS = 1_000_000
LARGE_BYTES = 256 * 1024**2
# Of a table that is larger, rows from all over are sampled, not only its oldest.
SAMPLED_BYTES_MIN = 8 * 1024**2

# Partitions are rows of their parent; what an extension made is nobody's data.
SIZE = """CASE WHEN c.relkind IN ('r', 'm') THEN pg_table_size(c.oid)
            WHEN c.relkind = 'p' THEN (SELECT sum(pg_table_size(t.relid))
                FROM pg_partition_tree(c.oid) t WHERE t.isleaf)::bigint END"""
# Asking for a size waits for whoever has locked the table.
UNKNOWN_SIZE = "NULL::bigint"
TABLES = """
SELECT n.nspname::text, c.relname::text, c.oid, c.relkind::text,
       CASE WHEN c.relkind IN ('r', 'm', 'f') THEN nullif(c.reltuples, -1)::bigint
            WHEN c.relkind = 'p' THEN (SELECT sum(leaf.reltuples) FILTER (WHERE leaf.reltuples >= 0)
                FROM pg_partition_tree(c.oid) t JOIN pg_class leaf ON leaf.oid = t.relid
                WHERE t.isleaf)::bigint END,
       {size},
       has_schema_privilege(n.oid, 'USAGE') AND has_any_column_privilege(c.oid, 'SELECT')
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f') AND NOT c.relispartition
  AND n.nspname <> 'information_schema' AND n.nspname !~ '^pg_'
  AND NOT EXISTS (SELECT FROM pg_depend d
      WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e')
ORDER BY 1, 2
"""
COLUMNS = """
SELECT a.attrelid, a.attname::text, format_type(a.atttypid, a.atttypmod), NOT a.attnotnull,
       coalesce((SELECT array_agg(e.enumlabel::text ORDER BY e.enumsortorder)
           FROM pg_enum e WHERE e.enumtypid = a.atttypid), '{}')
FROM pg_attribute a
WHERE a.attrelid = ANY(%s::oid[]) AND a.attnum > 0 AND NOT a.attisdropped
ORDER BY a.attrelid, a.attnum
"""
REFERENCES = """
SELECT f.conrelid, n.nspname::text, c.relname::text,
       (SELECT array_agg(a.attname::text ORDER BY k.place)
        FROM unnest(f.conkey) WITH ORDINALITY AS k (attnum, place)
            JOIN pg_attribute a ON a.attrelid = f.conrelid AND a.attnum = k.attnum),
       (SELECT array_agg(a.attname::text ORDER BY k.place)
        FROM unnest(f.confkey) WITH ORDINALITY AS k (attnum, place)
            JOIN pg_attribute a ON a.attrelid = f.confrelid AND a.attnum = k.attnum)
FROM pg_constraint f JOIN pg_class c ON c.oid = f.confrelid
    JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE f.contype = 'f' AND f.conrelid = ANY(%s::oid[]) AND f.conparentid = 0
ORDER BY f.conrelid, f.conname
"""
SERVER = """
SELECT current_setting('server_version'), current_database()::text, current_user::text,
       current_setting('wal_level'), current_setting('max_slot_wal_keep_size'),
       current_setting('server_version_num')::int
"""


@contextmanager
def look(name: str, source: config.Source) -> Iterator[PostgresLooking]:  # noqa: ARG001 - as others
    """The first server of the source that answers, looked at. See `Looking`."""
    address, connection = _open(source)
    with closing(connection):
        yield PostgresLooking(address, connection)


class PostgresLooking:
    """See `turnout.sync.facts.Looking`."""

    def __init__(self, address: Address, connection: psycopg.Connection[Any]) -> None:
        self._address = address
        self._connection = connection
        with explained(address.url):
            self._found = _read_tables(connection)
            self.facts = _server(address, connection, [found.facts for found in self._found])

    def samples(
        self, table: TableFacts, columns: Sequence[str], rows_max: int
    ) -> Mapping[str, Sequence[str]]:
        known = [name for name in columns if table.column(name)]
        if not table.may_read or not known:
            return {}
        try:
            with self._connection.transaction():
                self._connection.execute(f"SET LOCAL statement_timeout = '{SAMPLE_S_MAX}s'")
                rows = self._connection.execute(_sample(table, known, rows_max)).fetchall()
        except psycopg.Error:
            return {}
        by_column = zip(*rows, strict=True) if rows else ([] for _ in known)
        return {
            name: [value for value in values if value is not None]
            for name, values in zip(known, by_column, strict=True)
        }

    def grants(self, tables: Mapping[TableFacts, Sequence[str]], role: str) -> Iterator[str]:
        selection = {
            facts: SelectedTable(facts.schema, facts.name, tuple(columns))
            for facts, columns in tables.items()
        }
        heaps = {found.facts for found in self._found if found.kind in ("r", "p", "m")}
        yield from new_role(role)
        yield f"GRANT CONNECT ON DATABASE {quoted(self.facts.database)} TO {quoted(role)};"
        yield from grants(list(selection.values()), role)
        for facts, selected in selection.items():
            if facts in heaps and _is_large(facts):
                yield system_grant(selected, role)


@dataclass(frozen=True, slots=True)
class _Found:
    kind: str  # pg_class.relkind
    facts: TableFacts


def _open(source: config.Source) -> tuple[Address, psycopg.Connection[Any]]:
    error: TurnoutError | None = None
    for address in addresses(source):
        try:
            with explained(address.url):
                return address, connect(
                    address, statement_s_max=STATEMENT_S_MAX, idle_s_max=STATEMENT_S_MAX
                )
        except TurnoutError as met:
            error = error or met
    assert error is not None  # noqa: S101 - there is one address at least
    raise error


def _read_tables(connection: psycopg.Connection[Any]) -> list[_Found]:
    try:
        rows = connection.execute(TABLES.format(size=SIZE)).fetchall()
    except psycopg.errors.LockNotAvailable:
        rows = connection.execute(TABLES.format(size=UNKNOWN_SIZE)).fetchall()
    oids = [oid for _, _, oid, *_ in rows]
    keys: dict[int, tuple[str, ...]] = {}
    for oid, key in connection.execute(KEYS, [oids]):
        keys.setdefault(oid, tuple(key))
    columns = _read_columns(connection, oids)
    references: dict[int, list[Reference]] = {oid: [] for oid in oids}
    for oid, schema, table, own, theirs in connection.execute(REFERENCES, [oids]):
        references[oid].append(Reference(tuple(own), schema, table, tuple(theirs)))
    return [
        _Found(
            kind,
            TableFacts(
                schema,
                name,
                tuple(columns[oid]),
                keys.get(oid, ()),
                tuple(references[oid]),
                rows_estimated,
                size_bytes,
                is_view=kind in ("v", "m"),
                may_read=may_read,
            ),
        )
        for schema, name, oid, kind, rows_estimated, size_bytes, may_read in rows
    ]


def _read_columns(
    connection: psycopg.Connection[Any], oids: list[int]
) -> dict[int, list[ColumnFacts]]:
    indexed = set(connection.execute(INDEXED, [oids]))
    columns: dict[int, list[ColumnFacts]] = {oid: [] for oid in oids}
    for oid, name, type_, is_nullable, values in connection.execute(COLUMNS, [oids]):
        columns[oid].append(
            ColumnFacts(name, type_, is_nullable, (oid, name) in indexed, tuple(values))
        )
    return columns


def _server(
    address: Address, connection: psycopg.Connection[Any], tables: Sequence[TableFacts]
) -> ServerFacts:
    version, database, role, *settings = connection.execute(SERVER).fetchall()[0]
    standing = read_standing(connection)
    remarks = [address.warning] if address.warning else []
    if standing.is_paused:
        remarks.append(f"{address.place} has paused replaying: its data does not get newer.")
    return ServerFacts(
        "PostgreSQL",
        version.partition(" ")[0],
        database,
        role,
        DEFAULT_SCHEMA,
        tuple(tables),
        is_follower=standing.is_follower,
        lag_s=standing.lag_s if standing.is_follower else None,
        has_tls=connection.pgconn.ssl_in_use,
        is_local=address.is_local,
        log_missing=tuple(_log_missing(standing, *settings)),
        remarks=tuple(remarks),
    )


def _log_missing(
    standing: Standing, wal_level: str, slot_bytes_max: str, version: int
) -> Iterator[str]:
    if wal_level != "logical":
        yield f"The leader's wal_level is {wal_level}: set it to logical and restart it."
    if version < LISTS_COLUMNS:
        yield "Before PostgreSQL 15 a log cannot be narrowed to some columns."
    if standing.is_follower and version < DECODES_ON_FOLLOWER:
        yield "A follower has a log of its own from PostgreSQL 16 on: name the leader instead."
    if slot_bytes_max == "-1":
        yield (
            "Nothing limits what a replication slot makes the server keep: set "
            "max_slot_wal_keep_size on the leader."
        )


def _is_large(facts: TableFacts) -> bool:
    return (facts.rows_estimated or 0) >= LARGE_ROWS or (facts.size_bytes or 0) >= LARGE_BYTES


def _sample(table: TableFacts, columns: Sequence[str], rows_max: int) -> str:
    values = ", ".join(f"left({quoted(name)}::text, {VALUE_CHARACTERS_MAX})" for name in columns)
    place = qualified(SelectedTable(table.schema, table.name, ()))
    return f"SELECT {values} FROM {place}{_spread(table, rows_max)} LIMIT {int(rows_max)}"


def _spread(table: TableFacts, rows_max: int) -> str:
    """Pages from all over a large table, with about twice as many rows."""
    if table.is_view or not table.rows_estimated or (table.size_bytes or 0) < SAMPLED_BYTES_MIN:
        return ""
    share = min(100.0, 100.0 * 2 * rows_max / table.rows_estimated)
    return f" TABLESAMPLE SYSTEM ({share:.6f})"
