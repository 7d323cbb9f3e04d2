"""The treatment `bucket`: a date becomes its month, a number the lower bound of its band."""

from __future__ import annotations

import re
from collections.abc import Callable
from decimal import Decimal, InvalidOperation, localcontext
from functools import partial

import pyarrow as pa
import pyarrow.compute as pc

from turnout.sync.privacy.keyed import each_distinct
from turnout.sync.privacy.text import text_of

PERIODS = ("day", "month", "year")
# An ISO date at the beginning of a text, with or without a time after it.
DATE = re.compile(r"(\d{4,})-(\d\d)-(\d\d)(?:[T ].*)?", re.DOTALL)
# Decimals have up to 38 digits, and bands none that matter after as many again.
DIGITS = 80
DECIMAL_DIGITS_MAX = 38
INT64_MIN = -(2**63)

Change = Callable[[pa.Array], pa.Array]


def to_period(period: str) -> Change:
    """Dates and times, in UTC, to the first day of their period: `date32`."""
    return partial(_to_period, period)


def to_band(size: Decimal) -> Change:
    """Whole numbers to the lower bound of their band: `int64`."""
    return partial(_whole_to_band, int(size))


def float_to_band(size: Decimal) -> Change:
    """Floating numbers to the lower bound of their band: `float64`. NaN and infinity stay."""
    return partial(_float_to_band, float(size))


def decimal_to_band(size: Decimal) -> Change:
    """Decimals to the lower bound of their band, exactly: text."""
    return partial(_decimal_to_band, size)


def _to_period(period: str, values: pa.Array) -> pa.Array:
    if pa.types.is_temporal(values.type):
        return pc.cast(pc.floor_temporal(values, unit=period), pa.date32())
    return pc.cast(each_distinct(text_of(values), partial(_first_day, period)), pa.date32())


def _first_day(period: str, text: str) -> str | None:
    """A text that is no date says nothing of a period, and never passes as it is."""
    match = DATE.fullmatch(text)
    if match is None:
        return None
    year, month, day = match.groups()
    return f"{year}-{month if period != 'year' else '01'}-{day if period == 'day' else '01'}"


def _whole_to_band(size: int, values: pa.Array) -> pa.Array:
    whole = pc.cast(values, pa.int64())
    rest = pc.subtract(whole, pc.multiply(pc.divide(whole, size), size))
    # Division goes towards zero, a band's lower bound does not.
    rest = pc.if_else(pc.less(rest, 0), pc.add(rest, size), rest)
    lower = pc.subtract(whole, rest)
    return pc.if_else(pc.greater(lower, whole), pa.scalar(INT64_MIN), lower)


def _float_to_band(size: float, values: pa.Array) -> pa.Array:
    return pc.multiply(pc.floor(pc.divide(pc.cast(values, pa.float64()), size)), size)


def _decimal_to_band(size: Decimal, values: pa.Array) -> pa.Array:
    return each_distinct(text_of(values), partial(_lower_bound, size))


def _lower_bound(size: Decimal, text: str) -> str | None:
    try:
        value = Decimal(text)
    except InvalidOperation:
        # Whoever catches it says which column; the text stays here.
        raise pa.ArrowInvalid("no number") from None
    if not value.is_finite():  # in no band
        return None
    with localcontext(prec=DIGITS):
        whole, rest = divmod(value, size)
        bound = (whole - 1 if rest < 0 else whole) * size
    return f"{bound:f}" if bound.adjusted() < DECIMAL_DIGITS_MAX + _exponent(size) else None


def _exponent(size: Decimal) -> int:
    """Of its last digit, at most 0: so many digits are behind the point."""
    return min(int(size.as_tuple().exponent), 0)
