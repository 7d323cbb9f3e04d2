"""Bytes as clients really send them: packed, with a BOM, with JSON that Python's encoder allows.

`unpack` undoes compression under a limit; `mend` turns tolerable JSON into strict JSON by
editing its text, so that everything else in it stays exactly as it was sent.
"""

from __future__ import annotations

import re
import zlib

from turnout.errors import BadRequest, BodyTooLarge

# Nesting that a body may keep; what lies deeper is cut before it reaches a recursive parser.
DEPTH_KEPT = 100
BOM = b"\xef\xbb\xbf"
# A gzip or a zlib header, whichever is there.
AUTO_DETECT = zlib.MAX_WBITS | 32
# A packed body may be several put together; each one costs a copy of what follows.
MEMBERS_MAX = 100

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
BRACKET = re.compile(STRING + rb"|[\[\]{}]", re.DOTALL)


class Unpacker:
    """Takes a body piece by piece, keeps it unpacked, and never holds more than the limit."""

    def __init__(self, encoding: bytes, bytes_max: int) -> None:
        """`encoding` is the Content-Encoding header; `BadRequest` when it is not one of ours."""
        self._left = bytes_max
        self._pieces: list[bytes] = []
        self._members_left = MEMBERS_MAX
        self._inflater = None
        if encoding in (b"gzip", b"x-gzip", b"deflate"):
            self._inflater = zlib.decompressobj(AUTO_DETECT)
        elif encoding not in (b"", b"identity"):
            raise BadRequest("This content encoding is not supported; send gzip or none.")

    def add(self, piece: bytes) -> None:
        """Raises `BodyTooLarge` as soon as the limit is passed, `BadRequest` for broken packing."""
        if self._inflater is not None:
            try:
                piece = self._inflated(piece)
            except zlib.error:
                raise BadRequest("The body is not what its content encoding says.") from None
        self._left -= len(piece)
        if self._left < 0:
            raise BodyTooLarge
        self._pieces.append(piece)

    def _inflated(self, piece: bytes) -> bytes:
        """`piece` unpacked; one byte more than allowed is enough to know."""
        unpacked = b""
        while piece and self._inflater is not None and len(unpacked) <= self._left:
            if self._inflater.eof:
                self._inflater = self._next_inflater()
            unpacked += self._inflater.decompress(piece, self._left - len(unpacked) + 1)
            piece = self._inflater.unused_data
        return unpacked

    def _next_inflater(self) -> zlib._Decompress:
        self._members_left -= 1
        if not self._members_left:
            raise BadRequest("The packed body has too many parts.")
        return zlib.decompressobj(AUTO_DETECT)

    def body(self) -> bytes:
        """Everything, unpacked. `BadRequest` when the packed body ended too early."""
        if self._inflater is not None and not self._inflater.eof:
            raise BadRequest("The packed body is incomplete.")
        return self._pieces[0] if len(self._pieces) == 1 else b"".join(self._pieces)


def plain(body: bytes) -> bytes:
    """`body` as valid UTF-8 without a BOM, NULs or lone surrogates; nearly always unchanged."""
    body = body.removeprefix(BOM)
    if not body.isascii():
        body = _valid_text(body)
    if b"\\u" in body and SUSPECT.search(body):
        body = ESCAPE.sub(_escape_mended, body)
    return body


def mend(body: bytes) -> bytes:
    """`body` with NaN and Infinity as null, and with nothing nested deeper than `DEPTH_KEPT`."""
    return _prune(NOT_A_NUMBER.sub(_number_mended, body))


def depth(raw: bytes) -> int:
    """How deep the JSON in `raw` is nested."""
    deepest = now = 0
    for token in BRACKET.findall(raw):
        if token in b"{[":
            now += 1
            deepest = max(deepest, now)
        elif token in b"]}":
            now -= 1
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
    for match in BRACKET.finditer(body):
        if match[0] in b"{[":
            now += 1
            if now == DEPTH_KEPT + 1:
                cut_from = match.start()
        elif match[0] in b"]}":
            if now == DEPTH_KEPT + 1:
                kept += (body[copied_to:cut_from], b"null")
                copied_to = match.end()
            now -= 1
    return b"".join([*kept, body[copied_to:]])
