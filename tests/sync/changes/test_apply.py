"""Changes applied to a copied table leave what the source has, unsent values included."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from turnout.sync.changes.apply import Target, apply
from turnout.warehouse import Column, Table, Type, Warehouse
from turnout.warehouse.duckdb import DuckDB

COPIED = Table(
    "userdata",
    "company",
    (
        Column("region", Type.TEXT),
        Column("id", Type.INTEGER),
        Column("plan", Type.TEXT),
        Column("about", Type.TEXT),
    ),
    ("region", "id"),
)
SCHEMA = pa.schema(
    {
        "_op": pa.int8(),
        "_order": pa.int64(),
        "_at": pa.timestamp("us"),
        "_unchanged": pa.int64(),
        "region": pa.string(),
        "id": pa.int64(),
        "plan": pa.string(),
        "about": pa.string(),
    }
)
PLAN_BIT, ABOUT_BIT = 4, 8
Key = tuple[str, int]

KEYS = st.tuples(st.sampled_from(["eu", "us"]), st.integers(1, 3))
TEXTS = st.sampled_from(["a", "b", None])
STEPS = st.one_of(
    st.tuples(st.just("write"), KEYS, TEXTS, TEXTS),
    st.tuples(st.just("change"), KEYS, TEXTS, st.sampled_from([0, PLAN_BIT, ABOUT_BIT])),
    st.tuples(st.just("move"), KEYS, KEYS, st.sampled_from([0, PLAN_BIT | ABOUT_BIT])),
    st.tuples(st.just("delete"), KEYS),
    st.tuples(st.just("empty")),
    st.tuples(st.just("apply")),
)


@dataclass
class Source:
    """A table that says what happens to it, as a source's log does."""

    rows: dict[Key, tuple[str | None, str | None]] = field(default_factory=dict)
    said: list[dict[str, Any]] = field(default_factory=list)

    def say(
        self, operation: int, key: Key | None, values: Any = (None, None), mask: int = 0
    ) -> None:
        region, number = key or (None, None)
        sent = [
            None if mask & bit else v for v, bit in zip(values, (PLAN_BIT, ABOUT_BIT), strict=True)
        ]
        self.said.append(
            {
                "_op": operation, "_order": len(self.said), "_at": None, "_unchanged": mask,
                "region": region, "id": number, "plan": sent[0], "about": sent[1],
            }
        )  # fmt: skip

    def write(self, key: Key, plan: str | None, about: str | None) -> None:
        self.rows[key] = (plan, about)
        self.say(1, key, self.rows[key])

    def change(self, key: Key, text: str | None, mask: int) -> None:
        if key in self.rows:
            plan, about = self.rows[key]
            self.rows[key] = (
                plan if mask & PLAN_BIT else text, about if mask & ABOUT_BIT else text
            )  # fmt: skip
            self.say(1, key, self.rows[key], mask)

    def move(self, key: Key, to: Key, mask: int) -> None:
        if key in self.rows and to not in self.rows:
            self.rows[to] = self.rows.pop(key)
            self.say(4, key)
            self.say(1, to, self.rows[to], mask)

    def delete(self, key: Key) -> None:
        if self.rows.pop(key, None) is not None:
            self.say(2, key)

    def empty(self) -> None:
        self.rows = {}
        self.say(3, None)

    def taken(self) -> pa.Table:
        said, self.said = self.said, []
        return pa.Table.from_pylist(said, SCHEMA)


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Warehouse]:
    path: Path = tmp_path_factory.mktemp("warehouse") / "warehouse.duckdb"
    warehouse = DuckDB(path, memory_bytes_max=2**28, threads=1)
    yield warehouse
    warehouse.close()


@settings(max_examples=60, deadline=None)
@given(st.lists(STEPS, max_size=25))
def test_the_copy_follows_whatever_happens(shared: Warehouse, steps: list[Any]) -> None:
    source = Source()
    with shared.transaction() as transaction:
        transaction.replace(COPIED, pa.Table.from_pylist([], SCHEMA).select([4, 5, 6, 7]))
    for word, *values in [*steps, ("apply",)]:
        if word != "apply":
            getattr(source, word)(*values)
            continue
        follow(shared, source)


def follow(warehouse: Warehouse, source: Source) -> None:
    rows = source.taken()
    if rows.num_rows:
        with warehouse.transaction() as transaction:
            assert apply(transaction, Target(warehouse.dialect, COPIED, None), rows) is not None
    found = warehouse.query("SELECT * FROM userdata.company").to_pylist()
    here = {(row["region"], row["id"]): (row["plan"], row["about"]) for row in found}
    assert here == source.rows
    assert len(found) == len(source.rows)


def test_a_value_that_is_nowhere_is_said_and_nothing_is_done(shared: Warehouse) -> None:
    source = Source()
    source.write(("eu", 1), "pro", "long")
    with shared.transaction() as transaction:
        transaction.replace(COPIED, source.taken().select(COPIED_NAMES))
    source.rows["us", 2] = ("pro", "never copied")
    source.change(("eu", 1), "free", ABOUT_BIT)
    source.change(("us", 2), "free", ABOUT_BIT)
    with shared.transaction() as transaction:
        assert apply(transaction, Target(shared.dialect, COPIED, None), source.taken()) is None
    assert shared.query("SELECT plan, about FROM userdata.company").to_pylist() == [
        {"plan": "pro", "about": "long"}
    ]


COPIED_NAMES = [column.name for column in COPIED.columns]
