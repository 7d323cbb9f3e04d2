"""Which type of column holds every value of another."""

from __future__ import annotations

from dataclasses import replace

from turnout.warehouse import Column, Type

# The digits of a 64-bit integer.
INTEGER_DIGITS = 19
# A type, and those that hold all its values; decimals are looked at one by one, text holds all.
WIDER = {
    Type.INTEGER: {Type.FLOAT},
    Type.DATE: {Type.TIME},
}


def widens(before: Column, now: Column) -> bool:
    """Whether `now` holds every value of `before`; so does the same type."""
    if before.type is now.type:
        return before.type is not Type.DECIMAL or _holds(before, now)
    if before.type is Type.INTEGER and now.type is Type.DECIMAL:
        return now.precision - now.scale >= INTEGER_DIGITS
    return now.type is Type.TEXT or now.type in WIDER.get(before.type, ())


def common(before: Column, now: Column) -> Column:
    """A column that holds the values of both: one of them, or text."""
    if widens(before, now):
        return now
    if widens(now, before):
        return before
    return replace(now, type=Type.TEXT, precision=38, scale=0)


def _holds(before: Column, now: Column) -> bool:
    """Of decimals: as many digits on either side of the point."""
    return (
        now.scale >= before.scale and now.precision - now.scale >= before.precision - before.scale
    )
