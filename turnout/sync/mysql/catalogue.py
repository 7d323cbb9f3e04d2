"""What a MySQL server says about its tables and columns. It shows only what our user may read."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from turnout.errors import SourceRefused
from turnout.sync.mysql.connection import Session
from turnout.sync.mysql.grants import grants
from turnout.sync.mysql.names import database_of
from turnout.sync.mysql.types import SourceType
from turnout.sync.selection import DEFAULT_SCHEMA, SelectedTable

SYSTEM = ("information_schema", "performance_schema", "mysql", "sys")
SYSTEM_LIST = ", ".join(f"'{name}'" for name in SYSTEM)

TABLES = f"""
SELECT table_schema, table_name, table_rows, engine, table_type
FROM information_schema.tables WHERE table_schema NOT IN ({SYSTEM_LIST})
"""
COLUMNS = """
SELECT column_name, data_type, column_type, is_nullable, numeric_precision, numeric_scale,
       privileges, extra, character_set_name
FROM information_schema.columns WHERE table_schema = %s AND table_name = %s
ORDER BY ordinal_position
"""
INDEXES = """
SELECT index_name, non_unique, column_name, nullable, sub_part
FROM information_schema.statistics WHERE table_schema = %s AND table_name = %s
ORDER BY index_name <> 'PRIMARY', index_name, seq_in_index
"""
# Foreign keys that change rows by themselves. Shown to those only who may read the whole table.
CASCADES = """
SELECT 1 FROM information_schema.referential_constraints
WHERE constraint_schema = %s AND table_name = %s
  AND (delete_rule NOT IN ('RESTRICT', 'NO ACTION') OR update_rule NOT IN ('RESTRICT', 'NO ACTION'))
"""
# The engines whose rows a snapshot shows as they were when it began.
ENGINES = ("InnoDB", "ROCKSDB", "TokuDB", "XtraDB")


@dataclass(frozen=True, slots=True)
class FoundColumn:
    """A column as the server has it; its values are read only if it is selected."""

    type: SourceType
    is_nullable: bool
    may_read: bool
    # Made out of others while it is read: no log has it.
    is_virtual: bool
    charset: str


@dataclass(frozen=True, slots=True)
class FoundTable:
    """A table as the server has it. `columns` and indexes are filled for selected tables only.

    `schema` is ours, not the server's: the usual one stands for the url's database.
    """

    schema: str
    name: str
    rows_estimated: int
    engine: str
    is_view: bool
    columns: Mapping[str, FoundColumn] = field(default_factory=dict)
    # Unique indexes of columns that are never null, the primary one first.
    keys: tuple[tuple[str, ...], ...] = ()
    # Columns that an index begins with.
    indexed: frozenset[str] = frozenset()
    is_cascaded: bool = False

    @property
    def label(self) -> str:
        return SelectedTable(self.schema, self.name, ()).label

    @property
    def is_consistent(self) -> bool:
        """Whether a snapshot shows all of its rows as of one instant."""
        return self.is_view or self.engine in ENGINES

    def key_among(self, columns: Sequence[str]) -> tuple[str, ...]:
        """The first of its keys that is wholly among `columns`; empty when there is none."""
        return next((key for key in self.keys if set(key) <= set(columns)), ())


@dataclass(frozen=True, slots=True)
class Catalogue:
    """Tables by schema and name, as one user sees them."""

    user: str
    database: str
    tables: Mapping[tuple[str, str], FoundTable]

    def get(self, table: SelectedTable) -> FoundTable | None:
        """The table of that name, whatever may be wrong with it."""
        return self.tables.get((table.schema, table.name))

    def problems(self, table: SelectedTable) -> Iterator[SourceRefused]:
        """All that keeps this table from being copied."""
        found = self.get(table)
        if found is None:
            yield SourceRefused(
                f"There is no table '{table.label}' in the source that '{self.user}' may read.",
                hint=f"{_nearest(table.label, [other.label for other in self.tables.values()])}"
                f"If it is there, run on the leader: {self._grant(table)}",
            )
            return
        any_gone = table.settings.on_dropped == "null" and any(
            name in found.columns for name in table.columns
        )
        missing = [name for name in table.columns if name not in found.columns and not any_gone]
        if missing:
            yield SourceRefused(
                f"The table '{table.label}' has no column '{missing[0]}' that '{self.user}' "
                "may read.",
                hint=f"{_nearest(missing[0], found.columns)}"
                f"If it is there, run on the leader: {self._grant(table)}",
            )
        closed = [name for name in table.columns if _is_closed(found, name)]
        if closed:
            yield SourceRefused(
                f"The user '{self.user}' may not read "
                f"{', '.join(f'{table.label}.{name}' for name in closed)}.",
                hint=f"Run on the leader: {self._grant(table)}",
            )
        yield from _unfit_settings(table)

    def _grant(self, table: SelectedTable) -> str:
        return " ".join(grants([table], self.user, self.database))


def read_catalogue(session: Session, selection: Sequence[SelectedTable]) -> Catalogue:
    """Every table that may be read, by its name; columns and indexes of the selected ones."""
    database = session.address.database
    wanted = {(table.schema, table.name): table for table in selection}
    tables: dict[tuple[str, str], FoundTable] = {}
    for in_database, name, rows, engine, kind in session.rows(TABLES):
        schema = DEFAULT_SCHEMA if in_database == database else in_database
        found = FoundTable(schema, name, int(rows or 0), engine or "", "VIEW" in kind)
        table = wanted.get((schema, name))
        tables[schema, name] = _with_details(session, found, table) if table else found
    return Catalogue(session.value("SELECT current_user()"), database, tables)


def _with_details(session: Session, found: FoundTable, table: SelectedTable) -> FoundTable:
    where = (database_of(table, session.address.database), table.name)
    columns = {
        name: FoundColumn(
            SourceType(type_, spelled, int(precision or 0), int(scale or 0)),
            nullable == "YES",
            "select" in privileges.lower().split(","),
            "VIRTUAL" in extra.upper(),
            charset or "",
        )
        for name, type_, spelled, nullable, precision, scale, privileges, extra, charset in (
            session.rows(COLUMNS, where)
        )
    }
    indexes: dict[str, list[tuple[str, bool]]] = {}
    for index, non_unique, column, nullable, part in session.rows(INDEXES, where):
        is_exact = column is not None and part is None
        is_key = is_exact and non_unique in (0, "0") and nullable != "YES"
        indexes.setdefault(index, []).append((column, is_key))
    return FoundTable(
        found.schema,
        found.name,
        found.rows_estimated,
        found.engine,
        found.is_view,
        columns,
        tuple(
            tuple(name for name, _ in parts)
            for parts in indexes.values()
            if all(is_key for _, is_key in parts)
        ),
        frozenset(parts[0][0] for parts in indexes.values() if parts[0][0]),
        bool(session.rows(CASCADES, where)),
    )


def _unfit_settings(table: SelectedTable) -> Iterator[SourceRefused]:
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
    if settings.mode == "xmin":
        yield SourceRefused(
            f"The rows of '{table.label}' do not say which transaction wrote them: only "
            "PostgreSQL's do.",
            hint="Choose another mode than xmin: cursor, full or log.",
        )


def _is_closed(found: FoundTable, name: str) -> bool:
    column = found.columns.get(name)
    return column is not None and not column.may_read


def _nearest(name: str, known: Iterable[str]) -> str:
    close = difflib.get_close_matches(name, sorted(known), n=1, cutoff=0.5)
    return f"Did you mean '{close[0]}'? " if close else ""
