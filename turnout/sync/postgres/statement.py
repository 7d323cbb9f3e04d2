"""The statements that read one table: its selected columns, in parts and pieces."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from turnout.errors import SourceRefused
from turnout.sync.postgres.catalogue import FoundTable
from turnout.sync.postgres.names import listed, literal, parts_mark, qualified, quoted
from turnout.sync.postgres.types import Reading, reading, with_keys
from turnout.sync.selection import SelectedTable
from turnout.sync.source import Keys, Part, Shape, Since, SourceTable, WrittenSince

# Bits of one mask of lost values; the sign is left alone.
MASK_BITS = 62
# Transaction numbers have 32 bits at each row, and start over.
XIDS = 2**32
# Types that grow, and how their largest value is capped: at the snapshot's time, or at what is a
# number at all.
CURSORS = {
    "timestamptz": "CASE WHEN max({0}) IS NOT NULL THEN least(max({0}), now()) END",
    "timestamp": "CASE WHEN max({0}) IS NOT NULL THEN least(max({0}), now()::timestamp) END",
    "date": "CASE WHEN max({0}) IS NOT NULL THEN least(max({0}), now()::date) END",
    "int2": "max({0})",
    "int4": "max({0})",
    "int8": "max({0})",
    "numeric": "max({0})",
    "float4": "max({0})",
    "float8": "max({0})",
}
UNBOUNDED = ("numeric", "float4", "float8")
# Less than the smallest may be asked for; indexes compare whole numbers of any width.
WIDEST = {"int2": "int8", "int4": "int8"}


@dataclass(frozen=True, slots=True)
class Blocks:
    """Rows that lie in some blocks of a heap: from `first` on, and before `end` if there is one."""

    first: int
    end: int | None = None


@dataclass(frozen=True, slots=True)
class Statement:
    """A SELECT without its condition's last part. After its columns come masks of lost values."""

    select: str
    tail: str
    conditions: tuple[str, ...]
    masks: tuple[tuple[str, ...], ...]
    columns: int
    # The operator's own condition is among the conditions.
    is_filtered: bool = False

    @property
    def empty(self) -> str:
        """No rows, only what they would be."""
        return f"{self.sql()} LIMIT 0"

    def sql(self, blocks: Blocks | None = None, skip: int = 0) -> str:
        """All rows, or those in `blocks` without the first `skip` of them."""
        offset = f" OFFSET {skip}" if skip else ""
        return f"{self.select} FROM {self.tail}{self._where(blocks)}{offset}"

    def count(self, blocks: Blocks) -> str:
        """How many rows `sql(blocks)` has."""
        return f"SELECT count(*) FROM {self.tail}{self._where(blocks)}"

    def _where(self, blocks: Blocks | None) -> str:
        conditions = [*self.conditions, *(_places(blocks) if blocks else ())]
        return f" WHERE {' AND '.join(conditions)}" if conditions else ""


