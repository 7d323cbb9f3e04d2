"""What a dump's own statements say of tables: their columns and types, keys and partitions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from turnout.sync.dump.statements import (
    begins,
    identifier,
    list_items,
    qualified_name,
    statements,
)
from turnout.sync.postgres.types import SourceType

# A table's or type's name: schema, name.
Name = tuple[str, str]

# What may follow a column's type.
AFTER_TYPE = frozenset(
    ("NOT", "NULL", "DEFAULT", "COLLATE", "GENERATED", "CONSTRAINT", "STORAGE", "COMPRESSION",
     "PRIMARY", "UNIQUE", "REFERENCES", "CHECK", "OPTIONS", "WITH")
)  # fmt: skip
NOT_COLUMNS = frozenset(
    ("CONSTRAINT", "PRIMARY", "UNIQUE", "CHECK", "FOREIGN", "EXCLUDE", "LIKE", "NOT")
)
# How SQL spells a type, and what the catalogue calls it.
NAMES = {
    "boolean": "bool",
    "smallint": "int2",
    "integer": "int4",
    "int": "int4",
    "bigint": "int8",
    "real": "float4",
    "double precision": "float8",
    "decimal": "numeric",
    "character varying": "varchar",
    "character": "bpchar",
    "char": "bpchar",
    "timestamp without time zone": "timestamp",
    "timestamp with time zone": "timestamptz",
    "time without time zone": "time",
    "time with time zone": "timetz",
    "bit varying": "varbit",
}
# What CREATE TYPE says, and what the catalogue calls such types.
KINDS = {"AS ENUM": "e", "AS RANGE": "r", "AS (": "c"}


@dataclass(frozen=True, slots=True)
class DefinedType:
    """A type as it is written down, in words; `schema` is "" for PostgreSQL's own."""

    schema: str
    name: str
    arguments: tuple[int, ...] = ()
    is_array: bool = False
    text: str = ""


@dataclass(frozen=True, slots=True)
class DefinedTable:
    """A table's columns with their types and whether they may be null; `key` is its primary key."""

    columns: dict[str, tuple[DefinedType, bool]]
    key: tuple[str, ...] = ()
    # Its rows are in its partitions, and in no other place.
    is_partitioned: bool = False


