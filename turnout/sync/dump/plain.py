"""A dump as plain SQL: where its COPY blocks are, and the statements between them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import pyarrow as pa

from turnout.errors import SourceRefused
from turnout.sync.dump.copy_text import CHUNK_BYTES, END
from turnout.sync.dump.streams import SUFFIXES

BLOCK = re.compile(rb"^COPY ([^\n]+) FROM stdin;\n", re.MULTILINE)
INSERT = re.compile(rb"^INSERT INTO ", re.MULTILINE)
COMPLETE = b"-- PostgreSQL database dump complete"
BEGUN = b"-- PostgreSQL database dump"
HEAD_BYTES = 1024
# Definitions are small; what is larger is no dump of tables.
STATEMENT_BYTES_MAX = 64 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Block:
    """One COPY block: what stands between COPY and FROM, and where its rows begin.

    `schema` is whose table it is where the name does not say.
    """

    copy: str
    place: int
    schema: str = "public"


@dataclass(frozen=True, slots=True)
class Script:
    """A plain dump: its statements without rows, and its blocks of rows."""

    path: Path
    statements: str
    blocks: tuple[Block, ...]
    has_inserts: bool

    def open(self, block: Block) -> BinaryIO:
        """The rows of a block as text."""
        stream = open_plain(self.path)
        # In a compressed file this reads all that stands before.
        stream.seek(block.place) if stream.seekable() else _pass_over(stream, block.place)
        return stream


def open_plain(path: Path) -> BinaryIO:
    """The file, decompressed as its name says."""
    if path.suffix in SUFFIXES:
        stream: BinaryIO = pa.input_stream(str(path), compression=SUFFIXES[path.suffix])
        return stream
    return path.open("rb")


def is_script(path: Path) -> bool:
    """Whether it begins as pg_dump begins a script."""
    with closing(open_plain(path)) as stream:
        return BEGUN in stream.read(HEAD_BYTES)


def read_script(path: Path) -> Script:
    """Find out what is in the dump at `path`. Raises `SourceRefused` when it is cut off."""
    statements: list[bytes] = []
    blocks: list[Block] = []
    with closing(open_plain(path)) as stream:
        for text, block in _parts(stream, path):
            statements.append(text)
            if block is not None:
                blocks.append(block)
    text = b"".join(statements)
    if BEGUN in text and COMPLETE not in text:
        raise SourceRefused(f"The dump {path} is cut off: its last line is missing.")
    return Script(path, text.decode("utf-8", "replace"), tuple(blocks), bool(INSERT.search(text)))


def _parts(stream: BinaryIO, path: Path) -> Iterator[tuple[bytes, Block | None]]:
    """Statements, each with the block that follows them; the last have none."""
    held, place, size = b"", 0, 0
    while chunk := stream.read(CHUNK_BYTES):
        held += chunk
        while match := BLOCK.search(held):
            yield held[: match.start()], Block(match[1].decode(), place + match.end())
            place += match.end()
            held, passed = _after_rows(stream, held[match.end() :], path)
            place += passed
        # A line that is not whole may become the beginning of a block.
        cut = held.rfind(b"\n") + 1
        size += cut
        if size > STATEMENT_BYTES_MAX:
            raise SourceRefused(
                f"{path} is no dump with COPY blocks.", hint="Dump without --inserts."
            )
        yield held[:cut], None
        held, place = held[cut:], place + cut
    yield held, None


def _after_rows(stream: BinaryIO, held: bytes, path: Path) -> tuple[bytes, int]:
    """What was read beyond the block's last line, and how many bytes that line ends after."""
    passed = 0
    while True:
        end = 0 if held.startswith(END) else held.find(b"\n" + END) + 1
        if end or held.startswith(END):
            return held[end + len(END) :], passed + end + len(END)
        # The beginning of the last line is kept: it may be the block's end, cut in two.
        cut = max(held.rfind(b"\n"), 0)
        passed, held = passed + cut, held[cut:]
        chunk = stream.read(CHUNK_BYTES)
        if not chunk:
            raise SourceRefused(f"The dump {path} is cut off: the rows of a table do not end.")
        held += chunk


def _pass_over(stream: BinaryIO, size: int) -> None:
    while size:
        taken = len(stream.read(min(size, CHUNK_BYTES)))
        if not taken:
            return
        size -= taken