class TableRead:
    """A selected table that can be read, and how. Raises `SourceRefused` where it cannot.

    A selected column that is gone and may be is left out.
    """

    def __init__(self, selected: SelectedTable, found: FoundTable) -> None:
        self.selected = selected
        self.found = found
        self._there = [name for name in selected.columns if name in found.columns]
        self._readings = {name: _reading(selected, found, name) for name in self._there}
        self._where = f"({selected.settings.where}\n)" if selected.settings.where else ""
        self.table = SourceTable(
            selected,
            tuple(each.column for each in self._readings.values()),
            found.details.rows_estimated,
            _shape(selected, found),
            has_indexed_cursor=selected.settings.cursor in found.details.indexed,
            has_xmin=found.has_xmin,
        )

    @property
    def plain_sql(self) -> str:
        """The columns as they are, and no row of them: what is found now is what is read."""
        return f"SELECT {listed(self._there)} FROM {qualified(self.selected)} LIMIT 0"

    @property
    def places(self) -> list[tuple[int, int]]:
        """Per column of `plain_sql` its number in the table and its type's oid."""
        columns = [self.found.columns[name] for name in self._there]
        return [(column.place, column.type_oid) for column in columns]

    def statement(self, part: Part, xmin: int | None = None) -> Statement:
        """What reads `part` of it in a snapshot whose `xmin` it is."""
        names = self.table.shape.key if isinstance(part, Keys) else self._there
        readings = [self._readings[name] for name in names]
        groups = _groups([each for each in readings if each.lost])
        expressions = [f"{each.expression} AS {quoted(each.column.name)}" for each in readings]
        return Statement(
            f"SELECT {', '.join([*expressions, *map(_mask, groups)])}",
            qualified(self.selected),
            tuple(filter(None, [self._where, self._condition(part, xmin)])),
            tuple(tuple(each.column.name for each in group) for group in groups),
            len(readings),
            bool(self._where),
        )

    def cursor_max_sql(self) -> str:
        """The largest cursor, as text with all its digits."""
        column = quoted(self.selected.settings.cursor)
        type_ = self._cursor_type()
        conditions = [self._where] if self._where else []
        if type_ in UNBOUNDED:
            # Infinity and what is not a number are larger than any number that will come.
            conditions.append(f"{column} < 'Infinity'::pg_catalog.{quoted(type_)}")
        where = f" WHERE {' AND '.join(conditions)}" if conditions else ""
        largest = CURSORS[type_].format(column)
        return f"SELECT ({largest})::text FROM {qualified(self.selected)}{where}"

    def _condition(self, part: Part, xmin: int | None) -> str:
        if isinstance(part, Since):
            column = quoted(self.selected.settings.cursor)
            type_ = self._cursor_type()
            bound = f"{literal(part.bound)}::pg_catalog.{quoted(WIDEST.get(type_, type_))}"
            return f"({column} >= {bound} OR {column} IS NULL)"
        if isinstance(part, WrittenSince) and _tells(part.xmin, xmin):
            # Counted from the given number on, what is less than half way round is newer.
            return f"(xmin::text::int8 - {part.xmin % XIDS} + {XIDS}) % {XIDS} < {XIDS // 2}"
        return ""

    def _cursor_type(self) -> str:
        name = self.selected.settings.cursor
        column = self.found.columns.get(name)
        if column is None or not column.type.is_builtin or column.type.name not in CURSORS:
            raise SourceRefused(
                f"The cursor '{name}' of '{self.selected.label}' is neither a time nor a number.",
                hint="Name a column such as updated_at, or choose another mode.",
            )
        return column.type.name


def _tells(since: int, xmin: int | None) -> bool:
    """Whether 32 bits are enough to tell what was written since; else every row is read."""
    return xmin is not None and 0 <= xmin - since < XIDS // 2


def _reading(selected: SelectedTable, found: FoundTable, name: str) -> Reading:
    column = found.columns[name]
    keys = selected.settings.json_keys.get(name)
    if keys is None:
        return reading(name, quoted(name), column.type)
    if not column.type.is_builtin or column.type.name not in ("json", "jsonb"):
        raise SourceRefused(
            f"json_keys names '{name}' of '{selected.label}', which is no JSON but "
            f"{column.spelled}."
        )
    return with_keys(name, quoted(name), keys)


def _shape(selected: SelectedTable, found: FoundTable) -> Shape:
    return Shape(
        str(found.oid),
        tuple(selected.settings.key) or found.key_among(selected.columns),
        {
            name: (column.place, column.spelled, column.is_nullable)
            for name, column in found.columns.items()
            if name in selected.columns
        },
        tuple(name for name in found.columns if name not in selected.columns),
        parts_mark(found.details.parts),
    )


def _places(blocks: Blocks) -> Iterator[str]:
    yield f"ctid >= '({blocks.first},0)'::tid"
    if blocks.end is not None:
        yield f"ctid < '({blocks.end},0)'::tid"


def _groups(lossy: Sequence[Reading]) -> list[Sequence[Reading]]:
    return [lossy[start : start + MASK_BITS] for start in range(0, len(lossy), MASK_BITS)]


def _mask(group: Sequence[Reading]) -> str:
    bits = (f"CASE WHEN {each.lost} THEN {1 << bit} ELSE 0 END" for bit, each in enumerate(group))
    return f"({' + '.join(bits)})::int8"
