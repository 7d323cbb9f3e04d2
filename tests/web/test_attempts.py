from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from turnout.errors import TooManyAttempts
from turnout.web.attempts import PLACES_MAX, Attempts

NOW = datetime(2026, 3, 4, 12, 3, tzinfo=UTC)


def test_ten_failures_in_a_minute_close_one_place_for_a_while() -> None:
    attempts = Attempts()
    for second in range(10):
        attempts.check("alice", now=NOW + timedelta(seconds=second))
        attempts.fail("alice", now=NOW + timedelta(seconds=second))
    with pytest.raises(TooManyAttempts):
        attempts.check("alice", now=NOW + timedelta(seconds=59))
    attempts.check("bob", now=NOW + timedelta(seconds=59))
    attempts.check("alice", now=NOW + timedelta(seconds=60))


def test_a_flood_of_places_keeps_memory_bounded() -> None:
    attempts = Attempts()
    for number in range(PLACES_MAX + 100):
        attempts.fail(str(number), now=NOW)
    assert len(attempts._failures) == PLACES_MAX
