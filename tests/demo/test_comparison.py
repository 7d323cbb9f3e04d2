from __future__ import annotations

import json
from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from turnout.demo.comparison import csv_agrees, json_agrees
from turnout.demo.truth import Answer

ANSWER = Answer(
    ("day", "share", "city", "campaign"),
    [
        (date(2026, 3, 1), Decimal("12.0"), "Zürich", None),
        (date(2026, 3, 2), Decimal("7.5"), "Berlin, Mitte", "spring"),
    ],
)
CSV = (
    'day,share,city,campaign\r\n2026-03-01,12,Zürich,\r\n2026-03-02,7.5,"Berlin, Mitte",spring\r\n'
)


def as_json(**changes: Any) -> bytes:
    told = {
        "fields": ["day", "share", "city", "campaign"],
        "values": [
            ["2026-03-01", 12.0, "Zürich", None],
            ["2026-03-02", 7.5, "Berlin, Mitte", "spring"],
        ],
        "row_count": 2,
        "truncated": False,
    }
    return json.dumps(told | changes).encode()


def test_what_agrees_agrees() -> None:
    assert csv_agrees(CSV.encode(), ANSWER)
    assert json_agrees(as_json(), ANSWER)


@pytest.mark.parametrize(
    ("old", "new"),
    [("7.5", "7.6"), ("2026-03-01", "2026-03-03"), ("spring", ""), ("share", "part"), ("12", "13")],
)
def test_one_wrong_cell_does_not(old: str, new: str) -> None:
    assert not csv_agrees(CSV.replace(old, new).encode(), ANSWER)
    assert not json_agrees(as_json().replace(old.encode(), new.encode()), ANSWER)


def test_a_missing_a_doubled_or_a_swapped_row_does_not() -> None:
    header, first, second, _ = CSV.split("\r\n")
    for lines in ([header, first], [header, first, second, second], [header, second, first]):
        assert not csv_agrees("\r\n".join(lines).encode(), ANSWER)


def test_a_cut_answer_does_not() -> None:
    assert not json_agrees(as_json(truncated=True), ANSWER)


def test_without_an_order_rows_may_come_in_any_but_each_as_often_as_expected() -> None:
    answer = Answer(("x",), [("a",), ("b",), ("a",)], is_ordered=False)
    assert csv_agrees(b"x\r\nb\r\na\r\na\r\n", answer)
    assert not csv_agrees(b"x\r\nb\r\nb\r\na\r\n", answer)
