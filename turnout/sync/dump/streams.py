"""Streams of bytes: pieces joined, and what is compressed made plain."""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import Any, BinaryIO, Literal, TypeAlias, cast

import pyarrow as pa

Codec: TypeAlias = Literal["none", "gzip", "lz4", "zstd", "bz2"]
SUFFIXES: dict[str, Codec] = {".gz": "gzip", ".lz4": "lz4", ".zst": "zstd", ".bz2": "bz2"}


class Chunks(io.RawIOBase):
    """Pieces of bytes as one stream; closing it closes the file they come from."""

    def __init__(self, chunks: Iterator[bytes], file: BinaryIO) -> None:
        self._chunks = chunks
        self._file = file
        self._rest = b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        while not self._rest:
            piece = next(self._chunks, None)
            if piece is None:
                return 0
            self._rest = piece
        size = min(len(buffer), len(self._rest))
        buffer[:size] = self._rest[:size]
        self._rest = self._rest[size:]
        return size

    def close(self) -> None:
        if not self.closed:
            self._file.close()
        super().close()


def decompressed(stream: Any, codec: Codec) -> BinaryIO:
    """`stream` made plain. Reading raises `OSError` when it is damaged or cut off."""
    if codec == "none":
        return cast(BinaryIO, io.BufferedReader(stream) if isinstance(stream, Chunks) else stream)
    return cast(BinaryIO, pa.CompressedInputStream(pa.PythonFile(stream, mode="r"), codec))
