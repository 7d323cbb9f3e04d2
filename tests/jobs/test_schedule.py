"""When a source is copied next: at its regular times, and sooner after it was away."""

from datetime import UTC, datetime, timedelta

import pytest

from turnout.config import Source
from turnout.jobs.schedule import Schedule

NOON = datetime(2026, 11, 1, 12, tzinfo=UTC)
URL = "postgresql://turnout@db/app"


def test_every_n_seconds_counts_from_the_end_of_the_last_copy() -> None:
    assert Schedule(Source(URL, every_s=90)).after(NOON) == NOON + timedelta(seconds=90)


@pytest.mark.parametrize(
    ("cron", "zone", "next_at"),
    [
        ("0 3 * * *", "UTC", datetime(2026, 11, 2, 3, tzinfo=UTC)),
        ("0 3 * * *", "Europe/Vienna", datetime(2026, 11, 2, 2, tzinfo=UTC)),
        ("*/15 * * * *", "Asia/Kathmandu", datetime(2026, 11, 1, 12, 15, tzinfo=UTC)),
        ("0 9 * * MON", "America/New_York", datetime(2026, 11, 2, 14, tzinfo=UTC)),
    ],
)
def test_cron_is_read_in_its_time_zone(cron: str, zone: str, next_at: datetime) -> None:
    assert Schedule(Source(URL, cron=cron, time_zone=zone)).after(NOON) == next_at


def test_a_night_without_that_hour_has_its_copy_all_the_same() -> None:
    """Clocks in Vienna went from 2:00 to 3:00."""
    schedule = Schedule(Source(URL, cron="30 2 * * *", time_zone="Europe/Vienna"))
    assert schedule.after(datetime(2026, 3, 28, 12, tzinfo=UTC)).date().isoformat() == "2026-03-29"


def test_a_source_that_was_away_is_tried_again_sooner_then_at_its_regular_time() -> None:
    schedule = Schedule(Source(URL, every_s=3600, retries=2, retry_after_s=30))
    pauses = [(schedule.again(NOON, tries) - NOON).total_seconds() for tries in (1, 2, 3)]
    assert pauses == [30, 60, 3600]


def test_no_try_is_later_than_the_regular_time() -> None:
    schedule = Schedule(Source(URL, every_s=15, retries=10, retry_after_s=30))
    assert schedule.again(NOON, 8) == NOON + timedelta(seconds=15)
