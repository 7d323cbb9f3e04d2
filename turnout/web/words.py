"""How times, ages and counts are said on a page."""

from __future__ import annotations

from datetime import UTC, datetime

MINUTE_S = 60
HOUR_S = 3_600
DAY_S = 86_400


def count(number: int) -> str:
    """1204331 → '1,204,331'."""
    return f"{number:,}"


def duration(milliseconds: int) -> str:
    """420 → '0.4 s', 34000 → '34 s', 12 → '12 ms'."""
    if milliseconds < 100:  # noqa: PLR2004  below a tenth of a second, tenths say nothing
        return f"{milliseconds} ms"
    seconds = milliseconds / 1000
    return f"{seconds:.1f} s" if seconds < 10 else f"{seconds:,.0f} s"  # noqa: PLR2004


def ago(moment: datetime, now: datetime) -> str:
    """How old something is, in the one unit that matters: '3 min ago'."""
    age_s = max(0, int((now - moment).total_seconds()))
    if age_s < MINUTE_S:
        return f"{age_s} s ago"
    if age_s < 2 * HOUR_S:
        return f"{age_s // MINUTE_S} min ago"
    if age_s < 2 * DAY_S:
        return f"{age_s // HOUR_S} h ago"
    return f"{age_s // DAY_S} days ago"


def until(moment: datetime, now: datetime) -> str:
    """How far off something is, in the one unit that matters: 'in 3 min'."""
    left_s = max(0, int((moment - now).total_seconds()))
    if left_s < 2 * MINUTE_S:
        return f"in {left_s} s"
    if left_s < 2 * HOUR_S:
        return f"in {left_s // MINUTE_S} min"
    if left_s < 2 * DAY_S:
        return f"in {left_s // HOUR_S} h"
    return f"in {left_s // DAY_S} days"


def second(moment: datetime, now: datetime) -> str:
    """'12:03:09' today, '20 Nov 12:03:09' on other days; always in UTC."""
    moment = moment.astimezone(UTC)
    if moment.date() == now.astimezone(UTC).date():
        return f"{moment:%H:%M:%S}"
    return f"{moment.day} {moment:%b %H:%M:%S}"


def share(part: int, whole: int) -> str:
    """How much of `whole` it is, never rounded to all or nothing: '99.9 %', '< 0.1 %'."""
    if not whole or not part:
        return "0 %"
    if part >= whole:
        return "100 %"
    percent = 100 * part / whole
    if percent < 0.1:  # noqa: PLR2004  the smallest that is said
        return "< 0.1 %"
    return f"{min(percent, 99.9):.1f} %".replace(".0 %", " %")


def clock(moment: datetime, now: datetime) -> str:
    """'12:03' today, '20 Nov 12:03' in this year, with the year before; always in UTC."""
    moment, now = moment.astimezone(UTC), now.astimezone(UTC)
    if moment.date() == now.date():
        return f"{moment:%H:%M}"
    if moment.year == now.year:
        return f"{moment.day} {moment:%b %H:%M}"
    return f"{moment.day} {moment:%b %Y %H:%M}"
