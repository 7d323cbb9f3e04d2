"""Days and clocks of the pretend company."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta

from turnout.demo.places import Place

HISTORY_DAYS = 60


def midnight(day: date) -> datetime:
    """The UTC instant at which `day` begins."""
    return datetime.combine(day, time(), UTC)


def history_start(today: date) -> datetime:
    """Sixty days before `today`, or earlier where the whole of last month began earlier.

    "Last month" is the month before yesterday's; the further day is for zones ahead of UTC.
    """
    this_month = (today - timedelta(days=1)).replace(day=1)
    last_month = (this_month - timedelta(days=1)).replace(day=1)
    return midnight(min(today - timedelta(days=HISTORY_DAYS), last_month - timedelta(days=1)))


def settle(at: datetime) -> datetime:
    """`at` in whole seconds, moved out of the last minute of a quarter of an hour.

    Somewhere in the world that minute ends a day. A collector that corrects a device's clock may
    move an event by the seconds its request took; this keeps it on its day for everybody.
    """
    at = at.replace(microsecond=0)
    return at - timedelta(minutes=1) if at.minute % 15 == 14 else at  # noqa: PLR2004


def local_time(day: date, hour: float, place: Place) -> datetime:
    """That hour of the day (9.5 = half past nine) on the clocks of `place`, as settled UTC."""
    seconds = min(max(int(hour * 3600), 0), 86399)
    clock = time(seconds // 3600, seconds // 60 % 60, seconds % 60, tzinfo=place.zone)
    return settle(datetime.combine(day, clock).astimezone(UTC))


def local_day(at: datetime, place: Place) -> date:
    """The date on the clocks of `place` at that instant."""
    return at.astimezone(place.zone).date()
