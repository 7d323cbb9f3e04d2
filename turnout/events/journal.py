"""The durable log on disk: nothing is acknowledged before it is here.

Requests that arrive together are written and synced together (group commit): while one group is
on its way to the disk, the next one gathers. A process always begins a new file and never
reopens one; after any failure the file is abandoned and the next group tries a new one, so a
full disk heals by itself. `pending` reads what is proven whole, `retire` deletes what is loaded.
"""

from __future__ import annotations

import asyncio
import os
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from turnout.errors import JournalUnavailable
from turnout.events import segment

# A group is closed at this size; a request larger than it makes a group of its own.
GROUP_BYTES_MAX = 8 * 1024 * 1024
# More than this waiting for the disk means that it cannot keep up.
WAITING_BYTES_MAX = 64 * 1024 * 1024
TIME_FORMAT = "%Y%m%dT%H%M%S.%fZ"
# While the disk is busy with group after group, each waits this long for company: a hand-over to
# the writing thread costs more than the requests themselves.
GATHER_S = 0.001


@dataclass(slots=True)
class Waiting:
    """One request's lines and the future its sender waits on."""

    lines: Sequence[bytes]
    size: int
    done: asyncio.Future[None]


class Journal:
    """The writing side, one per collector process. All methods belong to one event loop."""

    def __init__(self, folder: Path, *, segment_bytes_max: int, name: str) -> None:
        """Files go to `folder` and carry `name`, which tells collectors apart for a reader."""
        self._files = SegmentWriter(folder, segment_bytes_max=segment_bytes_max, name=name)
        self._waiting: deque[Waiting] = deque()
        self._waiting_bytes = 0
        self._committer: asyncio.Task[None] | None = None
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="journal")

    async def append(self, lines: Sequence[bytes]) -> None:
        """Return when `lines` are on the disk for good.

        Raises `JournalUnavailable` when they may not be; the caller's sender should try again.
        """
        size = sum(map(len, lines))
        if self._waiting and self._waiting_bytes + size > WAITING_BYTES_MAX:
            raise JournalUnavailable("Too many events wait for the disk; send them again later.")
        loop = asyncio.get_running_loop()
        entry = Waiting(lines, size, loop.create_future())
        self._waiting.append(entry)
        self._waiting_bytes += size
        if self._committer is None:
            self._committer = loop.create_task(self._commit_groups())
        await entry.done

    async def close(self) -> None:
        """Finish what waits, then let go of the file."""
        if self._committer is not None:
            await self._committer
        await asyncio.get_running_loop().run_in_executor(self._thread, self._files.close)
        self._thread.shutdown()

    async def _commit_groups(self) -> None:
        loop = asyncio.get_running_loop()
        while self._waiting:
            group = self._next_group()
            block = segment.seal([line for entry in group for line in entry.lines])
            error: JournalUnavailable | None = None
            try:
                await loop.run_in_executor(self._thread, self._files.write, block)
            except OSError as failure:
                error = JournalUnavailable(f"The journal cannot be written: {failure.strerror}.")
            _answer(group, error)
            await asyncio.sleep(GATHER_S)
        self._committer = None

    def _next_group(self) -> list[Waiting]:
        group: list[Waiting] = []
        size = 0
        while self._waiting and (not group or size + self._waiting[0].size <= GROUP_BYTES_MAX):
            entry = self._waiting.popleft()
            size += entry.size
            group.append(entry)
        self._waiting_bytes -= size
        return group


class SegmentWriter:
    """The file being written. Its methods run in the journal's thread, one at a time."""

    def __init__(self, folder: Path, *, segment_bytes_max: int, name: str) -> None:
        self._folder = folder
        self._bytes_max = segment_bytes_max
        self._name = name
        self._file: int | None = None
        self._path = folder
        self._size = 0
        self._begun_at = datetime.min.replace(tzinfo=UTC)

    def write(self, block: bytes) -> None:
        """Make one block durable; after an `OSError` nothing of it is left to be read."""
        if self._file is not None and self._size >= self._bytes_max:
            self.close()
        file = self._file if self._file is not None else self._begin()
        try:
            write_durably(file, block)
        except OSError:
            self._abandon(file)
            raise
        self._size += len(block)

    def close(self) -> None:
        if self._file is not None:
            os.close(self._file)
            self._file = None

    def _begin(self) -> int:
        """A new file whose name sorts after every earlier one of this process."""
        self._folder.mkdir(parents=True, exist_ok=True)
        now = datetime.now(UTC)
        self._begun_at = max(now, self._begun_at + datetime.resolution)
        self._path = self._folder / (
            f"{self._begun_at.strftime(TIME_FORMAT)}-{self._name}{segment.SUFFIX}"
        )
        file = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_DSYNC, 0o600)
        try:
            segment.lock(file)
            _sync_folder(self._folder)
        except OSError:
            os.close(file)
            raise
        self._file, self._size = file, 0
        return file

    def _abandon(self, file: int) -> None:
        """Take back the unacknowledged block and never write to this file again."""
        with suppress(OSError):
            os.ftruncate(file, self._size)
            if self._size == 0:
                self._path.unlink()
        self.close()


