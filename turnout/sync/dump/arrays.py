r"""PostgreSQL's array texts, `{1,NULL,"a b"}`, made into JSON as its own `to_json` writes them.

All values of a batch at once: one expression marks what each piece is, by a NUL, which no text of
PostgreSQL can hold, and a letter; then marks are replaced.
"""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

from turnout.sync.postgres.types import SourceType

# A piece is: quoted text or a comma; an opening brace; a closing one; anything else.
PIECES = r'("(?:[^"\\]|\\.)*"|,)|(\{)|(\})|([^{},"]+)'
MARKS = "\\1\0a\\2\0b\\3\0c\\4\0d"
BOUNDS = r"^(\[-?\d+:-?\d+\])+="
NUMBERS = frozenset(("int2", "int4", "int8", "float4", "float8", "numeric", "oid"))
CONTROLS = {code: f"\\u{code:04x}" for code in range(1, 32)} | {
    8: "\\b", 9: "\\t", 10: "\\n", 12: "\\f", 13: "\\r"
}  # fmt: skip


def json_of(texts: pa.Array, element: SourceType) -> pa.Array:
    """The arrays as JSON texts; their elements are as JSON has them, or else texts."""
    # Boxes have commas of their own, and semicolons between them.
    pieces = PIECES.replace(",", ";") if element.name == "box" else PIECES
    plain_texts = pc.replace_substring_regex(texts, BOUNDS, "")
    marked = pc.replace_substring_regex(plain_texts, pieces, MARKS)
    opened, closed = _around(element)
    marks = {
        "\0a\0b\0c\0d": "",
        "\0a{\0b\0c\0d": "[",
        "\0a\0b}\0c\0d": "]",
        "\0a\0b\0cNULL\0d": "null",
        **_words(element),
        "\0a\0b\0c": opened,
        "\0d": closed,
    }
    for mark, plain in marks.items():
        marked = pc.replace_substring(marked, mark, plain)
    if element.is_builtin and element.name in ("json", "jsonb"):
        return _unquoted(marked)
    if element.is_builtin and element.name in ("timestamp", "timestamptz"):
        marked = _iso(marked)
    return _without_controls(marked)


def _around(element: SourceType) -> tuple[str, str]:
    """What is written around an element that has no quotes."""
    if element.is_builtin and element.name in {*NUMBERS, "bool", "json", "jsonb"}:
        return "", ""
    return '"', '"'


def _words(element: SourceType) -> dict[str, str]:
    """Words of numbers and booleans that JSON spells otherwise."""
    if not element.is_builtin:
        return {}
    if element.name == "bool":
        return {"\0ct\0d": "\0ctrue\0d", "\0cf\0d": "\0cfalse\0d"}
    if element.name in NUMBERS:
        words = ("NaN", "Infinity", "-Infinity")
        return {f"\0c{word}\0d": f'\0c"{word}"\0d' for word in words}
    return {}


def _unquoted(marked: pa.Array) -> pa.Array:
    """Elements that are JSON themselves, freed from the quotes around them."""
    bare = pc.replace_substring_regex(marked, r'"((?:[^"\\]|\\.)*)"', r"\1")
    for escaped, plain in ((r"\\", "\0"), (r"\"", '"'), ("\0", "\\")):
        bare = pc.replace_substring(bare, escaped, plain)
    return bare


def _iso(marked: pa.Array) -> pa.Array:
    parted = pc.replace_substring_regex(marked, r"(\d) (\d\d:)", r"\1T\2")
    return pc.replace_substring_regex(parted, r'([+-]\d\d)"', r'\1:00"')


def _without_controls(marked: pa.Array) -> pa.Array:
    if not pc.any(pc.match_substring_regex(marked, r"[\x01-\x1f]")).as_py():
        return marked
    for code, escaped in CONTROLS.items():
        marked = pc.replace_substring(marked, chr(code), escaped)
    return marked
