"""Random tables, and what random changes make of them: a model that the copies are held against."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from hypothesis import strategies as st
from psycopg import sql

from tests.conformance.test_sources import POSTGRES, Kind
from turnout.config import TableSelection

# In what is never selected; found anywhere of ours, it has left.
MARK = "mark-of-what-nobody-selected"
NOT_SELECTED = "not selected"
CHANGED_AT = "Changed At"
NAMES = (
    "company", "select", "Upper", 'mit "Anführung"', "x" * 63, "semi;colon -- $$", "tab\tstop",
    "user", "日本", "it's", "%s %(a)s", "a.b", "back\\slash", "lower_case",
)  # fmt: skip
SCHEMAS = ("public", "Billing 2", "group")
ROWS_MAX = 200


@dataclass(frozen=True)
class KeyKind:
    """A type of key: its value number n, as SQL spells it and as the warehouse's text."""

    type: str
    literal: str
    text: str

    def spelled(self, number: int) -> str:
        return self.literal.format(n=number, h=f"{number:012x}")

    def written(self, number: int) -> str:
        return self.text.format(n=number, h=f"{number:012x}")


KEYS = (
    KeyKind("int", "{n}", "{n}"),
    KeyKind("bigint", "-{n}", "-{n}"),
    KeyKind("uuid", "'00000000-0000-4000-8000-{h}'", "00000000-0000-4000-8000-{h}"),
    KeyKind("text", "E'it''s \\\\ \"{n}\"\\n,'", 'it\'s \\ "{n}"\n,'),
    KeyKind("numeric(9,2)", "{n}.50", "{n}.50"),
)

# A row's key by the numbers of its parts, and the numbers of its values; None is NULL.
Key = tuple[int, ...]
Values = tuple[int | None, ...]


