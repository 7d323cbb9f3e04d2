"""A limit on guessing: so many failures from one place in a minute, then a pause."""

from __future__ import annotations

from collections import OrderedDict, deque
from datetime import datetime, timedelta

from turnout.errors import TooManyAttempts

FAILURES_MAX = 10
WITHIN = timedelta(minutes=1)
PLACES_MAX = 10_000


class Attempts:
    """Recent failures by place; a place is whatever text tells guessers apart."""

    def __init__(self) -> None:
        self._failures: OrderedDict[str, deque[datetime]] = OrderedDict()

    def check(self, place: str, *, now: datetime) -> None:
        """Raises `TooManyAttempts` when this place has failed too often."""
        failures = self._failures.get(place, deque())
        while failures and now - failures[0] >= WITHIN:
            failures.popleft()
        if len(failures) >= FAILURES_MAX:
            raise TooManyAttempts

    def fail(self, place: str, *, now: datetime) -> None:
        """Remember a failure. The places heard of longest ago make room for new ones."""
        self._failures.setdefault(place, deque(maxlen=FAILURES_MAX)).append(now)
        self._failures.move_to_end(place)
        while len(self._failures) > PLACES_MAX:
            self._failures.popitem(last=False)
