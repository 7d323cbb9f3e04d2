"""Days in words: today, last 30 days, this month, 2026-01-01 to 2026-01-31. A day is one in UTC."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date, timedelta

from turnout.errors import BadRequest

DAYS_MAX = 36_600
LAST_DAYS = re.compile(r"last ([0-9]{1,5}) days?")
FROM_TO = re.compile(r"([0-9]{4}-[0-9]{2}-[0-9]{2}) ?(?:to|/|…|\.\.) ?([0-9]{4}-[0-9]{2}-[0-9]{2})")
# What a form offers; any number of days and any two dates work as well.
WORDS = (
    "today",
    "yesterday",
    "last 7 days",
    "last 30 days",
    "last 90 days",
    "this week",
    "last week",
    "this month",
    "last month",
    "this quarter",
    "last quarter",
    "this year",
    "last year",
)


@dataclass(frozen=True, slots=True)
class Period:
    """Whole days, both ends included."""

    first: date
    last: date


def read_period(name: str, text: str, today: date) -> Period:
    """The days that `text` names. Raises `BadRequest` saying what `name` may be."""
    words = " ".join(text.lower().split())
    try:
        period = _read(words, today)
    except (ValueError, OverflowError):
        period = None
    if period is None or period.first > period.last:
        raise BadRequest(
            f"'{name}' must be a range of days, not '{text[:60]}'.",
            hint="Write 'last 30 days', 'this month' or '2026-01-01 to 2026-01-31'.",
        )
    return period


def read_date(name: str, text: str, today: date) -> date:
    """The day that `text` names: a date, today or yesterday. Raises `BadRequest`."""
    words = text.strip().lower()
    if words in ("today", "yesterday"):
        return today - timedelta(days=words == "yesterday")
    try:
        return date.fromisoformat(words) if len(words) == len("2026-01-01") else _no_date()
    except ValueError:
        raise BadRequest(
            f"'{name}' must be a date such as 2026-01-31, not '{text[:60]}'."
        ) from None


def _read(words: str, today: date) -> Period | None:
    last_days = LAST_DAYS.fullmatch(words)
    if last_days and 0 < int(last_days[1]) <= DAYS_MAX:
        # The day that is running counts: 'last 1 day' is today.
        return Period(today - timedelta(days=int(last_days[1]) - 1), today)
    from_to = FROM_TO.fullmatch(words)
    if from_to:
        return Period(date.fromisoformat(from_to[1]), date.fromisoformat(from_to[2]))
    if words in ("today", "yesterday"):
        day = read_date("", words, today)
        return Period(day, day)
    which, _, unit = words.partition(" ")
    if which not in ("this", "last") or unit not in ("week", "month", "quarter", "year"):
        return None
    first = _begin(unit, today)
    if which == "this":
        return Period(first, today)
    last = first - timedelta(days=1)
    return Period(_begin(unit, last), last)


def _begin(unit: str, day: date) -> date:
    """The first day of the week (Monday), month, quarter or year that `day` is in."""
    if unit == "week":
        return day - timedelta(days=day.weekday())
    month = {"month": day.month, "quarter": (day.month - 1) // 3 * 3 + 1, "year": 1}[unit]
    return day.replace(month=month, day=1)


def _no_date() -> date:
    raise ValueError
