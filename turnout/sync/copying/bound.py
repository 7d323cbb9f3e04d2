"""Where a copy by cursor begins to read: early enough that no row is missed.

A row's cursor is taken when its transaction begins, and the row is seen when it ends. What was
still open while we read may therefore turn up later with an earlier cursor.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Context, Decimal, InvalidOperation

from turnout.config import TableSelection
from turnout.errors import ConfigError
from turnout.sync.source import Instant
from turnout.warehouse import Column, Type

TIMES = (Type.TIME, Type.DATE)
# Rounded up, a bound would leave rows out; no number of a database has so many digits.
EXACT = Context(prec=1_000)


def reached(column: Column, largest: str | None, instant: Instant) -> str | None:
    """The cursor up to which everything was seen, where `largest` is the largest in the table.

    None when no row has one: then there is nothing to go on from.
    """
    if largest is None or column.type not in TIMES:
        return largest
    seen = _time(largest)
    if seen is None:
        return None
    # A row of the future must not keep out those that come before it.
    earliest = min(seen, instant.now)
    if instant.oldest_open is not None:
        open_for_s = max(0.0, (instant.now - instant.oldest_open).total_seconds())
        # A time without a zone may be that of any place: what is open is as much older there.
        has_zone = not _is_date(largest) and datetime.fromisoformat(largest).tzinfo is not None
        earliest = min(
            earliest, instant.oldest_open if has_zone else _earlier(earliest, open_for_s)
        )
    return largest if earliest == seen else _text(earliest, like=largest)


def bound(column: Column, cursor: str, settings: TableSelection) -> str:
    """Where to read from, when everything up to `cursor` was seen: that, less the lag.

    Raises `ConfigError` when the cursor is neither a time nor a number.
    """
    if column.type in TIMES:
        seen = _time(cursor)
        if seen is not None:
            return _text(_earlier(seen, settings.lag_s), like=cursor)
    try:
        return str(EXACT.subtract(Decimal(cursor), Decimal(settings.lag_rows)))
    except InvalidOperation:
        raise ConfigError(
            f"The cursor '{column.name}' is neither a time nor a number.",
            hint="Name another column in 'cursor', or choose another mode.",
        ) from None


def _earlier(seen: datetime, lag_s: float) -> datetime:
    try:
        return seen - timedelta(seconds=lag_s)
    except OverflowError:
        return datetime.min.replace(tzinfo=UTC)


def _time(text: str) -> datetime | None:
    """The instant that `text` says; UTC where it says no zone."""
    try:
        instant = datetime.fromisoformat(text)
    except ValueError:
        return None
    return instant.replace(tzinfo=UTC) if instant.tzinfo is None else instant.astimezone(UTC)


def _text(instant: datetime, *, like: str) -> str:
    """As `like` was written: a date, or a time with its zone or without."""
    if _is_date(like):
        return instant.date().isoformat()
    if datetime.fromisoformat(like).tzinfo is None:
        instant = instant.replace(tzinfo=None)
    return instant.isoformat(" ", "microseconds")


def _is_date(text: str) -> bool:
    try:
        date.fromisoformat(text)
    except ValueError:
        return False
    return True
