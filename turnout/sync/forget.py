"""Forgetting people: their rows in every copied table, in its history and in what is staged.

A source's tables name the person by the column that the setting `person` says. Where an id
stands besides is found and told, so that nobody believes in an erasure that was not one.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from turnout import config
from turnout.errors import BadRequest
from turnout.sync.history import history_name
from turnout.sync.privacy.keyed import Keyed
from turnout.sync.privacy.treatment import CANONICAL, KEEP
from turnout.sync.selection import SelectedTable, selected_tables
from turnout.sync.state import read_states
from turnout.warehouse import Column, Dialect, Table, Transaction, Type, Warehouse
from turnout.warehouse.table import STAGING

# An id this long means the same wherever it stands in a text; a shorter one only by itself.
TELLING_CHARS_MIN = 6
NAMING = frozenset({Type.TEXT, Type.UUID, Type.INTEGER, Type.DECIMAL, Type.JSON})
INSIDE = frozenset({Type.TEXT, Type.JSON})


@dataclass(frozen=True, slots=True)
class Place:
    """A table of the warehouse with rows of the person: those where `column` is in `names`.

    Of a history, whose `key` is set, so are versions of these rows from before the column was
    copied: there it is empty.
    """

    table: Table
    column: str = ""
    names: tuple[str, ...] = ()
    key: tuple[str, ...] = ()

    @property
    def label(self) -> str:
        return f"{self.table.schema}.{self.table.name}"


class Forgetting:
    """The forgetting of some people in some sources; nothing is done before `erase`."""

    def __init__(
        self,
        sources: Mapping[str, config.Source],
        warehouse: Warehouse,
        secret: bytes,
        ids: Iterable[str],
    ) -> None:
        """`secret` is the key that columns are hashed with. `BadRequest` when nobody is named."""
        self.ids = spellings(ids)
        self._sources = sources
        self._warehouse = warehouse
        self._dialect = warehouse.dialect
        self._keyed = Keyed(secret)
        self._places = list(self._found())

    def counts(self) -> dict[str, int]:
        """How many rows would be erased, table by table; tables without any are left out."""
        counts = {}
        for place in self._places:
            if place.column:
                where, values = self._theirs(place)
                sql = f"SELECT count(*) AS n FROM {self._name(place.table)} WHERE {where}"
                counts[place.label] = int(self._warehouse.query(sql, values)["n"][0].as_py())
        return {label: rows for label, rows in counts.items() if rows}

    def mentions(self) -> dict[str, int]:
        """Columns in which the person stands besides, with the rows that would stay."""
        found: dict[str, int] = {}
        for place in self._places:
            columns = [
                column
                for column in place.table.columns
                if column.type in NAMING and column.name != place.column
            ]
            if columns:
                found |= self._mentions(place, columns)
        return found

    def erase(self, transaction: Transaction) -> dict[str, int]:
        """Erase their rows, and everything staged; how many rows of each table.

        No copy of these sources may run meanwhile.
        """
        counts = {}
        for place in self._places:
            if place.column:
                where, values = self._theirs(place)
                name = self._name(place.table)
                gone = transaction.execute(
                    f"SELECT count(*) AS n FROM {name} WHERE {where}", values
                )
                transaction.execute(f"DELETE FROM {name} WHERE {where}", values)
                counts[place.label] = int(gone["n"][0].as_py())
        for table in self._staged(transaction):
            transaction.drop(table)
        return {label: rows for label, rows in counts.items() if rows}

    def listed(self) -> dict[str, tuple[str, ...]]:
        """Per source, the ids as its tables' person columns write them, to keep them out."""
        return {
            name: tuple(
                dict.fromkeys(
                    [*self.ids, *(id_ for table in tables for id_ in self._canonical(table))]
                )
            )
            for name, tables in self._selections()
        }

    @property
    def names(self) -> tuple[str, ...]:
        """Everything that names them: their ids, and those hashed."""
        hashed = (name for place in self._places for name in place.names)
        return tuple(dict.fromkeys([*self.ids, *hashed]))

    def without_person(self) -> list[str]:
        """Copied tables that name nobody: rows about the person cannot be found in them."""
        return [
            f"{self._sources[name].schema}.{table.name}"
            for name, tables in self._selections()
            for table in tables
            if not table.settings.person
        ]

    def _selections(self) -> Iterator[tuple[str, tuple[SelectedTable, ...]]]:
        for name, source in self._sources.items():
            if source.tables:
                yield name, selected_tables(name, source)

    def _found(self) -> Iterator[Place]:
        """Every table of the sources' schemas, with the column that names the person, if any."""
        naming: dict[tuple[str, str], SelectedTable] = {}
        for name, tables in self._selections():
            for selected in tables:
                if selected.settings.person:
                    schema = self._sources[name].schema
                    naming[schema, selected.name.casefold()] = selected
                    naming[schema, history_name(selected.name).casefold()] = selected
        keys = self._history_keys()
        for schema in dict.fromkeys(source.schema for source in self._sources.values()):
            for table in self._warehouse.tables(schema):
                named = naming.get((schema, table.name.casefold()))
                if named is None or table.column(named.settings.person) is None:
                    yield Place(table)
                else:
                    key = keys.get((schema, table.name.casefold()), ())
                    yield Place(table, named.settings.person, self._names(named), key)

    def _history_keys(self) -> dict[tuple[str, str], tuple[str, ...]]:
        """Per history, what tells the rows apart whose versions it has."""
        return {
            (state.schema, history_name(state.table).casefold()): state.shape.key
            for state in read_states(self._warehouse)
            if state.shape is not None
        }

    def _names(self, selected: SelectedTable) -> tuple[str, ...]:
        """The ids as they stand in the copied table: hashed where they are treated so."""
        word = selected.settings.treat.get(selected.settings.person, KEEP)
        if word == KEEP:
            return self.ids
        return tuple(self._keyed.named(id_) for id_ in self._canonical(selected))

    def _canonical(self, selected: SelectedTable) -> tuple[str, ...]:
        word = selected.settings.treat.get(selected.settings.person, KEEP)
        canonical = CANONICAL.get(word.partition(":")[2], str)
        return tuple(text for id_ in self.ids if (text := canonical(id_)) is not None)

    def _theirs(self, place: Place) -> tuple[str, Sequence[str]]:
        column = self._dialect.identifier(place.column)
        theirs = f"CAST({column} AS VARCHAR) IN ({marks(place.names)})"
        if not place.key or place.column in place.key:
            return theirs, place.names
        key = ", ".join(map(self._dialect.identifier, place.key))
        earlier = (
            f"{column} IS NULL AND ({key}) IN "
            f"(SELECT ({key}) FROM {self._name(place.table)} WHERE {theirs})"
        )
        return f"({theirs} OR {earlier})", (*place.names, *place.names)

    def _mentions(self, place: Place, columns: Sequence[Column]) -> dict[str, int]:
        values: list[str] = []
        counted = []
        for number, column in enumerate(columns):
            condition, names = mention(self._dialect, column, self.names)
            counted.append(f"count(CASE WHEN {condition} THEN 1 END) AS n{number}")
            values += names
        where = ""
        if place.column:
            theirs, bound = self._theirs(place)
            where = f" WHERE ({theirs}) IS NOT TRUE"
            values += bound
        sql = f"SELECT {', '.join(counted)} FROM {self._name(place.table)}{where}"
        (row,) = self._warehouse.query(sql, values).to_pylist()
        found = {f"{place.label}.{c.name}": int(row[f"n{n}"]) for n, c in enumerate(columns)}
        return {label: rows for label, rows in found.items() if rows}

    def _staged(self, transaction: Transaction) -> list[Table]:
        """Tables that hold rows on their way: what a copy that was cut off left behind."""
        schemas = tuple(dict.fromkeys(source.schema for source in self._sources.values()))
        rows = transaction.execute(
            "SELECT table_schema, table_name FROM information_schema.tables "
            f"WHERE table_schema IN ({marks(schemas)}) "
            f"AND substr(table_name, 1, {len(STAGING)}) = {self._dialect.literal(STAGING)}",
            schemas,
        ).to_pylist()
        return [Table(row["table_schema"], row["table_name"], ()) for row in rows]

    def _name(self, table: Table) -> str:
        return self._dialect.table(table.schema, table.name)


