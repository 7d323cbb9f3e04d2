"""What happens to a column's values on the way: kept, hashed, masked, or put into buckets."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from functools import partial

import pyarrow as pa

from turnout.errors import ConfigError
from turnout.sync.privacy import bucket
from turnout.sync.privacy.keyed import Keyed, each_distinct
from turnout.sync.privacy.mask import masked
from turnout.sync.privacy.text import text_of
from turnout.warehouse import Column, Type

KEEP = "keep"
WORDS = (
    "keep, hash, hash:email, hash:phone, mask, bucket:day, bucket:month, bucket:year, or a "
    "number's band such as bucket:100"
)
TEXTS = frozenset({Type.TEXT, Type.UUID})
HASHED = TEXTS | {Type.INTEGER, Type.DECIMAL, Type.DATE}
DATES = frozenset({Type.DATE, Type.TIME})
# Text, because numbers without limits are kept as such; it has to be numbers.
NUMBERS = frozenset({Type.INTEGER, Type.FLOAT, Type.DECIMAL, Type.TEXT})
SIZE = re.compile(r"\d{1,18}(\.\d{1,18})?")
NOT_DIGITS = re.compile(r"\D+", re.ASCII)


@dataclass(frozen=True, slots=True)
class Treatment:
    """What a column becomes: `column` in the warehouse, `arrow` on the way, by `apply`."""

    word: str
    column: Column
    arrow: pa.DataType
    apply: Callable[[pa.Array], pa.Array]


def treatment(column: Column, word: str, keyed: Keyed, place: str) -> Treatment | None:
    """The treatment called `word`; None to keep the values as they are.

    `place` names table and column in the `ConfigError` for a word that there is not, or that
    says nothing about values of the column's type.
    """
    kind, _, rest = word.partition(":")
    if word == KEEP:
        return None
    if kind == "hash" and rest in CANONICAL:
        _check(column, HASHED if not rest else TEXTS, word, place)
        return _text(word, column, partial(_hashed, keyed, CANONICAL[rest]))
    if word == "mask":
        _check(column, TEXTS, word, place)
        return _text(word, column, _masked)
    if kind == "bucket" and rest in bucket.PERIODS:
        _check(column, DATES, word, place)
        day = Column(column.name, Type.DATE)
        return Treatment(word, day, pa.date32(), bucket.to_period(rest))
    if kind == "bucket" and SIZE.fullmatch(rest) and Decimal(rest) > 0:
        _check(column, NUMBERS, word, place)
        return _band(word, column, Decimal(rest), place)
    raise ConfigError(f"{place}: there is no treatment '{word}'.", hint=f"There are: {WORDS}.")


def email(text: str) -> str:
    """An address as it is hashed: nothing around it, no upper case."""
    return text.strip().lower()


def phone(text: str) -> str | None:
    """A number as it is hashed: its digits. Without any it is none, and equals no other."""
    return NOT_DIGITS.sub("", text) or None


CANONICAL: dict[str, Callable[[str], str | None]] = {"": str, "email": email, "phone": phone}


def canonical_text(word: str, values: pa.Array) -> pa.Array:
    """`values` as text in the form in which the treatment `word` hashes them."""
    return each_distinct(text_of(values), CANONICAL[word.partition(":")[2]])


def _check(column: Column, types: frozenset[Type], word: str, place: str) -> None:
    if column.type in types:
        return
    fit = ", ".join(sorted(type_.value for type_ in types))
    raise ConfigError(
        f"{place}: '{word}' treats {fit}, and this column is {column.type.value}.",
        hint=f"There are: {WORDS}. Or do not copy the column.",
    )


def _text(word: str, column: Column, apply: Callable[[pa.Array], pa.Array]) -> Treatment:
    return Treatment(word, Column(column.name, Type.TEXT), pa.string(), apply)


def _hashed(keyed: Keyed, canonical: Callable[[str], str | None], values: pa.Array) -> pa.Array:
    def named(text: str) -> str | None:
        value = canonical(text)
        return None if value is None else keyed.named(value)

    return each_distinct(text_of(values), named)


def _masked(values: pa.Array) -> pa.Array:
    return each_distinct(text_of(values), masked)


def _band(word: str, column: Column, size: Decimal, place: str) -> Treatment:
    if column.type is Type.FLOAT:
        return Treatment(word, column, pa.float64(), bucket.float_to_band(size))
    if column.type in (Type.DECIMAL, Type.TEXT):
        digits = int(-size.as_tuple().exponent)  # type: ignore[operator]  # it is a number
        # The bound may have more digits than any value: -1 is in the band of -1000.
        wide = Column(column.name, Type.DECIMAL, bucket.DECIMAL_DIGITS_MAX, digits)
        return Treatment(word, wide, pa.string(), bucket.decimal_to_band(size))
    if size % 1:
        raise ConfigError(f"{place}: a band of whole numbers is a whole number, not {size}.")
    return Treatment(word, column, pa.int64(), bucket.to_band(size))
