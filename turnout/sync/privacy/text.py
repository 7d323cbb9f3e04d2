"""Values as text, in the one form in which equal values are equal wherever they come from."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc


def text_of(values: pa.Array) -> pa.Array:
    """`values` as text: 42 is '42' whether a number or a text arrives, a date is 2026-11-01."""
    if isinstance(values, pa.ExtensionArray):
        values = values.storage
    if pa.types.is_string(values.type):
        return values
    if pa.types.is_dictionary(values.type):
        return text_of(values.dictionary_decode())
    if pa.types.is_fixed_size_binary(values.type) or pa.types.is_binary(values.type):
        return pa.array([None if v is None else v.hex() for v in values.to_pylist()], pa.string())
    return pc.cast(values, pa.string())
