"""Values and column names as people write them."""

from __future__ import annotations

import math
import re
from decimal import Decimal
from typing import Any

PERCENT = re.compile(r"(?:^|[ _])(?:percent(?:age)?|pct)(?:$|[ _])|%", re.IGNORECASE)
# Typographers' signs: an en dash for nothing there, a true minus.
MISSING, MINUS = "\u2013", "\u2212"


def shown(value: Any, field: str) -> str:
    """A value as people read it: thousands apart, no more decimals than tell something.

    The column's name `field` says whether it is a percentage.
    """
    if value is None:
        return MISSING
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
        return str(value)
    number = float(value)
    if not math.isfinite(number):
        return MISSING
    decimals = 1 if abs(number) >= 10 else 2  # noqa: PLR2004 - the smaller, the finer
    is_whole = number == int(number)
    text = f"{int(value):,}" if is_whole else f"{value:,.{decimals}f}".rstrip("0").rstrip(".")
    text = text.replace("-", MINUS)
    return f"{text} %" if is_percent(field) else text


def is_percent(field: str) -> bool:
    """Whether the column's name says that its numbers are percentages."""
    return PERCENT.search(field) is not None


def words(field: str) -> str:
    """A column's name in words, without the unit that stands beside the number."""
    return " ".join(PERCENT.sub(" ", field).replace("_", " ").split())
