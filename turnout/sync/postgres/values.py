"""Values of a change stream, which are text, as the Arrow columns that a full copy makes of them.

What no warehouse type can hold becomes NULL and is counted, exactly where a full copy does so.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from datetime import date
from decimal import Decimal
from typing import Any, TypeAlias

import pyarrow as pa
import pyarrow.compute as pc

from turnout.errors import SourceRefused
from turnout.sync.postgres.arrays import to_json
from turnout.sync.postgres.names import quoted
from turnout.sync.postgres.types import SourceType, reading
from turnout.warehouse import Column, Type

Turn: TypeAlias = Callable[[pa.Array], pa.Array]

DAY_US = 86_400 * 10**6
# 294247-01-10: the first day of which 64 bits of microseconds do not hold every moment.
TIME_END_DAYS = 106_751_991
YEAR_DIGITS = "^[0-9]{4}-"
LATE = re.compile(r"(\d+)-(\d\d)-(\d\d)(?: (\d\d):(\d\d):(\d\d)(?:\.(\d+))?)?")
# The calendar repeats itself after so many years, which are so many days.
CYCLE_YEARS, CYCLE_DAYS = 400, 146_097
# How each kind of value that has no place here is written.
NO_TIME = "(infinity$)|( BC$)"
NO_NUMBER = "^NaN$"
NO_INTERVAL = "infinity$"


class ColumnValues:
    """How the values of one column are read: `arrow` returns them with how many were lost."""

    def __init__(
        self,
        name: str,
        source: SourceType,
        element: str = "",
        keys: Sequence[str] | None = None,
    ) -> None:
        """`element` is an array's type of element; of JSON only `keys` are kept, or all of it."""
        self.column: Column = reading(name, quoted(name), source).column
        self._lost, self._turn = _way(self.column, source, element, keys)

    def arrow(self, values: Sequence[bytes | None]) -> tuple[pa.Array, int]:
        """Raises `SourceRefused` for text that is no UTF-8, and never says which."""
        try:
            text = pa.array(values, pa.binary()).cast(pa.string())
        except pa.ArrowInvalid:
            raise SourceRefused(
                f"The column '{self.column.name}' holds bytes that are no text in UTF-8.",
                hint="Correct them at the source, or leave the column out.",
            ) from None
        if not self._lost:
            return self._turn(text), 0
        known = pc.if_else(pc.match_substring_regex(text, self._lost), None, text)
        turned = self._turn(known)
        return turned, turned.null_count - text.null_count


def _way(
    column: Column, source: SourceType, element: str, keys: Sequence[str] | None
) -> tuple[str, Turn]:
    """What of such a column is lost, as a pattern, and what becomes of the rest."""
    if source.category == "A":
        return "", _each(lambda text: to_json(text, element))
    if not source.is_builtin or source.kind != "b":
        return "", _same
    if keys is not None and column.type is Type.JSON:
        return "", _each(lambda text: _kept(text, keys))
    if source.name == "numeric" and column.type is Type.DECIMAL:
        return NO_NUMBER, _same
    return WAYS.get(source.name, ("", _same))


def _same(text: pa.Array) -> pa.Array:
    return text


def _each(write: Callable[[str], str | None]) -> Turn:
    """For what only Python can take apart."""
    return lambda text: pa.array(
        [None if value is None else write(value) for value in text.to_pylist()], pa.string()
    )


def _money(text: pa.Array) -> pa.Array:
    """`-$1,234.56`, as it is written where lc_monetary is C."""
    return pc.replace_substring_regex(text, r"[^-0-9.]", "")


def _bytes(text: pa.Array) -> pa.Array:
    r"""`\x00ff`; Arrow knows no way back from hexadecimal digits."""
    return pa.array(
        [None if value is None else bytes.fromhex(value[2:]) for value in text.to_pylist()],
        pa.binary(),
    )


def _clock(text: pa.Array) -> pa.Array:
    """Also 24:00:00, which is a time of its own."""
    parts = [pc.utf8_slice_codeunits(text, at, at + 2).cast(pa.int64()) for at in (0, 3, 6)]
    fraction = pc.utf8_rpad(pc.utf8_slice_codeunits(text, 9), 6, "0").cast(pa.int64())
    seconds = pc.add(pc.multiply(pc.add(pc.multiply(parts[0], 60), parts[1]), 60), parts[2])
    return pc.add(pc.multiply(seconds, 10**6), fraction).view(pa.time64("us"))


