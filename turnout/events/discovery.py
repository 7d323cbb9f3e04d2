"""Looking into messages as a set: which paths they have and which kinds of values lie there."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from turnout.events.engine import Engine
from turnout.events.expression import literals, time_sql
from turnout.events.plan import Found, Path
from turnout.warehouse import Type
from turnout.warehouse.duckdb import DIALECT

# Values nested deeper stay JSON text in the column above them.
DEPTH_MAX = 10
# Messages to look at before looking at all.
FIRST_LOOK = 256


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
        objects = self._objects.setdefault(subject, set())
        kinds: dict[Path, frozenset[str]] = {}
        asked = {*roots, *objects}
        while asked:
            new = [path for path in self._members(asked, messages) if path not in kinds]
            new += [path for path in leaves if path not in kinds]
            kinds |= self._kinds(new, messages)
            asked = {
                path
                for path in new
                if "OBJECT" in kinds[path] and path not in objects and _depth(path) < DEPTH_MAX
            }
            objects |= asked
        return [Found(path, kinds[path]) for path in sorted(kinds, key=lambda path: path.keys)]

    def first_types(self, paths: Sequence[Path], messages: str) -> Mapping[Path, Type]:
        """The type that the first value at each path fixes."""
        types: dict[Path, Type] = {}
        left = list(paths)
        # The first value is nearly always among the first messages.
        for some in (f"(SELECT * FROM {messages} ORDER BY rowid LIMIT {FIRST_LOOK})", messages):
            if left:
                firsts = ", ".join(_first(path) for path in left)
                [row] = self._engine.rows(f"SELECT {firsts} FROM {some}")
                found = {path: value for path, value in zip(left, row, strict=True) if value}
                types |= {path: _type_of(value) for path, value in found.items()}
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

    def _members(self, objects: Iterable[Path], messages: str) -> list[Path]:
        above = sorted(objects, key=lambda path: path.keys)
        rows = self._engine.rows(
            "SELECT DISTINCT number, unnest(keys[number]) FROM (SELECT DISTINCT "
            f"json_keys(line, {literals(path.pointer for path in above)}) AS keys "
            f"FROM {messages}), range(1, {len(above) + 1}) AS numbers(number)"
        )
        return [Path((*above[number - 1].keys, key)) for number, key in rows]

    def _kinds(self, paths: Sequence[Path], messages: str) -> dict[Path, frozenset[str]]:
        if not paths:
            return {}
        rows = self._engine.rows(
            "SELECT number, list(DISTINCT kinds[number]) FROM (SELECT DISTINCT "
            f"json_type(line, {literals(path.pointer for path in paths)}) AS kinds "
            f"FROM {messages}), range(1, {len(paths) + 1}) AS numbers(number) GROUP BY number"
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


def _first(path: Path) -> str:
    """{kind, is_integer, is_time} of the first value at `path`."""
    pointer = DIALECT.literal(path.pointer)
    kind = f"json_type(line, {pointer})"
    text = f"json_extract_string(line, {pointer})"
    return (
        f"arg_min({{'kind': {kind}, "
        f"'is_integer': TRY_CAST({text} AS BIGINT) IS NOT NULL, "
        f"'is_whole': regexp_full_match({text}, '-?\\d+'), "
        f"'is_time': {time_sql(text)} IS NOT NULL}}, rowid) "
        f"FILTER (WHERE {kind} NOT IN ('NULL', 'OBJECT'))"
    )


def _type_of(value: Mapping[str, Any]) -> Type:
    kind = value["kind"]
    if kind in ("BIGINT", "UBIGINT") and value["is_integer"]:
        return Type.INTEGER
    if kind == "DOUBLE" and not value["is_whole"]:
        return Type.FLOAT
    if kind == "BOOLEAN":
        return Type.BOOLEAN
    return Type.TIME if kind == "VARCHAR" and value["is_time"] else Type.TEXT