def spellings(ids: Iterable[str]) -> tuple[str, ...]:
    """The ids without what is around them, a UUID also in lower case, as databases write it."""
    found: dict[str, None] = {}
    for id_ in (text.strip() for text in ids):
        if id_:
            found[id_] = None
        if _is_uuid(id_):
            found[id_.lower()] = None
    if not found:
        raise BadRequest("Nobody is named.", hint="Give the id of a person, or several.")
    return tuple(found)


def mention(dialect: Dialect, column: Column, names: Sequence[str]) -> tuple[str, list[str]]:
    """The condition that a value of `column` is one of `names`, or has one inside; its values."""
    text = f"CAST({dialect.identifier(column.name)} AS VARCHAR)"
    inside = [name for name in names if len(name) >= TELLING_CHARS_MIN]
    if column.type not in INSIDE or not inside:
        return f"{text} IN ({marks(names)})", [*names]
    parts = " OR ".join([f"{text} IN ({marks(names)})", *[f"strpos({text}, ?) > 0"] * len(inside)])
    return parts, [*names, *inside]


def marks(values: Sequence[str]) -> str:
    """Placeholders for them."""
    return ", ".join("?" * len(values))


def _is_uuid(text: str) -> bool:
    try:
        return str(UUID(text)) == text.lower()
    except ValueError:
        return False