def _dates(text: pa.Array) -> pa.Array:
    return _usual_or(text, pa.date32(), lambda value: _late(value)[0])


def _times(text: pa.Array) -> pa.Array:
    return _usual_or(text, pa.timestamp("us"), lambda value: _microseconds(*_late(value)))


def _usual_or(text: pa.Array, type_: pa.DataType, late: Callable[[str], int | None]) -> pa.Array:
    """Arrow reads years of four digits; the few others are reckoned here."""
    usual = pc.match_substring_regex(text, YEAR_DIGITS)
    if not pc.any(pc.invert(usual)).as_py():
        return text.cast(type_)
    width = pa.int32() if type_ == pa.date32() else pa.int64()
    reckoned = pa.array(
        [
            None if value is None or is_usual else late(value)
            for value, is_usual in zip(text.to_pylist(), usual.to_pylist(), strict=True)
        ],
        width,
    )
    return pc.coalesce(pc.if_else(usual, text, None).cast(type_), reckoned.view(type_))


def _late(text: str) -> tuple[int, int]:
    """Days since 1970 and microseconds of the day."""
    match = LATE.match(text)
    if match is None:
        return 0, 0
    year, month, day, hour, minute, second = (int(part or 0) for part in match.groups()[:6])
    cycles, year = divmod(year, CYCLE_YEARS)
    # The year 0 is none of Python's; the cycle's last stands for it.
    cycles, year = (cycles - 1, CYCLE_YEARS) if year == 0 else (cycles, year)
    days = (date(year, month, day) - date(1970, 1, 1)).days + cycles * CYCLE_DAYS
    fraction = int((match[7] or "").ljust(6, "0"))
    return days, ((hour * 60 + minute) * 60 + second) * 10**6 + fraction


def _microseconds(days: int, microseconds: int) -> int | None:
    """None for a moment that no column holds."""
    return None if days >= TIME_END_DAYS else days * DAY_US + microseconds


def _kept(text: str, keys: Sequence[str]) -> str | None:
    """Of an object only these keys, as the source itself writes it; of anything else nothing."""
    value = json.loads(text, parse_float=Decimal, parse_int=Decimal)
    if not isinstance(value, dict):
        return None
    return _json({key: value[key] for key in keys if key in value})


def _json(value: Any) -> str:
    """As jsonb is written: shorter keys first, numbers digit by digit."""
    if isinstance(value, dict):
        named = sorted(value.items(), key=lambda item: (len(item[0].encode()), item[0].encode()))
        return "{" + ", ".join(f"{_json(key)}: {_json(each)}" for key, each in named) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_json, value)) + "]"
    if isinstance(value, Decimal):
        return format(value or abs(value), "f")
    return json.dumps(value, ensure_ascii=False)


WAYS: Mapping[str, tuple[str, Turn]] = {
    "bool": ("", lambda text: pc.equal(text, "t")),
    "int2": ("", lambda text: text.cast(pa.int64())),
    "int4": ("", lambda text: text.cast(pa.int64())),
    "int8": ("", lambda text: text.cast(pa.int64())),
    "oid": ("", lambda text: text.cast(pa.int64())),
    # As exact as the four bytes are, not as its shortest spelling.
    "float4": ("", lambda text: text.cast(pa.float32()).cast(pa.float64())),
    "float8": ("", lambda text: text.cast(pa.float64())),
    "money": ("", _money),
    "bpchar": ("", lambda text: pc.utf8_rtrim(text, " ")),
    "bytea": ("", _bytes),
    "date": (NO_TIME, _dates),
    "timestamp": (NO_TIME, _times),
    "timestamptz": (NO_TIME, lambda text: _times(pc.utf8_slice_codeunits(text, 0, -3))),
    "time": ("", _clock),
    "interval": (NO_INTERVAL, lambda text: pc.replace_substring(text, "+", "")),
}
