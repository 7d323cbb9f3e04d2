"""The warehouse keeps times in UTC without saying so; Python's say it."""

from __future__ import annotations

from datetime import UTC, datetime


def naive(moment: datetime) -> datetime:
    """`moment` as the warehouse compares it."""
    return moment.astimezone(UTC).replace(tzinfo=None)


def utc(moment: datetime) -> datetime:
    """A warehouse's time as an aware one."""
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
