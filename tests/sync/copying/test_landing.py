from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from turnout.config import TableSelection
from turnout.errors import SourceUnavailable
from turnout.sync.copying import landing
from turnout.sync.privacy.passage import Passage
from turnout.sync.selection import SelectedTable
from turnout.warehouse import Column, Table, Type, Warehouse

SCHEMA = pa.schema([("n", pa.int64())])
TABLE = Table("userdata", "_staging_numbers", (Column("n", Type.INTEGER),))


class Rows:
    """Numbers from 0 on in batches of these sizes, and then what `ends` raises."""

    schema = SCHEMA

    def __init__(self, sizes: list[int], ends: BaseException | None = None) -> None:
        self.lost = {"n": 1}
        self._sizes = sizes
        self._ends = ends

    def __iter__(self) -> Iterator[pa.RecordBatch]:
        first = 0
        for size in self._sizes:
            numbers = pa.array(range(first, first + size), pa.int64())
            yield pa.RecordBatch.from_arrays([numbers], schema=SCHEMA)
            first += size
        if self._ends is not None:
            raise self._ends


def land(warehouse: Warehouse, rows: Rows, told: Any = lambda _: None) -> landing.Landed:
    selected = SelectedTable("public", "numbers", ("n",), TableSelection(["n"]))
    passage = Passage(selected, TABLE.columns, b"s" * 32, None)
    return landing.land(warehouse, rows, passage, TABLE, told)


def held(warehouse: Warehouse) -> list[int]:
    return [
        int(n) for n in warehouse.query("SELECT n FROM userdata._staging_numbers")["n"].to_pylist()
    ]


@given(sizes=st.lists(st.integers(0, 25), max_size=20), bytes_max=st.integers(1, 400))
def test_writes_hold_every_row_once_in_order_and_whole_groups(
    sizes: list[int], bytes_max: int
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(landing, "GROUP_ROWS", 10)
        patch.setattr(landing, "WRITE_BYTES", bytes_max)
        writes = [list(write) for write in landing._writes(iter(Rows(sizes)))]
    groups = [group for write in writes for group in write]
    assert [n for group in groups for n in group.column(0).to_pylist()] == list(range(sum(sizes)))
    assert all(0 < group.num_rows <= 10 for group in groups)
    assert all(0 < len(write) <= landing.WRITE_GROUPS for write in writes)
    if bytes_max >= 10 * 8 + 25 * 8:
        assert all(group.num_rows == 10 for group in groups[:-1])


def test_what_has_landed_is_counted(warehouse: Warehouse) -> None:
    told: list[int] = []
    landed = land(warehouse, Rows([3, 0, 4]), told.append)
    assert (landed.rows, landed.bytes, landed.lost) == (7, 56, {"n": 1})
    assert told == [3, 3, 7]
    assert held(warehouse) == list(range(7))


def test_no_rows_are_a_table_all_the_same(warehouse: Warehouse) -> None:
    land(warehouse, Rows([]))
    assert held(warehouse) == []


def test_an_error_of_the_source_is_raised_as_it_is(warehouse: Warehouse) -> None:
    with pytest.raises(SourceUnavailable, match="gone"):
        land(warehouse, Rows([200_000, 200_000], SourceUnavailable("gone")))