@dataclass(slots=True)
class Pending:
    """Lines not yet loaded, and the positions to keep in the same transaction as their rows."""

    blocks: list[memoryview] = field(default_factory=list)
    positions: dict[str, int] = field(default_factory=dict)
    size: int = 0
    damaged_bytes: int = 0


def pending(folder: Path, positions: Mapping[str, int], *, bytes_max: int) -> Pending:
    """Proven blocks after `positions`, oldest file first, about `bytes_max` in all.

    At least one block is returned when there is one, however large. A closed file that holds
    nothing more has its position moved to its end.
    """
    found = Pending()
    for path in segment.segments(folder):
        with _opened(path) as file:
            if file is None:
                continue
            # Later files wait while this one has more: order is kept.
            if not _read_on(file, path.name, positions.get(path.name, 0), bytes_max, found):
                break
    return found


def backlog_bytes(folder: Path, positions: Mapping[str, int]) -> int:
    """How many bytes lie after `positions`."""
    left = 0
    for path in segment.segments(folder):
        with suppress(FileNotFoundError):
            left += max(0, path.stat().st_size - positions.get(path.name, 0))
    return left


def retire(folder: Path, positions: Mapping[str, int], *, before: datetime) -> int:
    """Delete files that are closed, loaded to their end and last written before `before`.

    How many were deleted.
    """
    deleted = 0
    for path in segment.segments(folder):
        with _opened(path) as file:
            if file is None or not segment.is_closed(file):
                continue
            status = os.fstat(file)
            is_loaded = positions.get(path.name, 0) >= status.st_size
        if is_loaded and status.st_mtime < before.timestamp():
            path.unlink(missing_ok=True)
            deleted += 1
    return deleted


def _answer(group: list[Waiting], error: JournalUnavailable | None) -> None:
    for entry in group:
        if entry.done.done():
            continue  # its sender has gone away
        if error is None:
            entry.done.set_result(None)
        else:
            entry.done.set_exception(error)


def write_durably(file: int, block: bytes) -> None:
    """With O_DSYNC a write returns when its bytes are on the disk, and in one system call."""
    left = memoryview(block)
    while left:
        left = left[os.write(file, left) :]


def _sync_folder(folder: Path) -> None:
    """Make a new file's name as durable as its content."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def _opened(path: Path) -> Iterator[int | None]:
    try:
        file = os.open(path, os.O_RDONLY)
    except FileNotFoundError:
        yield None  # retired meanwhile
        return
    try:
        yield file
    finally:
        os.close(file)


def _read_on(file: int, name: str, position: int, bytes_max: int, found: Pending) -> bool:
    """Add this file's blocks after `position` to `found`; whether it holds nothing more."""
    # Asked before reading: once closed, what is read next is all there will ever be.
    closed = segment.is_closed(file)
    size = os.fstat(file).st_size
    wanted = bytes_max - found.size
    while wanted > 0 and position < size:
        text = os.pread(file, min(wanted, size - position), position)
        reached = _add_blocks(text, found)
        if reached:
            found.positions[name] = position + reached
            return position + len(text) >= size
        if position + len(text) >= size:
            break
        wanted *= 2
    if closed and wanted > 0 and position < size:
        found.damaged_bytes += size - position
        found.positions[name] = size
    return wanted > 0


def _add_blocks(text: bytes, found: Pending) -> int:
    """Where the last proven block of `text` ends; 0 when there is none."""
    reached = 0
    view = memoryview(text)
    for start, lines_end, end in segment.whole_blocks(text):
        found.blocks.append(view[start:lines_end])
        found.damaged_bytes += start - reached
        reached = end
    found.size += reached
    return reached
