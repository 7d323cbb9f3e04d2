"""A look at a MySQL server: what is there to choose from, before anything is selected."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

import pymysql

from turnout import config
from turnout.errors import TurnoutError
from turnout.sync.facts import ColumnFacts, Reference, ServerFacts, TableFacts
from turnout.sync.mysql.address import Address, understood
from turnout.sync.mysql.connection import Session, opened
from turnout.sync.mysql.errors import explained
from turnout.sync.mysql.grants import account, grants, new_user
from turnout.sync.mysql.names import qualified, quoted
from turnout.sync.mysql.requirements import log_missing
from turnout.sync.mysql.standing import Standing, read_standing, unfit
from turnout.sync.mysql.types import BYTES, SHAPES
from turnout.sync.selection import SelectedTable

SAMPLE_S_MAX = 3
VALUE_CHARACTERS_MAX = 200

TABLES = """
SELECT table_name, table_type, table_rows, data_length + index_length
FROM information_schema.tables WHERE table_schema = %s ORDER BY table_name
"""
COLUMNS = """
SELECT table_name, column_name, column_type, is_nullable, privileges
FROM information_schema.columns WHERE table_schema = %s ORDER BY table_name, ordinal_position
"""
INDEXES = """
SELECT table_name, index_name, column_name, non_unique, nullable, sub_part
FROM information_schema.statistics WHERE table_schema = %s
ORDER BY table_name, index_name <> 'PRIMARY', index_name, seq_in_index
"""
REFERENCES = """
SELECT table_name, constraint_name, column_name,
       referenced_table_schema, referenced_table_name, referenced_column_name
