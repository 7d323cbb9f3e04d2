"""Looking into messages as a set: which paths they have and which kinds of values lie there.

One look at all messages gives the structure of each route; only where values of different kinds
lie at one path is a second, closer look needed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any, NamedTuple, TypeAlias

import msgspec

from turnout.events import layout
from turnout.events.engine import Engine
from turnout.events.loading.expression import literals
from turnout.events.loading.iso import time_sql
from turnout.events.loading.plan import Found, Path
from turnout.warehouse import Type
from turnout.warehouse.duckdb import DIALECT

# Values nested deeper stay JSON text in the column above them.
DEPTH_MAX = 10
# Messages to look at before looking at all.
FIRST_LOOK = 256
# More messages are looked at by two threads; fewer cost less than a further statement.
WHOLE_LOOK_MAX = 5_000
# Members of the message itself that become columns when they are there.
TOP_LEVEL = ("channel", "name", "category")
KINDS = {
    "NULL": frozenset({"NULL"}),
    "BOOLEAN": frozenset({"BOOLEAN"}),
    "BIGINT": frozenset({"BIGINT"}),
    "UBIGINT": frozenset({"UBIGINT"}),
    "HUGEINT": frozenset({"BIGINT", "UBIGINT"}),
    "DOUBLE": frozenset({"DOUBLE"}),
    "VARCHAR": frozenset({"VARCHAR"}),
}
ARRAY = frozenset({"ARRAY"})
OBJECT = frozenset({"OBJECT"})
# Of several kinds; which ones is not known yet.
MIXED = frozenset({"MIXED"})

Kinds: TypeAlias = Mapping[Path, frozenset[str]]


class Look(NamedTuple):
    """The kinds of values at every path of a route's messages, and how many these are."""

    kinds: Kinds
    messages: int


