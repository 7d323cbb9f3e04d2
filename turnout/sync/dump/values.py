"""Values as PostgreSQL writes them in text, made into what the warehouse reads exactly.

The same rules as for a live copy: what no warehouse type can hold becomes NULL and is counted.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeAlias

import msgspec
import pyarrow as pa
import pyarrow.compute as pc

from turnout.errors import SourceRefused
from turnout.sync.dump.arrays import json_of
from turnout.sync.dump.moments import moments
from turnout.sync.postgres.types import SourceType

# Text in, warehouse values out; what was there before and is NULL after is lost.
Conversion: TypeAlias = Callable[[pa.Array], pa.Array]


def conversion(type_: SourceType, element: SourceType) -> Conversion:
    """How text of this type is converted; `element` is what it holds, if it is an array."""
    if type_.category == "A":
        return lambda texts: json_of(texts, element)
    if not type_.is_builtin:
        return as_it_is
    if type_.name == "numeric" and type_.typmod >= 0:
        return _finite_number
    return CONVERSIONS.get(type_.name, as_it_is)


def keys_only(texts: pa.Array, keys: Sequence[str]) -> pa.Array:
    """Of each JSON object only these keys, null where one is missing; of anything else none."""
    return pa.array(
        [None if text is None else _keys_of(text, keys) for text in texts.to_pylist()], pa.string()
    )


def _keys_of(text: str, keys: Sequence[str]) -> str:
    try:
        found = msgspec.json.decode(text, type=dict[str, msgspec.Raw])
    except msgspec.ValidationError:
        found = {}
    parts = (f"{msgspec.json.encode(key).decode()}: {_raw(found.get(key))}" for key in keys)
    return "{" + ", ".join(parts) + "}"


def _raw(value: msgspec.Raw | None) -> str:
    return "null" if value is None else bytes(value).decode()


def as_it_is(texts: pa.Array) -> pa.Array:
    """Text that the warehouse casts by itself."""
    return texts


def _finite_number(texts: pa.Array) -> pa.Array:
    return _without(texts, pc.equal(texts, "NaN"))


def _date(texts: pa.Array) -> pa.Array:
    return _without(texts, pc.match_substring_regex(texts, "infinity$| BC$"))


def _interval(texts: pa.Array) -> pa.Array:
    # "-3 days +04:05:06": the plus says nothing, and not every engine reads it.
    plain = pc.replace_substring(texts, "+", "")
    return _without(plain, pc.match_substring(texts, "infinity"))


def _padded(texts: pa.Array) -> pa.Array:
    return pc.utf8_rtrim(texts, " ")


def _bytes(texts: pa.Array) -> pa.Array:
    r"""`\x00ff` as bytes: all of them at once, cut apart again by their lengths."""
    if not pc.all(pc.starts_with(texts, r"\x"), min_count=0).as_py():
        raise SourceRefused(
            "The dump holds bytes in the old 'escape' form.",
            hint="Dump again with bytea_output = 'hex', which is PostgreSQL's default.",
        )
    digits = pc.utf8_slice_codeunits(texts, 2)
    joined = "".join(digits.drop_null().to_pylist())
    sizes = pc.divide(pc.fill_null(pc.binary_length(digits), 0), 2)
    ends = pc.cumulative_sum(sizes)
    offsets = pa.concat_arrays([pa.array([0], pa.int32()), ends.cast(pa.int32())])
    return pa.Array.from_buffers(
        pa.binary(),
        len(texts),
        [
            pc.is_valid(texts).buffers()[1],
            offsets.buffers()[1],
            pa.py_buffer(bytes.fromhex(joined)),
        ],
        null_count=texts.null_count,
    )


def _money(texts: pa.Array) -> pa.Array:
    """`-$1,234.50` or `1.234,50 €` as a number; two digits at the end are the fraction."""
    is_negative = pc.match_substring_regex(texts, r"[-(]")
    marked = pc.replace_substring_regex(texts, r"[.,](\d\d)\D*$", r"|\1")
    digits = pc.replace_substring_regex(marked, r"[^\d|]", "")
    sign = pc.if_else(is_negative, "-", "")
    return pc.binary_join_element_wise(sign, pc.replace_substring(digits, "|", "."), "")


def _without(texts: pa.Array, is_lost: pa.Array) -> pa.Array:
    return pc.if_else(is_lost, pa.scalar(None, texts.type), texts)


CONVERSIONS: dict[str, Conversion] = {
    "date": _date,
    "timestamp": lambda texts: moments(texts, zoned=False),
    "timestamptz": lambda texts: moments(texts, zoned=True),
    "interval": _interval,
    # As exact as the four bytes are, not as their shortest spelling.
    "float4": lambda texts: texts.cast(pa.float32()).cast(pa.float64()),
    "bpchar": _padded,
    "bytea": _bytes,
    "money": _money,
}
