"""A file of events: plain, gzip or zstd; one JSON object a line, or arrays of them.

Read as a stream: a file of any size takes the same little memory.
"""

from __future__ import annotations

import gzip
import io
import re
import sys
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO, cast

import msgspec
import pyarrow as pa

from turnout.errors import FileUnreadable

READ_BYTES = 1024 * 1024
# Longer than any event may be: what is longer is passed over without being kept.
ENTRY_BYTES_MAX = 4 * 1024 * 1024
GZIP, ZSTD = b"\x1f\x8b", b"\x28\xb5\x2f\xfd"
SPACE = b" \t\r\n"
# How deep one is before and after an array.
OUTSIDE = -1
# A whole text, a bracket or a comma; a lone quote is a text whose end has not been read yet.
TOKEN = re.compile(rb'"(?:[^"\\]|\\.)*"|[\[\]{},"]', re.DOTALL)

_decode_entries = msgspec.json.Decoder(list[msgspec.Raw]).decode


@dataclass(frozen=True, slots=True)
class Entry:
    """One event's bytes and where they stand; `is_cut` when it was too long to be kept."""

    number: int
    text: bytes
    is_cut: bool = False


class EventFile:
    """An open file of events, or standard input for `-`."""

    def __init__(self, name: str) -> None:
        """Raises `FileUnreadable` when there is no such file."""
        self.name = "standard input" if name == "-" else name
        try:
            self._raw = sys.stdin.buffer if name == "-" else open(name, "rb")  # noqa: SIM115, PTH123 - closed by `close`
        except OSError as error:
            raise FileUnreadable(f"{name} cannot be read: {error.strerror}.") from None
        self._counted = _Counted(self._raw)

    @property
    def bytes_read(self) -> int:
        """How much of the file, as it lies on disk, was read."""
        return self._counted.bytes_read

    def close(self) -> None:
        if self._raw is not sys.stdin.buffer:
            self._raw.close()

    def entries(self) -> Iterator[Entry]:
        """Each event, by the number of its line, or of its place in one large array.

        Raises `FileUnreadable` where a packed file is damaged or an array is not one.
        """
        try:
            yield from _entries(_unpacked(self._counted), self.name)
        except (gzip.BadGzipFile, EOFError, zlib.error, OSError, pa.ArrowException) as error:
            raise FileUnreadable(
                f"{self.name} is damaged, or cut off: {error}.",
                hint="What came before is taken in; run the same command with a whole file.",
            ) from None


class _Counted(io.RawIOBase):
    """Reads on from `source`, and knows how far it is."""

    def __init__(self, source: BinaryIO) -> None:
        self._source = source
        self.bytes_read = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override] # the base says Buffer
        piece = self._source.read(len(buffer))
        buffer[: len(piece)] = piece
        self.bytes_read += len(piece)
        return len(piece)


def _unpacked(raw: io.RawIOBase) -> BinaryIO:
    buffered = io.BufferedReader(raw, READ_BYTES)
    start = buffered.peek(len(ZSTD))
    if start.startswith(GZIP):
        return cast("BinaryIO", gzip.GzipFile(fileobj=buffered))
    if start.startswith(ZSTD):
        packed = pa.CompressedInputStream(pa.PythonFile(buffered, "r"), "zstd")
        return io.BufferedReader(packed, READ_BYTES)
    return buffered


def _entries(stream: BinaryIO, name: str) -> Iterator[Entry]:
    number, first = 1, stream.readline(ENTRY_BYTES_MAX).removeprefix(b"\xef\xbb\xbf")
    while first and not first.strip(SPACE):
        number, first = number + 1, stream.readline(ENTRY_BYTES_MAX)
    if first.lstrip(SPACE).startswith(b"[") and not _is_whole(first):
        yield from _of_arrays(stream, first, name)
    else:
        yield from _of_lines(stream, first, number)


def _is_whole(line: bytes) -> bool:
    try:
        _decode_entries(line)
    except msgspec.DecodeError:
        return False
    return True


def _of_lines(stream: BinaryIO, line: bytes, number: int) -> Iterator[Entry]:
    """From `line` on, which is that `number`."""
    while line:
        is_cut = len(line) == ENTRY_BYTES_MAX and not line.endswith(b"\n")
        text = line.strip(SPACE)
        if text.startswith(b"[") and not is_cut and _is_whole(text):
            yield from (Entry(number, bytes(entry)) for entry in _decode_entries(text))
        elif text:
            yield Entry(number, text, is_cut)
        while is_cut and line and not line.endswith(b"\n"):
            line = stream.readline(ENTRY_BYTES_MAX)
        line = stream.readline(ENTRY_BYTES_MAX)
        number += 1


def _of_arrays(stream: BinaryIO, text: bytes, name: str) -> Iterator[Entry]:
    """The members of arrays over many lines, one array after the other."""
    number = begun = at = 0
    depth = OUTSIDE
    while True:
        for token in TOKEN.finditer(text, at):
            sign = token[0]
            if sign == b'"':
                at = token.start()
                break
            at = token.end()
            if depth == OUTSIDE:
                if sign != b"[" or text[begun : token.start()].strip(SPACE):
                    raise _no_array(name, number)
                depth, begun = 0, at
                continue
            depth += (sign in b"[{") - (sign in b"]}")
            if depth == OUTSIDE or (depth == 0 and sign == b","):
                if entry := text[begun : token.start()].strip(SPACE):
                    number += 1
                    yield Entry(number, entry)
                begun = at
        text, at, begun = text[begun:], at - begun, 0
        piece = stream.read(READ_BYTES)
        if not piece and depth == OUTSIDE and not text.strip(SPACE):
            return
        if not piece or len(text) > ENTRY_BYTES_MAX:
            raise _no_array(name, number)
        text += piece


def _no_array(name: str, number: int) -> FileUnreadable:
    return FileUnreadable(
        f"{name} holds no whole array after its member {number}.",
        hint="What came before is taken in.",
    )
