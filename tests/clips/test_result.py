from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from turnout.clips.result import open_rows


def test_rows_are_paged_over_batches(make_result: Any) -> None:
    result = make_result(("n", "integer", pa.array(range(7))))
    assert result.rows(3, 1) == [[1], [2], [3]]
    assert result.rows(10, 5) == [[5], [6]]
    assert result.rows(10, 7) == []
    assert result.rows(0) == []


def test_values_are_what_pages_can_show(make_result: Any) -> None:
    result = make_result(
        ("at", "time", pa.array([datetime(2026, 3, 2)], pa.timestamp("us"))),  # noqa: DTZ001
        ("big", "integer", pa.array([Decimal(2**80)], pa.decimal128(38, 0))),
        ("text", "integer", pa.array([str(2**127)])),
        ("far", "date", pa.array([2_932_906], pa.date32())),
        ("day", "date", pa.array([date(2026, 3, 2)])),
    )
    assert result.rows(1) == [
        [datetime(2026, 3, 2, tzinfo=UTC), 2**80, 2**127, "10000-01-10", date(2026, 3, 2)]
    ]


def test_a_result_outlives_its_file(make_result: Any, tmp_path: Path) -> None:
    result = make_result(("n", "integer", pa.array([1, 2, 3])))
    for path in tmp_path.glob("*.arrow"):
        path.unlink()
    assert result.rows(5) == [[1], [2], [3]]


def test_a_torn_file_is_no_result(tmp_path: Path) -> None:
    path = tmp_path / "torn.arrow"
    path.write_bytes(b"ARROW1\0\0 and then nothing")
    with pytest.raises(pa.ArrowInvalid):
        open_rows(path)
