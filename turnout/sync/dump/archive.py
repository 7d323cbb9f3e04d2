"""PostgreSQL's own archives, as pg_dump writes them: the custom format, and a directory.

Both begin with a header and a table of contents; a row of it holds a definition, or says where the
rows of a table are. Versions 1.12 to 1.16 of the format are PostgreSQL 9.0 to 18; later ones are
tried, since what they add has always come at places that can be told.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO

from turnout.errors import SourceRefused
from turnout.sync.dump.streams import Chunks, Codec, decompressed

MAGIC = b"PGDMP"
CONTENTS = "toc.dat"
# A directory's contents are written as those of a tar file are.
CUSTOM, DIRECTORY = 1, 3
CODECS: dict[int, Codec] = {0: "none", 1: "gzip", 2: "lz4", 3: "zstd"}
SUFFIXES: dict[str, Codec] = {"": "none", ".gz": "gzip", ".lz4": "lz4", ".zst": "zstd"}
# Where the rows of an entry begin is known, and the mark of a block that holds rows.
POSITION_KNOWN, NO_ROWS = 2, 3
ROWS = 1
# What each version of the format brought.
WITH_ACCESS_METHOD, WITH_CODEC, WITH_KIND = (1, 14), (1, 15), (1, 16)
OLDEST, NEWEST = (1, 12), (1, 16)


@dataclass(frozen=True, slots=True)
class Entry:
    """One row of the table of contents. `place` is where its rows are: an offset, or a file."""

    number: int
    tag: str
    kind: str
    definition: str
    copy: str
    schema: str
    oid: str
    has_rows: bool
    place: int | str | None


@dataclass(frozen=True, slots=True)
class Archive:
    """An archive's contents, and the way to its rows."""

    path: Path
    created_at: datetime
    entries: tuple[Entry, ...]
    codec: Codec
    rows_begin: int
    integer_bytes: int

    def open(self, entry: Entry) -> BinaryIO:
        """The rows of a table as text. Raises `SourceRefused` if they are not there."""
        if isinstance(entry.place, str):
            return self._open_file(entry.place)
        with ExitStack() as closing:
            file = closing.enter_context(self.path.open("rb"))
            reader = Reader(file, self.path, self.integer_bytes)
            file.seek(entry.place if entry.place is not None else self.rows_begin)
            self._find(entry, reader)
            closing.pop_all()
        return decompressed(Chunks(reader.chunks(), file), self.codec)

    def _find(self, entry: Entry, reader: Reader) -> None:
        """Go to where the rows begin. An archive written to a pipe does not know: one looks."""
        while True:
            mark, number = reader.byte(), reader.integer()
            if number != entry.number:
                for _ in reader.chunks():
                    pass
            elif mark == ROWS:
                return
            else:
                raise reader.unreadable("its rows are of a kind that is not known here")

    def _open_file(self, name: str) -> BinaryIO:
        for suffix, codec in SUFFIXES.items():
            path = self.path.parent / f"{name}{suffix}"
            if path.exists():
                return decompressed(path.open("rb"), codec)
        raise SourceRefused(f"The file {name} is missing in {self.path.parent}.")


class Reader:
    """The numbers and texts that an archive is made of."""

    def __init__(self, file: BinaryIO, path: Path, integer_bytes: int = 4) -> None:
        self.file = file
        self.integer_bytes = integer_bytes
        self.offset_bytes = 8
        self._path = path

    def take(self, size: int) -> bytes:
        taken = self.file.read(size)
        if len(taken) < size:
            raise self.unreadable("it is cut off")
        return taken

    def byte(self) -> int:
        return self.take(1)[0]

    def integer(self) -> int:
        sign = self.byte()
        number = int.from_bytes(self.take(self.integer_bytes), "little")
        return -number if sign else number

    def text(self) -> str:
        """A text; an empty one also for what is not there at all."""
        size = self.integer()
        return self.take(size).decode("utf-8", "surrogateescape") if size > 0 else ""

    def chunks(self) -> Iterator[bytes]:
        """Pieces of one block, each with its size before it; a size of 0 is the end."""
        while size := self.integer():
            if size < 0:
                raise self.unreadable("it is damaged")
            yield self.take(size)

    def unreadable(self, why: str) -> SourceRefused:
        return SourceRefused(f"The dump {self._path} cannot be read: {why}.")


def is_archive(path: Path) -> bool:
    """Whether pg_dump wrote this as an archive: a file, or the folder around a `toc.dat`."""
    if path.is_dir():
        return (path / CONTENTS).is_file()
    with path.open("rb") as file:
        return file.read(len(MAGIC)) == MAGIC


def read_archive(path: Path) -> Archive:
    """The contents of the archive at `path`. Raises `SourceRefused` when they cannot be read."""
    path = path / CONTENTS if path.is_dir() else path
    with path.open("rb") as file:
        reader = Reader(file, path)
        reader.take(len(MAGIC))
        version = (reader.byte(), reader.byte())
        reader.byte()
        reader.integer_bytes, reader.offset_bytes, format_ = (reader.byte() for _ in range(3))
        _refuse_strange(reader, version, format_)
        codec = _codec(reader, version)
        created_at = _created_at(reader)
        for _ in ("database", "version of the server", "version of pg_dump"):
            reader.text()
        entries = tuple(_entry(reader, version, format_) for _ in range(reader.integer()))
        return Archive(path, created_at, entries, codec, file.tell(), reader.integer_bytes)


def _refuse_strange(reader: Reader, version: tuple[int, int], format_: int) -> None:
    if format_ not in (CUSTOM, DIRECTORY):
        raise reader.unreadable("its format is not known here")
    if version < OLDEST or version[0] > NEWEST[0]:
        raise reader.unreadable(f"its version {version[0]}.{version[1]} is not known here")


def _codec(reader: Reader, version: tuple[int, int]) -> Codec:
    if version < WITH_CODEC:
        # The level of gzip, where -1 is the usual one.
        return "gzip" if reader.integer() else "none"
    number = reader.byte()
    if number not in CODECS:
        raise reader.unreadable("its compression is not known here")
    return CODECS[number]


def _created_at(reader: Reader) -> datetime:
    """When it was begun, by the clock and zone of the machine that dumped: taken for our zone."""
    second, minute, hour, day, month, year, is_summer = (reader.integer() for _ in range(7))
    moment = (year + 1900, month + 1, day, hour, minute, second, 0, 0, is_summer)
    return datetime.fromtimestamp(time.mktime(moment), UTC)


def _entry(reader: Reader, version: tuple[int, int], format_: int) -> Entry:
    number, has_rows = reader.integer(), bool(reader.integer())
    _, oid, tag, kind = (reader.text() for _ in range(4))
    reader.integer()  # its section
    definition, _, copy, schema, _ = (reader.text() for _ in range(5))
    if version >= WITH_ACCESS_METHOD:
        reader.text()
    if version >= WITH_KIND:
        reader.integer()
    for _ in ("owner", "with oids"):
        reader.text()
    _pass_over_dependencies(reader)
    place = _offset(reader) if format_ == CUSTOM else reader.text() or None
    return Entry(number, tag, kind, definition, copy, schema, oid, has_rows, place)


def _pass_over_dependencies(reader: Reader) -> None:
    """Texts up to one that is not there, which is not an empty one."""
    while (size := reader.integer()) >= 0:
        reader.take(size)


def _offset(reader: Reader) -> int | None:
    state = reader.byte()
    offset = int.from_bytes(reader.take(reader.offset_bytes), "little")
    return offset if state == POSITION_KNOWN else None
