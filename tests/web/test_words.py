from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from turnout.web import words

NOW = datetime(2026, 3, 4, 12, 3, tzinfo=UTC)


@pytest.mark.parametrize(
    ("milliseconds", "said"),
    [(0, "0 ms"), (12, "12 ms"), (420, "0.4 s"), (34_000, "34 s"), (1_200_000, "1,200 s")],
)
def test_a_duration_has_the_digits_that_matter(milliseconds: int, said: str) -> None:
    assert words.duration(milliseconds) == said


@pytest.mark.parametrize(
    ("age_s", "said"),
    [
        (-5, "0 s ago"),
        (34, "34 s ago"),
        (180, "3 min ago"),
        (7_100, "118 min ago"),
        (7_300, "2 h ago"),
        (200_000, "2 days ago"),
    ],
)
def test_an_age_is_said_in_one_unit(age_s: int, said: str) -> None:
    assert words.ago(NOW - timedelta(seconds=age_s), NOW) == said


@pytest.mark.parametrize(
    ("moment", "said"),
    [
        (datetime(2026, 3, 4, 0, 5, tzinfo=UTC), "00:05"),
        (datetime(2026, 3, 3, 23, 5, tzinfo=UTC), "3 Mar 23:05"),
        (datetime(2025, 3, 4, 12, 3, tzinfo=UTC), "4 Mar 2025 12:03"),
    ],
)
def test_a_time_names_its_day_when_it_is_not_today(moment: datetime, said: str) -> None:
    assert words.clock(moment, NOW) == said
