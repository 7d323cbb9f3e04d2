"""Looking into messages as a set: which paths they have and which kinds of values lie there."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from turnout.events.engine import Engine
from turnout.events.expression import literals, time_sql
from turnout.events.plan import Found, Path
from turnout.warehouse import Type
from turnout.warehouse.duckdb import DIALECT

# Values nested deeper stay JSON text in the column above them.
DEPTH_MAX = 10
# Messages to look at before looking at all.
FIRST_LOOK = 256
# Looking for every path in every message is their product: more paths only in a message alone.
PATHS_MAX = 3_000
# Objects worth remembering of one subject.
OBJECTS_MAX = 500


class TooManyPaths(Exception):
    """Different messages have so many different paths that fewer must be looked at at a time."""


class Discovery:
    """Remembers which paths were objects, so that a known shape takes one look, not one a level."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._objects: dict[object, set[Path]] = {}

    def find(
        self, subject: object, roots: Sequence[Path], leaves: Sequence[Path], messages: str
    ) -> list[Found]:
        """All `leaves` and all paths below `roots` in `messages` (SQL), with their kinds.

        `subject` names what the messages are of, for remembering.
        """
        remembered = self._objects.setdefault(subject, set())
        kinds: dict[Path, frozenset[str]] = {}
        objects = {*roots, *remembered}
        asked = objects
        while asked:
            new = [path for path in self._members(asked, messages) if path not in kinds]
            new += [path for path in leaves if path not in kinds]
            if len(kinds) + len(new) > PATHS_MAX and self._are_several(messages):
                raise TooManyPaths
            kinds |= self._kinds(new, messages)
            asked = {
                path
                for path in new
                if "OBJECT" in kinds[path] and path not in objects and _depth(path) < DEPTH_MAX
            }
            objects = objects | asked
            if len(remembered) + len(asked) <= OBJECTS_MAX:
                remembered |= asked
        return [Found(path, kinds[path]) for path in sorted(kinds, key=lambda path: path.keys)]

    def first_types(self, paths: Sequence[Path], messages: str) -> Mapping[Path, Type]:
        """The type that the first value at each path fixes."""
        types: dict[Path, Type] = {}
        left = list(paths)
        # The first value is nearly always among the first messages.
        for some in (f"(SELECT * FROM {messages} ORDER BY rowid LIMIT {FIRST_LOOK})", messages):
            if left:
                found = self._first_types(left, some)
                types |= found
                left = [path for path in left if path not in found]
        return types

    def has_fraction(self, path: Path, messages: str) -> bool:
        """Whether a number there is a float, and not an integer too large for 64 bits."""
        pointer = DIALECT.literal(path.pointer)
        rows = self._engine.rows(
            f"SELECT 1 FROM {messages} WHERE json_type(line, {pointer}) = 'DOUBLE' "
            f"AND NOT regexp_full_match(json_extract_string(line, {pointer}), '-?\\d+') LIMIT 1"
        )
        return bool(rows)

    def _first_types(self, paths: Sequence[Path], messages: str) -> dict[Path, Type]:
        pointers = literals(path.pointer for path in paths)
        rows = self._engine.rows(
            "SELECT number, kind, TRY_CAST(text AS BIGINT) IS NOT NULL, "
            f"regexp_full_match(text, '-?\\d+'), {time_sql('text')} IS NOT NULL "
            "FROM (SELECT number, arg_min(kind, rowid) AS kind, arg_min(text, rowid) AS text "
            f"FROM (SELECT rowid, unnest(range(1, {len(paths) + 1})) AS number, "
            f"unnest(json_type(line, {pointers})) AS kind, "
            f"unnest(json_extract_string(line, {pointers})) AS text FROM {messages}) "
            "WHERE kind NOT IN ('NULL', 'OBJECT') GROUP BY number)"
        )
        return {paths[number - 1]: _type_of(*first) for number, *first in rows}

    def _are_several(self, messages: str) -> bool:
        return len(self._engine.rows(f"SELECT 1 FROM {messages} LIMIT 2")) > 1

    def _members(self, objects: Iterable[Path], messages: str) -> list[Path]:
        above = sorted(objects, key=lambda path: path.keys)
        rows = self._engine.rows(
            "SELECT DISTINCT number, unnest(keys) FROM ("
            f"SELECT unnest(range(1, {len(above) + 1})) AS number, unnest(keys) AS keys "
            "FROM (SELECT DISTINCT "
            f"json_keys(line, {literals(path.pointer for path in above)}) AS keys FROM {messages}))"
        )
        return [Path((*above[number - 1].keys, key)) for number, key in rows]

    def _kinds(self, paths: Sequence[Path], messages: str) -> dict[Path, frozenset[str]]:
        if not paths:
            return {}
        rows = self._engine.rows(
            "SELECT number, list(DISTINCT kind) FROM ("
            f"SELECT unnest(range(1, {len(paths) + 1})) AS number, unnest(kinds) AS kind "
            "FROM (SELECT DISTINCT "
            f"json_type(line, {literals(path.pointer for path in paths)}) AS kinds "
            f"FROM {messages})) GROUP BY number"
        )
        found = dict(rows)
        return {
            path: _as_leaf(path, frozenset(found.get(number, ())) - {None})
            for number, path in enumerate(paths, 1)
        }


def _depth(path: Path) -> int:
    return len(path.keys) - 1


def _as_leaf(path: Path, kinds: frozenset[str]) -> frozenset[str]:
    """At the deepest level an object is a value like an array: JSON text."""
    if _depth(path) < DEPTH_MAX or "OBJECT" not in kinds:
        return kinds
    return kinds - {"OBJECT"} | {"ARRAY"}


def _type_of(kind: str, is_integer: bool, is_whole: bool, is_time: bool) -> Type:  # noqa: FBT001 -- a row
    if kind in ("BIGINT", "UBIGINT") and is_integer:
        return Type.INTEGER
    if kind == "DOUBLE" and not is_whole:
        return Type.FLOAT
    if kind == "BOOLEAN":
        return Type.BOOLEAN
    return Type.TIME if kind == "VARCHAR" and is_time else Type.TEXT
