"""Cells as text: one Arrow column in, one column of finished CSV or JSON cells out, no NULL."""

from __future__ import annotations

from base64 import b64encode
from decimal import Decimal
from typing import Any

import msgspec
import pyarrow as pa
import pyarrow.compute as pc

# Beyond this a JSON number loses digits in readers that hold numbers as doubles.
SAFE_INTEGER = 2**53
SAFE_DIGITS = 15
# Whole floats up to here are written without an exponent.
PLAIN_FLOAT = 1e15

FORMULA = r"^[=+@\t\r-]"
CSV_QUOTED = '^$|[",\r\n]'
JSON_ESCAPED = r'["\\\x00-\x1f]'
JSON_CONTROL = r"[\x00-\x1f]"
JSON_ESCAPES = (("\\", "\\\\"), ('"', '\\"'), ("\n", "\\n"), ("\r", "\\r"), ("\t", "\\t"))


def csv_cells(column: pa.Array, type_: str, *, raw: bool) -> pa.Array:
    """Finished CSV cells. Text that would start a formula is defused unless `raw`."""
    cells = _text(column, type_, between=" ", after="")
    if pa.types.is_string(column.type):
        if type_ == "text" and not raw:
            cells = _where(pc.match_substring_regex(cells, FORMULA), _wrap("'", cells, ""), cells)
        quoted = pc.match_substring_regex(cells, CSV_QUOTED)
        if _any(quoted):
            cells = pc.if_else(
                quoted, _wrap('"', pc.replace_substring(cells, '"', '""'), '"'), cells
            )
    return pc.fill_null(cells, "")


def json_cells(column: pa.Array, type_: str) -> pa.Array:
    """Finished JSON values, `null` for NULL."""
    cells = _text(column, type_, between="T", after="Z")
    if type_ == "integer":
        cells = _where(_unsafe_integers(column, cells), _wrap('"', cells, '"'), cells)
    elif type_ == "decimal":
        digits = pc.replace_substring_regex(cells, r"^-?0*\.?0*|\.", "")
        unsafe = pc.greater(pc.utf8_length(digits), SAFE_DIGITS)
        cells = _where(unsafe, _wrap('"', cells, '"'), cells)
    elif type_ == "float":
        cells = pc.if_else(pc.is_finite(column), cells, None)
    elif type_ == "json":
        cells = _json_values(cells)
    elif type_ != "boolean":
        cells = _quoted(cells)
    return pc.fill_null(cells, "null")


def _text(column: pa.Array, type_: str, *, between: str, after: str) -> pa.Array:
    """The plain text of each value. `between` and `after` stand around a time of day."""
    if pa.types.is_string(column.type):
        return column
    if type_ == "time":
        return _times(column, between, after)
    return TEXTS.get(type_, _cast)(column)


def _times(column: pa.Array, between: str, after: str) -> pa.Array:
    """UTC, with microseconds only where there are some."""
    column = column.cast(pa.timestamp("us"))
    seconds = column.cast(pa.timestamp("s"), safe=False)
    text = pc.cast(seconds, pa.string())
    fine = pc.not_equal(seconds.cast(pa.timestamp("us"), safe=False), column)
    text = _where(fine, pc.cast(column, pa.string()), text)
    if between != " ":
        text = pc.replace_substring(text, " ", between, max_replacements=1)
    text = _wrap("", text, after) if after else text
    return _infinities(text, column)


def _infinities(text: pa.Array, column: pa.Array) -> pa.Array:
    """The engine's endless times have no text in Arrow; they get the engine's words."""
    endless = pc.match_substring(text, "<")
    if not _any(endless):
        return text
    past = pc.less(column.cast(pa.int64() if column.type.bit_width == 64 else pa.int32()), 0)  # noqa: PLR2004
    return pc.if_else(endless, pc.if_else(past, "-infinity", "infinity"), text)


def _cast(column: pa.Array) -> pa.Array:
    return pc.cast(column, pa.string())


def _dates(column: pa.Array) -> pa.Array:
    return _infinities(_cast(column), column)


def _clocks(column: pa.Array) -> pa.Array:
    return pc.replace_substring(_cast(column), ".000000", "")


def _bytes(column: pa.Array) -> pa.Array:
    values = column.to_pylist()
    return pa.array([None if v is None else b64encode(v).decode() for v in values], pa.string())


def _floats(column: pa.Array) -> pa.Array:
    """Shortest digits that read back the same; whole numbers without an exponent."""
    whole = pc.and_(pc.equal(pc.floor(column), column), pc.less(pc.abs(column), PLAIN_FLOAT))
    text = pc.cast(column, pa.string())
    if not _any(whole):
        return text
    integers = pc.cast(pc.if_else(whole, column, None), pa.int64())
    return pc.if_else(whole, pc.cast(integers, pa.string()), text)


TEXTS = {"date": _dates, "clock": _clocks, "bytes": _bytes, "float": _floats}


def _unsafe_integers(column: pa.Array, cells: pa.Array) -> pa.Array:
    if pa.types.is_string(column.type):
        return pc.greater(pc.utf8_length(cells), SAFE_DIGITS)
    if pa.types.is_decimal(column.type):
        limit = pa.scalar(Decimal(SAFE_INTEGER), column.type)
        return pc.greater(pc.abs(column), limit)
    if column.type.bit_width < 64:  # noqa: PLR2004 - smaller integers fit any double
        return pa.scalar(False)
    above = pc.greater(column, pa.scalar(SAFE_INTEGER, column.type))
    return (
        above if pa.types.is_uint64(column.type) else pc.or_(above, pc.less(column, -SAFE_INTEGER))
    )


def _quoted(cells: pa.Array) -> pa.Array:
    """JSON strings. Most texts need no escape; rare control characters go the slow way."""
    if _any(pc.match_substring_regex(cells, JSON_ESCAPED)):
        for mark, escape in JSON_ESCAPES:
            cells = pc.replace_substring(cells, mark, escape)
        controls = pc.match_substring_regex(cells, JSON_CONTROL)
        if _any(controls):
            cells = _escape_controls(cells, controls)
    return _wrap('"', cells, '"')


def _escape_controls(cells: pa.Array, controls: pa.Array) -> pa.Array:
    table = {code: f"\\u{code:04x}" for code in range(32)}
    escaped = [text.translate(table) for text in cells.filter(controls).to_pylist()]
    return pc.replace_with_mask(cells, pc.fill_null(controls, False), pa.array(escaped))


def _json_values(cells: pa.Array) -> pa.Array:
    """JSON as it is where it is valid for every reader, else as a string."""
    values = cells.drop_null().to_pylist()
    try:
        found = msgspec.json.decode(f"[{','.join(values)}]", type=list[Any])
    except (msgspec.MsgspecError, RecursionError):
        return _quoted(cells)
    return cells if len(found) == len(values) else _quoted(cells)


def _where(mask: Any, yes: pa.Array, no: pa.Array) -> pa.Array:
    return pc.if_else(mask, yes, no) if _any(mask) else no


def _any(mask: Any) -> bool:
    return bool(mask.as_py() if isinstance(mask, pa.Scalar) else pc.any(mask).as_py())


def _wrap(before: str, cells: pa.Array, after: str) -> pa.Array:
    return pc.binary_join_element_wise(before, cells, after, "")
