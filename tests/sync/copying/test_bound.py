from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from turnout.config import TableSelection
from turnout.errors import ConfigError
from turnout.sync.copying.bound import bound, reached
from turnout.sync.source import Instant
from turnout.warehouse import Column, Type

TIME, DATE, NUMBER = Column("at", Type.TIME), Column("on", Type.DATE), Column("n", Type.INTEGER)
NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)


def settings(**lag: float) -> TableSelection:
    return TableSelection(["at"], **lag)  # type: ignore[arg-type]


def instant(oldest_open: datetime | None = None) -> Instant:
    return Instant("server", "0/0", NOW, oldest_open)


def test_the_largest_cursor_is_reached_when_nothing_else_is_open() -> None:
    text = "2026-06-01 11:00:00.000001+00"
    assert reached(TIME, text, instant()) == text


def test_a_cursor_of_the_future_is_reached_only_up_to_now() -> None:
    said = reached(TIME, "2999-01-01 00:00:00+00", instant())
    assert said == "2026-06-01 12:00:00.000000+00:00"


def test_what_was_open_holds_the_cursor_back() -> None:
    said = reached(TIME, "2026-06-01 11:59:00+00", instant(NOW - timedelta(hours=2)))
    assert said == "2026-06-01 10:00:00.000000+00:00"


@pytest.mark.parametrize("hours", [-12, -5, 0, 1, 14])
def test_what_was_open_holds_a_time_of_any_place_back(hours: int) -> None:
    place = timedelta(hours=hours)
    open_since = NOW - timedelta(minutes=30)
    largest = (NOW + place - timedelta(minutes=10)).replace(tzinfo=None)
    said = reached(TIME, str(largest), instant(open_since))
    assert said is not None
    assert datetime.fromisoformat(said) <= (open_since + place).replace(tzinfo=None)


def test_a_date_stays_a_date() -> None:
    assert reached(DATE, "2999-01-01", instant()) == "2026-06-01"
    assert bound(DATE, "2026-06-01", settings(lag_s=300)) == "2026-05-31"


def test_nothing_is_reached_where_no_row_has_a_cursor() -> None:
    assert reached(TIME, None, instant()) is None


def test_a_number_is_reached_as_it_is_and_read_again_by_rows() -> None:
    assert reached(NUMBER, "12345678901234567890", instant()) == "12345678901234567890"
    assert bound(NUMBER, "100", settings(lag_rows=30)) == "70"
    assert bound(NUMBER, "9" * 38, settings(lag_rows=9)) == "9" * 37 + "0"


def test_a_zone_is_kept_and_so_is_its_absence() -> None:
    assert bound(TIME, "2026-06-01 12:00:00+02", settings(lag_s=60)) == (
        "2026-06-01 09:59:00.000000+00:00"
    )
    assert bound(TIME, "2026-06-01 12:00:00", settings(lag_s=0)) == "2026-06-01 12:00:00.000000"


def test_the_first_years_are_no_further_back_than_time_begins() -> None:
    assert bound(TIME, "0001-01-01 00:00:00+00", settings(lag_s=1e9)).startswith("0001-01-01")


def test_what_is_neither_a_time_nor_a_number_is_refused() -> None:
    with pytest.raises(ConfigError, match="'at' is neither a time nor a number"):
        bound(Column("at", Type.TEXT), "zebra", settings())


@given(
    largest=st.datetimes(min_value=datetime(2000, 1, 1), max_value=datetime(2100, 1, 1)),  # noqa: DTZ001
    open_for_s=st.none() | st.floats(0, 1e7),
    lag_s=st.floats(0, 1e7),
)
def test_the_bound_is_never_after_anything_that_may_still_come(
    largest: datetime, open_for_s: float | None, lag_s: float
) -> None:
    oldest = None if open_for_s is None else NOW - timedelta(seconds=open_for_s)
    said = reached(TIME, f"{largest.isoformat(' ')}+00:00", instant(oldest))
    assert said is not None
    begins = datetime.fromisoformat(bound(TIME, said, settings(lag_s=lag_s)))
    lag = timedelta(seconds=lag_s)
    assert begins <= largest.replace(tzinfo=UTC) - lag
    assert begins <= (oldest or NOW) - lag
