"""An array as the server writes it in a change, turned into the JSON that `to_json` makes of it."""

from __future__ import annotations

import json
import re
from collections.abc import Callable

# A quoted element; or a brace, a comma; or an element without quotes.
TOKEN = re.compile(r'"((?:[^"\\]|\\.)*)"|([{},;])|([^{},;"]+)', re.DOTALL)
BOUNDS = re.compile(r"^(?:\[[-+0-9]+:[-+0-9]+\])+=")
ESCAPED = re.compile(r"\\(.)", re.DOTALL)

NUMBERS = frozenset({"int2", "int4", "int8", "float4", "float8", "numeric", "oid"})
NOT_FINITE = frozenset({"NaN", "Infinity", "-Infinity"})


def to_json(text: str, element: str) -> str:
    """`text`, an array whose elements have the built-in type `element` or are text, as JSON."""
    write = _writer(element)
    # Boxes hold commas themselves.
    comma = ";" if element == "box" else ","
    parts: list[str] = []
    for quoted, sign, bare in TOKEN.findall(BOUNDS.sub("", text)):
        if sign == "{":
            parts.append("[")
        elif sign == "}":
            parts.append("]")
        elif sign == comma:
            parts.append(",")
        elif bare:
            parts.append("null" if bare.upper() == "NULL" else write(bare))
        else:
            parts.append(write(ESCAPED.sub(r"\1", quoted)))
    return "".join(parts)


def _writer(element: str) -> Callable[[str], str]:
    if element in NUMBERS:
        return lambda text: _string(text) if text in NOT_FINITE else text
    if element == "bool":
        return lambda text: "true" if text == "t" else "false"
    if element in ("json", "jsonb"):
        return str
    if element == "timestamp":
        return lambda text: _string(text.replace(" ", "T", 1))
    if element == "timestamptz":
        return lambda text: _string(_zoned(text))
    return _string


def _zoned(text: str) -> str:
    """`2026-01-01 00:00:00+00`, as JSON says it."""
    return text.replace(" ", "T", 1).replace("+00", "+00:00")


def _string(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)
