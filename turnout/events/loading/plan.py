"""Which columns a table's messages need, decided from the kinds of values found at each path.

Pure: what was found comes in, a plan and the SQL expressions for it come out. The rule: the
first value fixes a column's type; later ones are cast, widen the column, or are rescued.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace

from turnout.warehouse import Column, Table, Type

COLUMNS_MAX = 500
# So many further spellings feed the columns of a table; each costs expressions. Others are rescued.
SPELLINGS_MAX = 100

# The kinds of JSON values, as the shaping engine's json_type names them.
INTEGERS = frozenset({"BIGINT", "UBIGINT"})
NUMBERS = INTEGERS | {"DOUBLE"}
FITTING = {
    Type.INTEGER: INTEGERS,
    Type.FLOAT: NUMBERS,
    Type.BOOLEAN: frozenset({"BOOLEAN"}),
    Type.TIME: frozenset({"VARCHAR"}),
}
# From here on not every whole number is a float.
EXACT_MAX = 2**53
# A kind that brings no value of its own: an object's members have paths of their own.
VALUELESS = frozenset({"NULL", "OBJECT"})
PARTS = frozenset({"properties", "traits"})
# A key as it may stand in quotes, and what needs a backslash there.
QUOTABLE = re.compile(r"[^*]+", re.DOTALL)
SPECIAL, ESCAPED = re.compile(r'["\\]'), r"\\\g<0>"


@dataclass(frozen=True, slots=True)
class Path:
    """A value's place in a message, from the event down."""

    keys: tuple[str, ...]

    @property
    def document(self) -> str:
        """The column of `message` that has it: a JSON document, or the text itself."""
        return "part" if self.keys[0] in PARTS else self.keys[0]

    @property
    def pointer(self) -> str:
        """Its place in its document, as the engine's JSON functions read it.

        A JSON pointer's number may also be a place in an array, which a quoted key never is; an
        empty key, or one with an asterisk, cannot be quoted.
        """
        inside = self.keys[1:]
        if any(key.isdecimal() for key in inside[1:]) and all(map(QUOTABLE.fullmatch, inside)):
            return "$" + "".join(f'."{SPECIAL.sub(ESCAPED, key)}"' for key in inside)
        steps = (key.replace("~", "~0").replace("/", "~1") for key in inside)
        return "".join(f"/{step}" for step in steps)

    @property
    def depth(self) -> int:
        """How many keys deep it lies in its document."""
        return len(self.keys) - 1

    @property
    def spelling(self) -> str:
        """As people would write it, below `properties` or `traits`."""
        inside = self.keys[1:] if self.keys[0] in PARTS else self.keys
        return ".".join(inside)


@dataclass(frozen=True, slots=True)
class Found:
    """A path and the kinds of values seen there."""

    path: Path
    kinds: frozenset[str]


@dataclass(frozen=True, slots=True)
class Planned:
    """A column and the paths that feed it, the preferred one first."""

    column: Column
    feeds: tuple[Found, ...]
    is_new: bool = False
    is_widened: bool = False


@dataclass(slots=True)
class Plan:
    """A table, its columns fed from paths, and the paths that found no column.

    `is_full` when some found none because the table has as many as it may.
    """

    table: Table
    planned: list[Planned] = field(default_factory=list)
    homeless: list[Found] = field(default_factory=list)
    is_full: bool = False

    @property
    def wanted(self) -> Table:
        """The table as the warehouse must have it before rows are added."""
        planned = {each.column.name: each.column for each in self.planned}
        there = tuple(planned.get(column.name, column) for column in self.table.columns)
        new = tuple(each.column for each in self.planned if each.is_new)
        return replace(self.table, columns=(*there, *new))

    @property
    def widened(self) -> list[Column]:
        return [each.column for each in self.planned if each.is_widened]


# Asked of the data only when it matters: the type that the first value of a path fixes.
FirstType = Callable[[list[Path]], Mapping[Path, Type]]
# Whether a column of integers is to be widened for a path: for a fraction, but not for integers
# too large for their type, nor where its values would lose digits.
Widens = Callable[[str, Path], bool]


def plan_table(
    table: Table,
    found: Iterable[Found],
    name_of: Callable[[Path], str],
    first_type: FirstType,
    widens: Widens,
) -> Plan:
    """Decide `table`'s columns for what was `found`."""
    plan = Plan(table)
    feeds: dict[str, list[Found]] = {}
    for each in found:
        if each.kinds - VALUELESS:
            feeds.setdefault(name_of(each.path), []).append(each)
    types = _new_types(table, feeds, first_type)
    columns_left = COLUMNS_MAX - len(table.columns)
    spellings_left = SPELLINGS_MAX
    for name in sorted(feeds):
        ordered = tuple(sorted(feeds[name], key=lambda each: _preference(name, each.path)))
        column = table.column(name)
        if column is None and columns_left <= 0:
            plan.homeless.extend(ordered)
            plan.is_full = True
            continue
        plan.homeless.extend(ordered[1 + spellings_left :])
        ordered = ordered[: 1 + spellings_left]
        spellings_left -= len(ordered) - 1
        is_new = column is None
        columns_left -= is_new
        column = column or Column(name, types[name])
        is_widened = column.type is Type.INTEGER and any(
            "DOUBLE" in each.kinds and widens(name, each.path) for each in ordered
        )
        if is_widened:
            column = Column(name, Type.FLOAT)
        plan.planned.append(Planned(column, ordered, is_new, is_widened and not is_new))
    return plan


def _new_types(
    table: Table, feeds: Mapping[str, list[Found]], first_type: FirstType
) -> dict[str, Type]:
    """Types for columns that `table` lacks."""
    types: dict[str, Type] = {}
    asked: dict[Path, str] = {}
    for name, found in feeds.items():
        if table.column(name) is not None:
            continue
        preferred = min(found, key=lambda each: _preference(name, each.path))
        kinds = preferred.kinds - VALUELESS
        if name == "context_ip" or kinds == {"ARRAY"} or preferred.path.depth == 0:
            types[name] = Type.TEXT
        elif kinds == {"BOOLEAN"}:
            types[name] = Type.BOOLEAN
        else:
            asked[preferred.path] = name
    if asked:
        types |= {asked[path]: type_ for path, type_ in first_type(list(asked)).items()}
    return types


def _preference(column: str, path: Path) -> tuple[int, tuple[str, ...]]:
    """A top-level value first, then the key already spelled like the column, then by name."""
    if len(path.keys) == 1:
        return 0, path.keys
    return (1 if path.keys[-1] == column else 2), path.keys
