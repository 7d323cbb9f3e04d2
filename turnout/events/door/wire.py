"""JSON as clients really send it: with a BOM, with what Python's encoder allows.

`plain` and `mend` turn tolerable JSON into strict JSON by editing its text, so that everything
else in it stays exactly as it was sent.
"""

from __future__ import annotations

import re

# Nesting that a body may keep; what lies deeper is cut before it reaches a recursive parser.
DEPTH_KEPT = 100
BOM = b"\xef\xbb\xbf"
# Strict JSON has line breaks only between tokens.
LINE_BREAKS = bytes.maketrans(b"\r\n", b"  ")

# NUL and surrogates may only be written as escapes; a pair of surrogates is one good character.
SUSPECT = re.compile(rb"\\u(?:0000|[dD][89a-fA-F])")
ESCAPE = re.compile(
    rb"(?P<pair>\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2})"
    rb"|(?P<bad>\\u(?:0000|[dD][89a-fA-F][0-9a-fA-F]{2}))"
    rb"|\\."
)
# A string that never ends is taken to the end: looked for again from each of its quotes, it would
# cost the square of its length.
STRING = rb'"(?:[^"\\]++|\\.)*+(?:"|\\?\Z)'
NOT_A_NUMBER = re.compile(STRING + rb"|(?P<bad>-?Infinity|NaN)", re.DOTALL)
# Brackets in a row are one match: a body may be nothing else.
BRACKETS = re.compile(STRING + rb"|[\[{]+|[\]}]+", re.DOTALL)


def plain(body: bytes) -> bytes:
    """`body` on one line, as valid UTF-8 without a BOM, NULs or lone surrogates.

    Nearly always unchanged.
    """
    if not body.isascii():
        body = _valid_text(body.removeprefix(BOM))
    # One character is found many times faster than two.
    if b"\\" in body and b"\\u" in body and SUSPECT.search(body):
        body = ESCAPE.sub(_escape_mended, body)
    if b"\n" in body or b"\r" in body:
        body = body.translate(LINE_BREAKS)
    return body


def mend(body: bytes) -> bytes:
    """`body` with NaN and Infinity as null, and with nothing nested deeper than `DEPTH_KEPT`."""
    if b"NaN" in body or b"Infinity" in body:
        body = NOT_A_NUMBER.sub(_number_mended, body)
    return _prune(body) if body.count(b"{") + body.count(b"[") > DEPTH_KEPT else body


def depth(raw: bytes) -> int:
    """How deep the JSON in `raw` is nested."""
    deepest = now = 0
    for token in BRACKETS.findall(raw):
        if token[0] in b"{[":
            now += len(token)
            deepest = max(deepest, now)
        elif token[0] in b"]}":
            now -= len(token)
    return deepest


def _valid_text(body: bytes) -> bytes:
    try:
        body.decode()
    except UnicodeDecodeError:
        return body.decode(errors="replace").encode()
    return body


def _escape_mended(match: re.Match[bytes]) -> bytes:
    return rb"\ufffd" if match["bad"] else match[0]


def _number_mended(match: re.Match[bytes]) -> bytes:
    return b"null" if match["bad"] else match[0]


def _prune(body: bytes) -> bytes:
    """Each object or array that begins below `DEPTH_KEPT` becomes null."""
    kept: list[bytes] = []
    now = cut_from = copied_to = 0
    for match in BRACKETS.finditer(body):
        token = match[0]
        if token[0] in b"{[":
            if now <= DEPTH_KEPT < now + len(token):
                cut_from = match.start() + DEPTH_KEPT - now
            now += len(token)
        elif token[0] in b"]}":
            if now - len(token) <= DEPTH_KEPT < now:
                kept += (body[copied_to:cut_from], b"null")
                copied_to = match.start() + now - DEPTH_KEPT
            now -= len(token)
    if now > DEPTH_KEPT:  # never closed, so no JSON, but shallow enough to be told so
        return b"".join([*kept, body[copied_to:cut_from]])
    return b"".join([*kept, body[copied_to:]])
