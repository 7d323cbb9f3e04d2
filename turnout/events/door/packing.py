"""Bodies packed by gzip, deflate, br or zstd, unpacked under a limit."""

from __future__ import annotations

import sys
import zlib
from collections.abc import Callable
from typing import Protocol

import brotli

from turnout.errors import BadRequest, BodyTooLarge

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

# A gzip or a zlib header, whichever is there.
AUTO_DETECT = zlib.MAX_WBITS | 32
WITHOUT_HEADER = -zlib.MAX_WBITS
# A packed body may be several put together; each one costs a copy of what follows.
MEMBERS_MAX = 100
# Memory that a packed body may ask for, as a power of two: 8 MiB, what every client may use.
ZSTD_WINDOW_LOG_MAX = 23
# By so many bytes at its beginning a stream is known.
SIGNATURE_BYTES = 2
GZIP = b"\x1f\x8b"
ENCODINGS = ("gzip", "deflate", "br", "zstd")


class Stream(Protocol):
    """One packed stream being unpacked."""

    @property
    def eof(self) -> bool: ...

    @property
    def unused_data(self) -> bytes: ...

    def decompress(self, piece: bytes, bytes_max: int, /) -> bytes:
        """What `piece` unpacks to; little more than `bytes_max` of it."""


class Unpacker:
    """Takes a body piece by piece, keeps it unpacked, and never holds much more than the limit."""

    def __init__(self, encoding: str, bytes_max: int) -> None:
        """`encoding` is the Content-Encoding header; `BadRequest` when it is not one of ours."""
        self._left = bytes_max
        self._pieces: list[bytes] = []
        self._members_left = MEMBERS_MAX
        self._open = _opener(encoding.strip().lower())
        self._stream: Stream | None = None
        self._held = b""

    def add(self, piece: bytes) -> None:
        """Raises `BodyTooLarge` as soon as the limit is passed, `BadRequest` for broken packing."""
        if self._open is not None:
            try:
                piece = self._unpacked(piece)
            except (zlib.error, zstd.ZstdError, brotli.error):
                raise BadRequest("The body is not what its content encoding says.") from None
        self._left -= len(piece)
        if self._left < 0:
            raise BodyTooLarge
        self._pieces.append(piece)

    def body(self) -> bytes:
        """Everything, unpacked. `BadRequest` when the packed body ended too early."""
        if self._open is not None and not (self._stream and self._stream.eof):
            raise BadRequest("The packed body is incomplete.")
        return self._pieces[0] if len(self._pieces) == 1 else b"".join(self._pieces)

    def _unpacked(self, piece: bytes) -> bytes:
        """`piece` unpacked; one byte more than allowed is enough to know."""
        unpacked = b""
        piece = self._held + piece
        self._held = b""
        while piece and len(unpacked) <= self._left:
            if self._stream is None or self._stream.eof:
                if len(piece) < SIGNATURE_BYTES:
                    self._held = piece
                    break
                self._stream = self._next_stream(piece)
            unpacked += self._stream.decompress(piece, self._left - len(unpacked) + 1)
            piece = self._stream.unused_data
        return unpacked

    def _next_stream(self, piece: bytes) -> Stream:
        self._members_left -= 1
        if not self._members_left or self._open is None:
            raise BadRequest("The packed body has too many parts.")
        return self._open(piece)


class _Brotli:
    """Brotli's decoder, with the manners of the others."""

    unused_data: bytes = b""

    def __init__(self) -> None:
        self._decoder = brotli.Decompressor()

    @property
    def eof(self) -> bool:
        return bool(self._decoder.is_finished())

    def decompress(self, piece: bytes, bytes_max: int, /) -> bytes:
        unpacked: bytes = self._decoder.process(piece, output_buffer_limit=bytes_max)
        while len(unpacked) < bytes_max and not self._decoder.can_accept_more_data():
            unpacked += self._decoder.process(b"", output_buffer_limit=bytes_max - len(unpacked))
        return unpacked


def _opener(encoding: str) -> Callable[[bytes], Stream] | None:
    """What begins to unpack, by the first bytes of a body; None for what is not packed."""
    if encoding in ("", "identity"):
        return None
    if encoding in ("gzip", "x-gzip"):
        return lambda _: zlib.decompressobj(AUTO_DETECT)
    if encoding == "deflate":
        return _inflater
    if encoding == "br":
        return lambda _: _Brotli()
    if encoding == "zstd":
        return lambda _: zstd.ZstdDecompressor(
            options={zstd.DecompressionParameter.window_log_max: ZSTD_WINDOW_LOG_MAX}
        )
    raise BadRequest(
        f"This content encoding is not supported; send one of {', '.join(ENCODINGS)}, or none."
    )


def _inflater(piece: bytes) -> Stream:
    """The standard's deflate has a zlib header; many senders leave it out."""
    is_zlib = piece[0] & 0x0F == zlib.DEFLATED and int.from_bytes(piece[:2]) % 31 == 0
    has_header = is_zlib or piece.startswith(GZIP)
    return zlib.decompressobj(AUTO_DETECT if has_header else WITHOUT_HEADER)