FROM information_schema.key_column_usage
WHERE table_schema = %s AND referenced_table_name IS NOT NULL
ORDER BY table_name, constraint_name, ordinal_position
"""
LABEL = re.compile(r"'((?:[^']|'')*)'")


@contextmanager
def look(name: str, source: config.Source) -> Iterator[MySQLLooking]:  # noqa: ARG001 - as others
    """The first server of the source that answers, looked at. See `Looking`."""
    error: TurnoutError | None = None
    for address in [understood(url) for url in config.followers_of(source)]:
        with ExitStack() as stack:
            try:
                session = stack.enter_context(opened(address, source))
            except TurnoutError as met:
                error = error or met
                continue
            yield MySQLLooking(address, session, source)
            return
    assert error is not None  # noqa: S101 - there is one address at least
    raise error


class MySQLLooking:
    """See `turnout.sync.facts.Looking`."""

    def __init__(self, address: Address, session: Session, source: config.Source) -> None:
        self._address = address
        self._session = session
        with explained(address):
            self.facts = _server(address, session, source)

    def samples(
        self, table: TableFacts, columns: Sequence[str], rows_max: int
    ) -> Mapping[str, Sequence[str]]:
        known = [name for name in columns if _is_text(table.column(name))]
        if not table.may_read or not known:
            return {}
        try:
            rows = self._session.rows(_sample(self._session, table, known, rows_max))
        except pymysql.Error:
            return {}
        by_column = zip(*rows, strict=True) if rows else ([] for _ in known)
        return {
            name: [value for value in values if value is not None]
            for name, values in zip(known, by_column, strict=True)
        }

    def grants(self, tables: Mapping[TableFacts, Sequence[str]], role: str) -> Iterator[str]:
        selection = [
            SelectedTable(facts.schema, facts.name, tuple(columns))
            for facts, columns in tables.items()
        ]
        yield new_user(role)
        # To see how far a follower is behind; nothing of any table.
        right = "SLAVE MONITOR" if self._session.server.is_mariadb else "REPLICATION CLIENT"
        yield f"GRANT {right} ON *.* TO {account(role)};"
        yield from grants(selection, role, self._address.database)


def _server(address: Address, session: Session, source: config.Source) -> ServerFacts:
    standing = read_standing(session)
    problem = unfit(standing, address, source.lag_max_s)
    return ServerFacts(
        session.server.kind,
        session.server.version_text,
        address.database,
        session.value("SELECT current_user()"),
        address.database,
        tuple(_tables(session, address.database)),
        is_follower=_is_follower(standing),
        lag_s=standing.lag_s,
        has_tls=bool(session.rows("SHOW STATUS LIKE 'Ssl_cipher'")[0][1]),
        is_local=address.is_local,
        log_missing=tuple(log_missing(session, standing)),
        remarks=(str(problem),) if problem else (),
    )


def _is_follower(standing: Standing) -> bool | None:
    """A server that nobody may ask, and that takes no writes, is one."""
    if standing.is_follower is None and standing.is_read_only:
        return True
    return standing.is_follower


def _tables(session: Session, database: str) -> Iterator[TableFacts]:
    columns = _grouped(session.rows(COLUMNS, [database]))
    indexes = _grouped(session.rows(INDEXES, [database]))
    references = _grouped(session.rows(REFERENCES, [database]))
    for name, kind, rows_estimated, size_bytes in session.rows(TABLES, [database]):
        found = columns.get(name, [])
        parts = _grouped(indexes.get(name, []))
        indexed = {rows[0][0] for rows in parts.values()}
        yield TableFacts(
            database,
            name,
            tuple(
                ColumnFacts(column, type_, nullable == "YES", column in indexed, _labels(type_))
                for column, type_, nullable, _ in found
            ),
            next((key for rows in parts.values() if (key := _key(rows))), ()),
            tuple(_references(references.get(name, []))),
            None if rows_estimated is None else int(rows_estimated),
            None if size_bytes is None else int(size_bytes),
            is_view="VIEW" in kind,
            may_read=any("select" in privileges.lower() for *_, privileges in found),
        )


def _key(parts: Sequence[tuple[Any, ...]]) -> tuple[str, ...]:
    """The columns of a unique index, if each is there whole and never null."""
    if all(
        name is not None and str(non_unique) == "0" and nullable != "YES" and length is None
        for name, non_unique, nullable, length in parts
    ):
        return tuple(name for name, *_ in parts)
    return ()


def _references(rows: Sequence[tuple[Any, ...]]) -> Iterator[Reference]:
    for parts in _grouped(rows).values():
        columns, schemas, tables, names = zip(*parts, strict=True)
        yield Reference(columns, schemas[0], tables[0], names)


def _labels(type_: str) -> tuple[str, ...]:
    """The values of an enumeration, which stand in its type."""
    if not type_.startswith("enum("):
        return ()
    return tuple(label.replace("''", "'") for label in LABEL.findall(type_))


def _grouped(rows: Sequence[tuple[Any, ...]]) -> dict[str, list[tuple[Any, ...]]]:
    """Rows by their first value, without it."""
    groups: dict[str, list[tuple[Any, ...]]] = {}
    for first, *rest in rows:
        groups.setdefault(first, []).append(tuple(rest))
    return groups


def _is_text(column: ColumnFacts | None) -> bool:
    """Whether a column's values can be looked at as text."""
    return column is not None and not column.type.startswith((*BYTES, *SHAPES))


def _sample(session: Session, table: TableFacts, columns: Sequence[str], rows_max: int) -> str:
    values = ", ".join(
        f"LEFT(CAST({quoted(name)} AS CHAR), {VALUE_CHARACTERS_MAX})" for name in columns
    )
    place = qualified(SelectedTable(table.schema, table.name, ()), session.address.database)
    select = f"{values} FROM {place} LIMIT {int(rows_max)}"
    if session.server.is_mariadb:
        return f"SET STATEMENT max_statement_time = {SAMPLE_S_MAX} FOR SELECT {select}"
    return f"SELECT /*+ MAX_EXECUTION_TIME({SAMPLE_S_MAX * 1000}) */ {select}"
