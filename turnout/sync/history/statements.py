"""The statements that keep a history, in SQL that any engine reads."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime

from turnout.warehouse import Column, Dialect, Table, Type, staging

OPEN_END = datetime(9999, 12, 31, tzinfo=UTC)
BEGINNING = datetime(1970, 1, 1, tzinfo=UTC)
VALIDITY = (
    Column("valid_from", Type.TIME),
    Column("valid_to", Type.TIME),
    Column("assumed", Type.BOOLEAN),
)
IS_NEW = Column("_is_new", Type.BOOLEAN)
EVENT_COLUMNS = (Column("_op", Type.INTEGER), Column("_order", Type.INTEGER))


@dataclass(frozen=True, slots=True)
class History:
    """The history of a copied table: both tables, and what begins a new version."""

    dialect: Dialect
    copied: Table
    # As it shall be; `there` is the table as it is, None before its first row.
    table: Table
    there: Table | None
    tracked: tuple[str, ...]
    created_at: str = ""
    # Whether the versions of a row that is gone go with it.
    erases: bool = False


class Statements:
    """The statements about one history, in SQL that any engine reads."""

    def __init__(self, history: History) -> None:
        self.events = staging(history.table, "events")
        self._history = history
        self._dialect = history.dialect
        self._name = self._table(history.table)
        self._versions = self._table(staging(history.table, "versions"))
        self._key = history.copied.key
        self._columns = history.table.columns[: -len(VALIDITY)]
        self._all = self._names(column.name for column in history.table.columns)
        self._open = _time(OPEN_END)

    def first_versions(self, staged: Table, at: datetime) -> str:
        return (
            f"INSERT INTO {self._name} ({self._all}) SELECT {self._values('s')}, "
            f"coalesce({self._created(at)}, {_time(BEGINNING)}), {self._open}, true "
            f"FROM {self._table(staged)} AS s"
        )

    def new_versions(self, staged: Table, at: datetime) -> str:
        """Rows that differ from their open version, or have none."""
        created = self._created(at)
        return (
            f"INSERT INTO {self._versions} ({self._all}, {self._names([IS_NEW.name])}) "
            f"SELECT {self._values('s')}, "
            f"CASE WHEN h.valid_from IS NULL THEN coalesce({created}, {_time(at)}) "
            f"WHEN h.valid_from >= {_time(at)} THEN h.valid_from ELSE {_time(at)} END, "
            f"{self._open}, "
            f"CASE WHEN h.valid_from IS NULL THEN {created} IS NOT NULL "
            f"ELSE h.valid_from >= {_time(at)} AND h.assumed END, h.valid_from IS NULL "
            f"FROM {self._table(staged)} AS s LEFT JOIN {self._name} AS h "
            f"ON {self._same('s', 'h')} AND h.valid_to = {self._open} "
            f"WHERE h.valid_from IS NULL{self._differs('s', 'h')}"
        )

    def not_before_the_last(self, at: datetime) -> str:
        """A row that was gone and is there again began anew, and not before it had gone."""
        key = ", ".join(f"h.{name}" for name in map(self._dialect.identifier, self._key))
        return (
            f"UPDATE {self._versions} AS v SET assumed = false, "
            f"valid_from = greatest(gone.valid_to, {_time(at)}) FROM ("
            f"SELECT {key}, max(h.valid_to) AS valid_to FROM {self._name} AS h "
            f"JOIN {self._versions} AS n ON {self._same('h', 'n')} "
            f"WHERE n._is_new GROUP BY {key}) AS gone WHERE {self._same('v', 'gone')}"
        )

    def without_replaced(self) -> str:
        """A version that ends when it began never was."""
        return (
            f"DELETE FROM {self._name} AS h USING {self._versions} AS v "
            f"WHERE {self._same('h', 'v')} AND h.valid_to = {self._open} "
            "AND h.valid_from >= v.valid_from"
        )

    def close(self) -> str:
        return (
            f"UPDATE {self._name} AS h SET valid_to = v.valid_from FROM {self._versions} AS v "
            f"WHERE {self._same('h', 'v')} AND h.valid_to = {self._open}"
        )

    def open(self) -> str:
        return f"INSERT INTO {self._name} ({self._all}) SELECT {self._all} FROM {self._versions}"

    def close_missing(self, keys: Table, at: datetime) -> tuple[str, str]:
        missing = (
            f"valid_to = {self._open} AND NOT EXISTS (SELECT 1 FROM {self._table(keys)} AS s "
            f"WHERE {self._same('s', 'h')})"
        )
        return (
            f"DELETE FROM {self._name} AS h WHERE h.valid_from >= {_time(at)} AND h.{missing}",
            f"UPDATE {self._name} AS h SET valid_to = {_time(at)} WHERE h.{missing}",
        )

    def close_all(self, at: datetime) -> tuple[str, str]:
        still = f"h.valid_to = {self._open}"
        return (
            f"DELETE FROM {self._name} AS h WHERE {still} AND h.valid_from >= {_time(at)}",
            f"UPDATE {self._name} AS h SET valid_to = {_time(at)} WHERE {still}",
        )

    def erase_missing(self, keys: Table) -> str:
        return (
            f"DELETE FROM {self._name} AS h WHERE NOT EXISTS "
            f"(SELECT 1 FROM {self._table(keys)} AS s WHERE {self._same('s', 'h')})"
        )

    def erase_gone(self) -> str:
        """All versions of rows that have changed and have none that is open."""
        return (
            f"DELETE FROM {self._name} AS h WHERE {self._has_event('h')} AND NOT EXISTS "
            f"(SELECT 1 FROM {self._name} AS o WHERE {self._same('o', 'h')} "
            f"AND o.valid_to = {self._open})"
        )

    def changed(self, staged: Table) -> str:
        """Into `events`: each change of a row."""
        return (
            f"{self._into_events()} {self._values('c')}, c._at, {self._open}, false, "
            f"CASE WHEN c._op = 1 THEN 1 ELSE 2 END, c._order FROM {self._table(staged)} AS c "
            "WHERE c._op <> 3"
        )

    def emptyings(self, staged: Table) -> str:
        """How often the table was emptied."""
        return f"SELECT count(*) AS n FROM {self._table(staged)} AS c WHERE c._op = 3"

    def emptied(self, staged: Table) -> str:
        """Into `events`: the end of every row, each time the table was emptied."""
        key = self._names(self._key)
        values = ", ".join(
            self._quoted(column.name, "alive") if column.name in self._key else "NULL"
            for column in self._columns
        )
        return (
            f"{self._into_events()} {values}, c._at, {self._open}, false, 2, c._order "
            f"FROM {self._table(staged)} AS c CROSS JOIN ("
            f"SELECT {key} FROM {self._table(self.events)} UNION "
            f"SELECT {key} FROM {self._name} WHERE valid_to = {self._open}"
            ") AS alive WHERE c._op = 3"
        )

    def not_before_what_is_there(self) -> str:
        """Commits may carry times that run backwards; versions may not."""
        key = self._names(self._key, "h")
        return (
            f"UPDATE {self._table(self.events)} AS e "
            "SET valid_from = greatest(e.valid_from, last.valid_from) FROM ("
            f"SELECT {key}, max(CASE WHEN h.valid_to = {self._open} "
            f"THEN h.valid_from ELSE h.valid_to END) AS valid_from FROM {self._name} AS h "
            f"WHERE {self._has_event('h')} GROUP BY {key}) AS last WHERE {self._same('e', 'last')}"
        )

    def open_before(self) -> str:
        """Into `events`, before all others: how the rows were."""
        return (
            f"{self._into_events()} {self._values('h')}, h.valid_from, h.valid_to, h.assumed, "
            f"1, -1 FROM {self._name} AS h WHERE h.valid_to = {self._open} "
            f"AND {self._has_event('h')}"
        )

    def versions_of_events(self) -> str:
        key = self._names(self._key)
        values = self._names(column.name for column in self._columns)
        per_key = f"OVER (PARTITION BY {key} ORDER BY _order)"
        before = [f"lag({self._quoted(name)}) {per_key}" for name in self._history.tracked]
        unlike = "".join(
            f" OR {self._quoted(name)} IS DISTINCT FROM {was}"
            for name, was in zip(self._history.tracked, before, strict=True)
        )
        return (
            f"INSERT INTO {self._versions} ({self._all}) "
            f"WITH forward AS (SELECT {values}, assumed, _op, _order, "
            f"max(valid_from) {per_key} AS valid_from FROM {self._table(self.events)}), "
            f"last AS (SELECT *, row_number() OVER (PARTITION BY {key}, valid_from "
            "ORDER BY _order DESC) AS place FROM forward), "
            f"compared AS (SELECT {values}, valid_from, assumed, _op, _order, "
            f"CASE WHEN lag(_op) {per_key} IS NULL THEN _op = 1 "
            f"WHEN lag(_op) {per_key} <> _op THEN true "
            f"ELSE _op = 1 AND (false{unlike}) END AS changes FROM last WHERE place = 1), "
            f"ended AS (SELECT *, lead(valid_from) {per_key} AS valid_to "
            "FROM compared WHERE changes) "
            f"SELECT {values}, valid_from, coalesce(valid_to, {self._open}), assumed "
            "FROM ended WHERE _op = 1"
        )

    def without_open(self) -> str:
        return (
            f"DELETE FROM {self._name} AS h WHERE h.valid_to = {self._open} "
            f"AND {self._has_event('h')}"
        )

    def _into_events(self) -> str:
        return f"INSERT INTO {self._table(self.events)} ({self._all}, _op, _order) SELECT"

    def _has_event(self, of: str) -> str:
        return f"EXISTS (SELECT 1 FROM {self._table(self.events)} AS e WHERE {self._same(of, 'e')})"

    def _created(self, at: datetime) -> str:
        if not self._history.created_at:
            return f"CAST(NULL AS {self._type(VALIDITY[0])})"
        created = (
            f"CAST({self._quoted(self._history.created_at, 's')} AS {self._type(VALIDITY[0])})"
        )
        return f"CASE WHEN {created} > {_time(at)} THEN {_time(at)} ELSE {created} END"

    def _values(self, of: str) -> str:
        return ", ".join(self._value(column, of) for column in self._columns)

    def _value(self, column: Column, of: str) -> str:
        return f"CAST({self._quoted(column.name, of)} AS {self._type(column)})"

    def _differs(self, one: str, other: str) -> str:
        return "".join(
            f" OR {self._value(column, one)} IS DISTINCT FROM {self._quoted(column.name, other)}"
            for column in self._columns
            if column.name not in self._key
        )

    def _same(self, one: str, other: str) -> str:
        """A missing part of a key equals a missing part.

        What comes may be of another type than what is there: it is compared as it will be held.
        """
        return " AND ".join(
            f"{self._value(column, one)} IS NOT DISTINCT FROM {self._value(column, other)}"
            for column in self._columns
            if column.name in self._key
        )

    def _names(self, names: Iterable[str], of: str = "") -> str:
        return ", ".join(self._quoted(name, of) for name in names)

    def _quoted(self, name: str, of: str = "") -> str:
        quoted = self._dialect.identifier(name)
        return f"{of}.{quoted}" if of else quoted

    def _table(self, table: Table) -> str:
        return self._dialect.table(table.schema, table.name)

    def _type(self, column: Column) -> str:
        return self._dialect.type_name(column)


def _time(instant: datetime) -> str:
    return f"TIMESTAMP '{instant.astimezone(UTC):%Y-%m-%d %H:%M:%S.%f}'"