class Structure:
    """What the messages in the shaping engine's table `message` hold."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def look(self, messages: int) -> dict[int, Look]:
        """By route: the kinds of values at every path, of some only that they are `MIXED`.

        Of many `messages` two threads look at a half each.
        """
        parts = 2 if messages > WHOLE_LOOK_MAX else 1
        looks = self._engine.each(lambda part: self._look_at_part(part, parts), range(parts))
        return {route: look for some in looks for route, look in some}

    def find(self, looks: Sequence[Kinds], roots: frozenset[str], messages: str) -> list[Found]:
        """All paths below `roots` in `messages` (SQL), whose routes were given these `looks`."""
        kinds: dict[Path, frozenset[str]] = {}
        for look in looks:
            for path, some in look.items():
                if path.keys[0] in roots:
                    kinds[path] = kinds.get(path, frozenset()) | some
        while mixed := [path for path in kinds if "MIXED" in kinds[path]]:
            kinds |= self._kinds(mixed, messages)
            for path in mixed:
                if "OBJECT" in kinds[path]:
                    kinds |= self._members(path, messages)
        return [Found(path, kinds[path]) for path in sorted(kinds, key=lambda path: path.keys)]

    def first_types(self, paths: Sequence[Path], messages: str) -> Mapping[Path, Type]:
        """The type that the first value at each path fixes."""
        types: dict[Path, Type] = {}
        left = list(paths)
        # The first value is nearly always among the first messages.
        for some in (f"(SELECT * FROM {messages} ORDER BY rowid LIMIT {FIRST_LOOK})", messages):
            if left:
                types |= self._first_types(left, some)
                left = [path for path in left if path not in types]
        return types

    def has_fraction(self, path: Path, messages: str) -> bool:
        """Whether a number there is a float, and not an integer too large for 64 bits."""
        place = f"{path.document}, {DIALECT.literal(path.pointer)}"
        return bool(
            self._engine.rows(
                f"SELECT 1 FROM {messages} WHERE json_type({place}) = 'DOUBLE' "
                f"AND NOT regexp_full_match(json_extract_string({place}), '-?\\d+') LIMIT 1"
            )
        )

    def _look_at_part(self, part: int, parts: int) -> list[tuple[int, Look]]:
        there = ", ".join(f"count({name}) > 0" for name in TOP_LEVEL)
        messages = f"message WHERE route % {parts} = {part}"
        rows = self._engine.rows(
            f"SELECT route, count(*), any_value(type), {there}, json_group_structure(part) "
            f"FROM {messages} GROUP BY route"
        )
        # A server's messages often share one context.
        contexts = dict(
            self._engine.rows(
                "SELECT route, json_group_structure(CAST(context AS JSON)) FROM "
                f"(SELECT DISTINCT route, CAST(context AS VARCHAR) AS context FROM {messages}) "
                "GROUP BY route"
            )
        )
        return [
            (route, Look(_seen(type_, *seen, contexts[route]), messages))
            for route, messages, type_, *seen in rows
        ]

    def _kinds(self, paths: Sequence[Path], messages: str) -> Kinds:
        """Exactly which kinds lie at each path; an object at the deepest level counts as text."""
        found: dict[Path, frozenset[str]] = {}
        for document, some in _by_document(paths):
            pointers = literals(path.pointer for path in some)
            rows = self._engine.rows(
                "SELECT number, list(DISTINCT kind) FROM ("
                f"SELECT unnest(range({len(some)})) AS number, unnest(kinds) AS kind FROM "
                f"(SELECT DISTINCT json_type({document}, {pointers}) AS kinds FROM {messages})) "
                "WHERE kind IS NOT NULL GROUP BY number"
            )
            found |= {
                some[number]: _as_leaf(some[number], frozenset(kinds)) for number, kinds in rows
            }
        return {path: found.get(path, frozenset()) for path in paths}

    def _members(self, path: Path, messages: str) -> Kinds:
        """What lies below a path that is an object in some messages only."""
        place = f"{path.document}, {DIALECT.literal(path.pointer)}"
        [(structure,)] = self._engine.rows(
            f"SELECT json_group_structure(json_extract({place})) FROM {messages} "
            f"WHERE json_type({place}) = 'OBJECT'"
        )
        return _below(path, structure)

    def _first_types(self, paths: Sequence[Path], messages: str) -> dict[Path, Type]:
        types: dict[Path, Type] = {}
        for document, some in _by_document(paths):
            pointers = literals(path.pointer for path in some)
            rows = self._engine.rows(
                "SELECT number, kind, TRY_CAST(text AS BIGINT) IS NOT NULL, "
                f"regexp_full_match(text, '-?\\d+'), {time_sql('text')} IS NOT NULL "
                "FROM (SELECT number, arg_min(kind, rowid) AS kind, arg_min(text, rowid) AS text "
                f"FROM (SELECT rowid, unnest(range({len(some)})) AS number, "
                f"unnest(json_type({document}, {pointers})) AS kind, "
                f"unnest(json_extract_string({document}, {pointers})) AS text FROM {messages}) "
                "WHERE kind NOT IN ('NULL', 'OBJECT') GROUP BY number)"
            )
            types |= {some[number]: _type_of(*first) for number, *first in rows}
        return types


def _seen(type_: str, *seen: Any) -> Kinds:
    """One route's answer to the first look."""
    *there, part, context = seen
    kinds = {
        Path((name,)): KINDS["VARCHAR"]
        for name, is_there in zip(TOP_LEVEL, there, strict=True)
        if is_there
    }
    kinds |= _below(Path(("context",)), context)
    if type_ in layout.PARTS:
        kinds |= _below(Path((layout.PARTS[type_],)), part)
    return kinds


@lru_cache(maxsize=5_000)
def _below(above: Path, structure: str) -> Kinds:
    """Every path below `above`, from a structure as the engine tells it."""
    members = msgspec.json.decode(structure)
    kinds: dict[Path, frozenset[str]] = {}
    left = [(above, members)] if isinstance(members, dict) else []
    while left:
        path, members = left.pop()
        for key, value in members.items():
            below = Path((*path.keys, key))
            if isinstance(value, dict) and below.depth < DEPTH_MAX:
                kinds[below] = OBJECT
                left.append((below, value))
            else:
                kinds[below] = KINDS.get(value, MIXED) if isinstance(value, str) else ARRAY
    return kinds


def _by_document(paths: Sequence[Path]) -> Iterable[tuple[str, list[Path]]]:
    for document in ("context", "part"):
        if some := [path for path in paths if path.document == document]:
            yield document, some


def _as_leaf(path: Path, kinds: frozenset[str]) -> frozenset[str]:
    """At the deepest level an object is a value like an array: JSON text."""
    if path.depth < DEPTH_MAX or "OBJECT" not in kinds:
        return kinds
    return kinds - OBJECT | ARRAY


def _type_of(kind: str, is_integer: bool, is_whole: bool, is_time: bool) -> Type:  # noqa: FBT001 -- a row
    if kind in ("BIGINT", "UBIGINT") and is_integer:
        return Type.INTEGER
    if kind == "DOUBLE" and not is_whole:
        return Type.FLOAT
    if kind == "BOOLEAN":
        return Type.BOOLEAN
    return Type.TIME if kind == "VARCHAR" and is_time else Type.TEXT
