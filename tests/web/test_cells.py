from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from html.parser import HTMLParser
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from turnout.web.cells import number_columns, table_head, table_rows, text


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (True, "true"),
        (12345678, "12345678"),
        (0.1 + 0.2, "0.3"),
        (Decimal("1.50"), "1.50"),
        (datetime(2026, 3, 4, 12, 3, 5, 999, tzinfo=UTC), "2026-03-04 12:03:05"),
        (date(2026, 3, 4), "2026-03-04"),
        (b"\x00\xff", "00 ff"),
        ({"plan": "pro", "since": date(2026, 1, 1)}, '{"plan": "pro", "since": "2026-01-01"}'),
        (float("nan"), "nan"),
    ],
)
def test_values_are_shown_as_people_read_them(value: Any, shown: str) -> None:
    assert text(value) == shown


def test_numbers_stand_right_and_null_is_a_faint_dash() -> None:
    rows: list[list[object]] = [[None, "Acme", None], [3, None, "x"]]
    numbers = number_columns(rows, 3)
    assert numbers == [True, False, False]
    html = table_rows(rows, numbers)
    assert '<td class="null number"><span title="NULL">–</span></td><td>Acme</td>' in html
    assert '<td class="number">3</td><td class="null">' in html


def test_yes_and_no_are_not_numbers() -> None:
    assert number_columns([[True]], 1) == [False]


def test_a_long_text_is_folded_and_a_giant_one_cut() -> None:
    html = table_rows([["x" * 200_000]], [False])
    assert f"<summary>{'x' * 120}…</summary>" in html
    assert len(html) < 70_000


@given(st.lists(st.text(), min_size=1, max_size=4))
def test_whatever_a_cell_holds_only_our_own_tags_come_out(values: list[str]) -> None:
    tags: list[str] = []

    class Tags(HTMLParser):
        def handle_starttag(self, tag: str, attrs: Any) -> None:
            tags.append(tag)

    flags = [False] * len(values)
    Tags().feed(f"<table>{table_head(values, flags)}{table_rows([values], flags)}</table>")
    assert set(tags) <= {"table", "tr", "th", "td", "details", "summary"}
