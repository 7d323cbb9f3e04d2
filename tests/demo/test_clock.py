from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from turnout.demo.clock import history_start, local_day, local_time, midnight, settle
from turnout.demo.places import EVERYWHERE, Place

days = st.dates(date(2024, 1, 1), date(2032, 12, 31))


@given(days)
def test_the_history_is_sixty_days_and_holds_the_whole_of_last_month_in_every_zone(
    today: date,
) -> None:
    start = history_start(today)
    assert timedelta(days=60) <= midnight(today) - start <= timedelta(days=63)
    yesterday = today - timedelta(days=1)
    last_month = (yesterday.replace(day=1) - timedelta(days=1)).replace(day=1)
    assert start <= midnight(last_month) - timedelta(hours=14)


@given(days, st.floats(0, 23.999), st.sampled_from(EVERYWHERE))
def test_a_local_hour_is_on_that_local_day(day: date, hour: float, place: Place) -> None:
    # A clock change may skip the hour, never the day.
    assert local_day(local_time(day, hour, place), place) == day


@given(days, st.integers(0, 86399))
def test_a_settled_time_stays_on_its_day_everywhere_when_corrected_by_a_slow_request(
    day: date, second: int
) -> None:
    at = settle(midnight(day) + timedelta(seconds=second))
    for place in EVERYWHERE:
        assert local_day(at, place) == local_day(at + timedelta(seconds=59), place)


@pytest.mark.parametrize(("minute", "settled"), [(13, 13), (14, 13), (15, 15), (59, 58)])
def test_only_the_last_minute_of_a_quarter_is_moved(minute: int, settled: int) -> None:
    assert settle(datetime(2026, 1, 1, 8, minute, tzinfo=UTC)).minute == settled