@dataclass
class Table:
    """A table of the source: its columns, and the rows it should have."""

    schema: str
    name: str
    key: tuple[tuple[str, KeyKind], ...]
    values: tuple[tuple[str, Kind], ...]
    rows: dict[Key, Values] = field(default_factory=dict)
    numbers: Iterator[int] = field(default_factory=lambda: iter(range(1, 10**9)))

    @property
    def columns(self) -> list[str]:
        return [name for name, _ in (*self.key, *self.values)]

    @property
    def quoted(self) -> str:
        return sql.Identifier(self.schema, self.name).as_string()

    @property
    def label(self) -> str:
        """As a selection names it."""
        return ".".join('"' + part.replace('"', '""') + '"' for part in (self.schema, self.name))

    def selection(self, mode: str) -> TableSelection:
        columns = [*self.columns, *([CHANGED_AT] if mode == "cursor" else [])]
        return TableSelection(
            columns,
            mode=mode,  # type: ignore[arg-type] # one of the modes there are
            cursor=CHANGED_AT if mode == "cursor" else "",
            # Exact without any: nobody but us writes, and the reader sees who has begun.
            lag_s=0.0,
            history=True,
            tracked=self.columns[len(self.key) :],
            personal=dict.fromkeys(columns, "nobody's"),
            shrink=True,
        )

    def definition(self) -> str:
        columns = [f"{_quoted(name)} {kind.type}" for name, kind in self.key]
        columns += [f"{_quoted(name)} {kind.name}" for name, kind in self.values]
        key = ", ".join(_quoted(name) for name, _ in self.key)
        return (
            f"CREATE TABLE {self.quoted} ({_quoted(NOT_SELECTED)} text DEFAULT '{MARK}', "
            f"{', '.join(columns)}, {_quoted(CHANGED_AT)} timestamptz DEFAULT now(), "
            f"PRIMARY KEY ({key}))"
        )

    def expected(self) -> list[tuple[str | None, ...]]:
        """The rows as the warehouse's texts."""
        return sorted(
            (
                (
                    *(kind.written(n) for n, (_, kind) in zip(key, self.key, strict=True)),
                    *(
                        None if n is None else [*kind.values.values()][n]
                        for n, (_, kind) in zip(values, self.values, strict=True)
                    ),
                )
                for key, values in self.rows.items()
            ),
            key=str,
        )

    def insert(self, chance: random.Random, count: int) -> str:
        """Also several at once, and a key that was there before."""
        rows = []
        for _ in range(min(count, ROWS_MAX - len(self.rows))):
            key = self._new_key(chance)
            self.rows[key] = self._new_values(chance)
            spelled = [*self._spelled_key(key), *self._spelled_values(self.rows[key])]
            rows.append(f"({', '.join(spelled)})")
        names = ", ".join(map(_quoted, self.columns))
        return f"INSERT INTO {self.quoted} ({names}) VALUES {', '.join(rows)}" if rows else ""

    def update(self, chance: random.Random) -> str:
        """Some columns of one row, others left as they are."""
        if not self.rows:
            return ""
        key = chance.choice([*self.rows])
        fresh = self._new_values(chance)
        chosen = [chance.random() < 0.5 for _ in fresh]
        was = self.rows[key]
        self.rows[key] = tuple(
            new if c else old for new, old, c in zip(fresh, was, chosen, strict=True)
        )
        spelled = self._spelled_values(self.rows[key])
        sets = [
            f"{_quoted(name)} = {value}"
            for (name, _), value, c in zip(self.values, spelled, chosen, strict=True)
            if c
        ]
        return self._update(sets, key)

    def rekey(self, chance: random.Random) -> str:
        if not self.rows:
            return ""
        key, new = chance.choice([*self.rows]), self._new_key(chance)
        if new in self.rows:
            return ""
        self.rows[new] = self.rows.pop(key)
        pairs = zip(self.key, self._spelled_key(new), strict=True)
        return self._update([f"{_quoted(name)} = {value}" for (name, _), value in pairs], key)

    def delete(self, chance: random.Random) -> str:
        if not self.rows:
            return ""
        key = chance.choice([*self.rows])
        del self.rows[key]
        return f"DELETE FROM {self.quoted} WHERE {self._where(key)}"

    def truncate(self) -> str:
        self.rows.clear()
        return f"TRUNCATE {self.quoted}"

    def _update(self, sets: Sequence[str], key: Key) -> str:
        changed = f"{_quoted(CHANGED_AT)} = now()"
        return f"UPDATE {self.quoted} SET {', '.join([*sets, changed])} WHERE {self._where(key)}"

    def _where(self, key: Key) -> str:
        pairs = zip(self.key, self._spelled_key(key), strict=True)
        return " AND ".join(
            f"{_quoted(name)} = ({value})::{kind.type}" for (name, kind), value in pairs
        )

    def _new_key(self, chance: random.Random) -> Key:
        # A small range for all parts but the last: composite keys share their beginnings.
        return (*(chance.randrange(1, 4) for _ in self.key[1:]), next(self.numbers))

    def _new_values(self, chance: random.Random) -> Values:
        return tuple(chance.choice([None, *range(len(kind.values))]) for _, kind in self.values)

    def _spelled_key(self, key: Key) -> list[str]:
        return [kind.spelled(n) for n, (_, kind) in zip(key, self.key, strict=True)]

    def _spelled_values(self, values: Values) -> list[str]:
        return [
            "NULL" if n is None else f"({[*kind.values][n]})::{kind.name}"
            for n, (_, kind) in zip(values, self.values, strict=True)
        ]


def _quoted(name: str) -> str:
    return sql.Identifier(name).as_string()


@st.composite
def tables(draw: st.DrawFn) -> list[Table]:
    """One to three tables under different names, with different columns of all types."""
    names = draw(st.lists(st.sampled_from(NAMES), min_size=1, max_size=3, unique=True))
    return [draw(_table(name)) for name in names]


@st.composite
def _table(draw: st.DrawFn, name: str) -> Table:
    columns = draw(st.permutations(NAMES))
    keys = draw(st.lists(st.sampled_from(KEYS), min_size=1, max_size=2))
    kinds = draw(st.lists(st.sampled_from(POSTGRES), min_size=1, max_size=8))
    return Table(
        draw(st.sampled_from(SCHEMAS)),
        name,
        tuple(zip(columns, keys, strict=False)),
        tuple(zip(columns[len(keys) :], kinds, strict=False)),
    )