@dataclass(slots=True)
class Definitions:
    """All that the statements read so far define."""

    tables: dict[Name, DefinedTable] = field(default_factory=dict)
    views: set[Name] = field(default_factory=set)
    # Partitions and heirs: their rows are their parent's too.
    children: dict[Name, list[Name]] = field(default_factory=dict)
    _domains: dict[Name, DefinedType] = field(default_factory=dict)
    _kinds: dict[Name, str] = field(default_factory=dict)
    # Where names without a schema belong: dumps before 2018 said it once for many.
    _schema: str = "public"

    def read(self, text: str, schema: str = "public") -> None:
        """Learn from these statements; those that define nothing of interest are passed over.

        `schema` is where names without one belong, until a statement says otherwise.
        """
        self._schema = schema
        for words in statements(text):
            if begins(words, "SET", "search_path") and len(words) > 3:  # noqa: PLR2004 - SET search_path = x
                self._schema = identifier(words[3])
            elif begins(words, "CREATE"):
                self._read_creation([word for word in words[1:] if word != "UNLOGGED"])
            elif begins(words, "ALTER", "TABLE"):
                self._read_alteration(words[3:] if words[2] == "ONLY" else words[2:])

    def source_type(self, type_: DefinedType) -> SourceType:
        """The type as the catalogue would give it, domains followed down to their base."""
        seen = 0
        while type_.schema and not type_.is_array and (type_.schema, type_.name) in self._domains:
            type_ = self._domains[type_.schema, type_.name]
            seen += 1
            if seen > len(self._domains):
                break
        kind = self._kinds.get((type_.schema, type_.name), "b")
        category = "A" if type_.is_array else ""
        return SourceType(type_.name, kind, category, not type_.schema, _typmod(type_))

    def element(self, type_: DefinedType) -> SourceType:
        """What an array holds."""
        while (type_.schema, type_.name) in self._domains:
            type_ = self._domains[type_.schema, type_.name]
        return self.source_type(DefinedType(type_.schema, type_.name, type_.arguments))

    def heirs(self, name: Name) -> list[Name]:
        """The table itself and all whose rows are also its own."""
        found = [name]
        for each in found:
            found += [child for child in self.children.get(each, ()) if child not in found]
        return found

    def _read_creation(self, words: Sequence[str]) -> None:
        if words[0] in ("TABLE", "FOREIGN"):
            self._read_table(words[words.index("TABLE") + 1 :])
        elif words[0] == "VIEW" or begins(words, "MATERIALIZED", "VIEW"):
            name, _ = qualified_name(words[words.index("VIEW") + 1 :], self._schema)
            self.views.add(name)
        elif words[0] == "DOMAIN":
            name, taken = qualified_name(words[1:], self._schema)
            self._domains[name] = defined_type(words[2 + taken :])
        elif words[0] == "TYPE":
            name, taken = qualified_name(words[1:], self._schema)
            self._kinds[name] = KINDS.get(" ".join(words[1 + taken : 3 + taken]), "b")

    def _read_table(self, words: Sequence[str]) -> None:
        name, taken = qualified_name(words, self._schema)
        columns: dict[str, tuple[DefinedType, bool]] = {}
        key: list[str] = []
        rest = list(words[taken:])
        for item in list_items(rest[rest.index("(") :] if "(" in rest else []):
            if item[0] not in NOT_COLUMNS and len(item) > 1:
                columns[identifier(item[0])] = defined_type(item[1:]), "NOT" not in item
                key += [identifier(item[0])] if "PRIMARY" in item else []
            elif begins(item, "PRIMARY", "KEY"):
                key = [identifier(each[0]) for each in list_items(item[2:])]
        self.tables[name] = DefinedTable(columns, tuple(key), "PARTITION" in rest)
        if "INHERITS" in rest:
            for parent in list_items(rest[rest.index("INHERITS") + 1 :]):
                self._add_child(qualified_name(parent, self._schema)[0], name)

    def _read_alteration(self, words: Sequence[str]) -> None:
        name, taken = qualified_name(words, self._schema)
        rest = list(words[taken:])
        if begins(rest, "ATTACH", "PARTITION"):
            self._add_child(name, qualified_name(rest[2:], self._schema)[0])
        elif begins(rest, "ADD", "CONSTRAINT") and begins(rest[3:], "PRIMARY", "KEY"):
            table = self.tables.get(name)
            if table is not None:
                key = tuple(identifier(item[0]) for item in list_items(rest[5:]))
                self.tables[name] = replace(table, key=key)

    def _add_child(self, parent: Name, child: Name) -> None:
        children = self.children.setdefault(parent, [])
        if child not in children:
            children.append(child)


def defined_type(words: Sequence[str]) -> DefinedType:
    """The type that these words begin with."""
    words = list(_type_words(words))
    (schema, name), taken = qualified_name(words, "")
    rest = words[taken:]
    if not schema and not words[0].startswith('"'):
        spelled = " ".join([name, *(word for word in rest if word.isalpha())])
        name = NAMES.get(spelled, name)
    arguments = tuple(int(word) for word in _arguments(rest))
    return DefinedType(schema, name, arguments, "[" in rest, _spelled(words))


def _type_words(words: Sequence[str]) -> Sequence[str]:
    """The words of a type: `with time zone` belongs to it, what a column is declared to be not."""
    for place, word in enumerate(words):
        if word in AFTER_TYPE:
            return words[:place]
    return words


def _arguments(words: Sequence[str]) -> Sequence[str]:
    """The numbers in parentheses; a minus sign is a word of its own."""
    if "(" not in words:
        return ()
    inner = " ".join(words[words.index("(") + 1 : words.index(")")]).replace("- ", "-")
    numbers = [each.strip() for each in inner.split(",")]
    return numbers if all(each.lstrip("-").isdigit() for each in numbers) else ()


def _spelled(words: Sequence[str]) -> str:
    text = " ".join(words)
    for spaced, tight in ((" . ", "."), (" ( ", "("), (" )", ")"), (" , ", ","), (" [ ", "[")):
        text = text.replace(spaced, tight)
    return text.replace(" ]", "]")


def _typmod(type_: DefinedType) -> int:
    """Precision and scale of a numeric as the catalogue packs them; of no other type."""
    if type_.name != "numeric" or not type_.arguments:
        return -1
    precision, scale = (*type_.arguments, 0)[:2]
    return ((precision << 16) | (scale & 0x7FF)) + 4
