"""One file of 8-byte slots in shared memory: a hash table that several processes fill together.

Nothing is locked. Two processes that take the same slot at the same moment lose one of the two
entries, and a slot is never half written; whoever uses this must be able to live without an entry.
The whole file is allocated at its making, so that a full disk is an error then and not later.
"""

from __future__ import annotations

import mmap
import os
import secrets
import zlib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from struct import Struct

MAGIC = 0x5455524E_53454E31
# Magic number, how many slots follow, milliseconds since 1970 when it was begun, checksum.
HEADER = Struct("=QQQQ")
HEADER_SLOTS = HEADER.size // 8
EMPTY = 0
# An entry stands less than so far from its place; one that would stand farther is not kept. As many
# slots more than the table has places let a search run on beyond the last place.
REACH = 64
# The fill is estimated from so many slots: exact to about 2 %.
SAMPLE_SLOTS = 512
ZEROS = bytes(1 << 20)
TAG = (1 << 64) - 1


class Damaged(Exception):
    """A file that is not one whole table of slots."""


class Slots:
    """An open table. Values are integers above 64 bits: the low 64 are kept, the rest say where."""

    __slots__ = ("_file", "begun_ms", "count", "path", "slots")

    def __init__(self, path: Path) -> None:
        """Open an existing table; raises `Damaged` or `OSError`."""
        self.path = path
        self._file = os.open(path, os.O_RDWR)
        try:
            self.count, self.begun_ms = _read_header(self._file)
            mapped = mmap.mmap(self._file, 0)
        except BaseException:
            os.close(self._file)
            raise
        self.slots = memoryview(mapped).cast("Q")[HEADER_SLOTS:]

    def __del__(self) -> None:
        # Lookups in other threads may still hold the memory: the last of them frees it.
        with suppress(AttributeError, OSError):
            os.close(self._file)

    @classmethod
    def create(cls, path: Path, count: int, begun_ms: int) -> Slots:
        """A new table at `path`, or the one that another process made there first."""
        with _aside(path, _size(count)) as (file, aside):
            values = (MAGIC, count, begun_ms)
            os.pwrite(file, HEADER.pack(*values, _checksum(*values)), 0)
            os.fsync(file)
            with suppress(FileExistsError):
                os.link(aside, path)
        return cls(path)

    def add(self, values: Iterable[int]) -> None:
        """Keep `values`, but those near whose place all slots are taken."""
        slots, count = self.slots, self.count
        for value in values:
            tag = (value & TAG) or 1
            near = (value >> 64) % count
            end = near + REACH
            while (found := slots[near]) != EMPTY and found != tag:
                near += 1
                if near == end:
                    break
            else:
                slots[near] = tag

    def fill(self) -> float:
        """About which share of the slots is taken."""
        step = max(1, self.count // SAMPLE_SLOTS)
        sample = self.slots[secrets.randbelow(step) : self.count : step].tolist()
        return 1 - sample.count(EMPTY) / len(sample)

    def sync(self) -> None:
        """Bring what was added to the disk."""
        os.fsync(self._file)  # on what is mapped too; unlike msync it lets other threads run


def has(tables: Iterable[tuple[memoryview[int], int]], value: int) -> bool:
    """Whether one of `tables`, each (slots, count), keeps `value`: the one question asked often."""
    tag = (value & TAG) or 1
    place = value >> 64
    for slots, count in tables:
        near = place % count
        end = near + REACH
        while found := slots[near]:
            if found == tag:
                return True
            near += 1
            if near == end:
                break
    return False


def known(tables: Sequence[tuple[memoryview[int], int]], values: Iterable[int]) -> set[int]:
    """Those of `values` that one of `tables` keeps."""
    found = set()
    for value in values:
        place = value >> 64
        for slots, count in tables:
            # Nearly always nothing is there, and that is all there is to see.
            if slots[place % count] and has(((slots, count),), value):
                found.add(value)
                break
    return found


def _read_header(file: int) -> tuple[int, int]:
    """(slots, begun_ms)."""
    header = os.pread(file, HEADER.size, 0)
    if len(header) < HEADER.size:
        raise Damaged
    magic, count, begun_ms, checksum = HEADER.unpack(header)
    # Memory mapped beyond the end of its file would end the process at the first touch.
    whole = os.fstat(file).st_size == _size(count)
    if magic != MAGIC or checksum != _checksum(magic, count, begun_ms) or not whole or not count:
        raise Damaged
    return count, begun_ms


def _size(count: int) -> int:
    return HEADER.size + 8 * (count + REACH)


def _checksum(*values: int) -> int:
    return zlib.crc32(HEADER.pack(*values, 0))


@contextmanager
def _aside(path: Path, size: int) -> Iterator[tuple[int, Path]]:
    """A new file of `size` bytes of zeros that really has its place on the disk; then it goes."""
    aside = path.with_name(f"{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
    file = os.open(aside, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        _allocate(file, size)
        yield file, aside
    finally:
        os.close(file)
        aside.unlink(missing_ok=True)


def _allocate(file: int, size: int) -> None:
    if hasattr(os, "posix_fallocate"):
        os.posix_fallocate(file, 0, size)
        return
    for start in range(0, size, len(ZEROS)):
        os.pwrite(file, ZEROS[: size - start], start)
