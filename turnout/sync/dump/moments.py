"""Timestamps as PostgreSQL writes them, made into UTC microseconds.

Nearly all have four digits of a year and an offset of whole minutes, and are read all at once.
The others (±infinity, BC, far years, offsets from before there were time zones) are few and are
read one by one.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

import pyarrow as pa
import pyarrow.compute as pc

USUAL = r"^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(\.\d{1,6})?"
USUAL_ZONE = r"[+-]\d\d(:?\d\d)?$"
ODD = re.compile(
    r"(?P<year>\d{4,})(?P<day>-\d\d-\d\d) (?P<clock>[\d:]+)(?P<part>\.\d+)?(?P<zone>[+-][\d:]+)?"
)
MICROSECOND = timedelta(microseconds=1)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
# The calendar repeats itself after so many years, in which there are so many microseconds.
CYCLE_YEARS = 400
CYCLE_US = 146_097 * 86_400_000_000
# 0001-01-01, and what 64 bits no longer hold (294247-01-10).
FIRST_US = (datetime(1, 1, 1, tzinfo=UTC) - EPOCH) // MICROSECOND
END_US = 9_223_372_022_400_000_000


def moments(texts: pa.Array, *, zoned: bool) -> pa.Array:
    """Timestamps without a zone, in UTC; NULL for what 64 bits of microseconds cannot hold."""
    is_usual = pc.match_substring_regex(texts, USUAL + (USUAL_ZONE if zoned else "$"))
    usual = pc.if_else(is_usual, texts, pa.scalar(None, texts.type))
    type_ = pa.timestamp("us", "UTC" if zoned else None)
    read = pc.cast(usual, type_).cast(pa.int64())
    odd_places = pc.indices_nonzero(pc.invert(pc.fill_null(is_usual, True)))
    if len(odd_places):
        odd = pa.array(map(_odd, texts.take(odd_places).to_pylist()), pa.int64())
        read = pc.replace_with_mask(read, pc.invert(pc.fill_null(is_usual, True)), odd)
    kept = pc.and_(pc.greater_equal(read, FIRST_US), pc.less(read, END_US))
    return pc.if_else(kept, read, pa.scalar(None, pa.int64())).cast(pa.timestamp("us"))


def _odd(text: str) -> int | None:
    """One timestamp in microseconds since 1970; None where there is no such number."""
    match = ODD.fullmatch(text)
    if match is None:
        return None
    year = int(match["year"])
    cycles = max(0, (year - 2000) // CYCLE_YEARS)
    part = (match["part"] or ".0").ljust(7, "0")
    there = f"{year - cycles * CYCLE_YEARS:04}{match['day']} {match['clock']}{part}"
    # Subtracted by hand: in the year 1 an offset may lead out of Python's calendar.
    at = (datetime.fromisoformat(f"{there}+00:00") - EPOCH) // MICROSECOND
    us = at - _offset_us(match["zone"]) + cycles * CYCLE_US
    return us if FIRST_US <= us < END_US else None


def _offset_us(zone: str | None) -> int:
    if zone is None:
        return 0
    hours, minutes, seconds = (*map(int, zone[1:].split(":")), 0, 0)[:3]
    us = ((hours * 60 + minutes) * 60 + seconds) * 1_000_000
    return -us if zone.startswith("-") else us
