"""The durable log on disk: nothing is acknowledged before it is here.

Requests that arrive together are written and synced together (group commit). After any failure
the file is abandoned and the next group tries a new one, so a full disk heals by itself. `pending`
reads what is proven whole, `blocks_of_closed` one file, `retire` deletes what is loaded.
"""

from __future__ import annotations

import asyncio
import os
import re
import time
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from turnout import meters
from turnout.errors import JournalUnavailable
from turnout.events import segment
from turnout.events.segment_file import SegmentFile

if TYPE_CHECKING:
    from turnout.events.seen import Seen

# A group is closed at this size; a request larger than it makes a group of its own.
GROUP_BYTES_MAX = 8 * 1024 * 1024
# More than this waiting for the disk means that it cannot keep up.
WAITING_BYTES_MAX = 64 * 1024 * 1024
# A disk this fast is written to in place: the hand-over to a thread would cost more than the write.
IN_PLACE_S_MAX = 0.0006
# A slower one gets a thread, each group waits this long for company, and one group of so many is
# still written in place, to learn whether the disk is fast again.
GATHER_S = 0.001
PROBE_EVERY = 100
# Senders give up after 8 s at the earliest; so much sooner they are told to come again.
WAIT_MAX_S = 5.0
SEGMENT_AGE_MAX_S = 3600.0
# Every line has its time in front of the event.
RECEIVED_AT = re.compile(rb'"received_at":"([^"]{20,32})"')
HEAD_BYTES = 16 * 1024
TOO_SLOW = JournalUnavailable("The disk is too slow at the moment; send the events again.")


@dataclass(slots=True)
class Waiting:
    """One request's lines and the future its sender waits on."""

    lines: Sequence[bytes]
    fingerprints: Sequence[int]
    size: int
    done: asyncio.Future[None]
    since_s: float


class Journal:
    """The writing side, one per collector process. All methods belong to one event loop."""

    def __init__(
        self,
        folder: Path,
        *,
        segment_bytes_max: int,
        name: str,
        segment_age_max_s: float = SEGMENT_AGE_MAX_S,
        seen: Seen | None = None,
    ) -> None:
        """Files go to `folder` and carry `name`, which tells collectors apart for a reader."""
        self._files = SegmentFile(
            folder, bytes_max=segment_bytes_max, age_max_s=segment_age_max_s, name=name
        )
        self._seen = seen
        self._waiting: deque[Waiting] = deque()
        self._waiting_bytes = 0
        self._writing: list[Waiting] = []
        self._committer: asyncio.Task[None] | None = None
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="journal")
        self._groups = 0
        self._write_s = 0.0  # what a write in place took of late

    async def append(self, lines: Sequence[bytes], fingerprints: Sequence[int] = ()) -> None:
        """Return when `lines` are on the disk for good; then `fingerprints` are in the index.

        Raises `JournalUnavailable` when they may not be; the caller's sender should try again.
        """
        size = sum(map(len, lines))
        if self._waiting and self._waiting_bytes + size > WAITING_BYTES_MAX:
            raise JournalUnavailable("Too many events wait for the disk; send them again later.")
        loop = asyncio.get_running_loop()
        entry = Waiting(lines, fingerprints, size, loop.create_future(), loop.time())
        self._waiting.append(entry)
        self._waiting_bytes += size
        if self._committer is None:
            self._committer = loop.create_task(self._commit_groups())
        await entry.done

    async def tend(self) -> None:
        """To be called about once a second: nobody waits too long, no file stays open for ever."""
        late = asyncio.get_running_loop().time() - WAIT_MAX_S
        # What is being written may still become durable: its sender tries again, and the loader
        # finds the repeat.
        _answer([each for each in self._writing if each.since_s < late], TOO_SLOW)
        while self._waiting and self._waiting[0].since_s < late:
            entry = self._waiting.popleft()
            self._waiting_bytes -= entry.size
            _answer([entry], TOO_SLOW)
        if self._committer is None:
            self._files.close_if_old(time.monotonic())

    async def close(self) -> None:
        """Finish what waits, then let go of the file."""
        if self._committer is not None:
            await self._committer
        self._files.close()
        self._thread.shutdown()

    async def _commit_groups(self) -> None:
        while self._waiting:
            # Whoever came in the same moment is of the same group.
            await asyncio.sleep(0 if self._is_fast else GATHER_S)
            self._writing = self._next_group()
            error: JournalUnavailable | None = None
            try:
                await self._commit(self._writing)
            except OSError as failure:
                error = JournalUnavailable(f"The journal cannot be written: {failure.strerror}.")
            _answer(self._writing, error)
            self._writing = []
        self._committer = None

    async def _commit(self, group: list[Waiting]) -> None:
        """Write, sync, remember: in this order, or a crash in between would lose an event."""
        block = segment.seal([line for entry in group for line in entry.lines])
        self._groups += 1
        began_s = time.perf_counter()
        if self._is_fast or self._groups % PROBE_EVERY == 0:
            self._files.write(block)
            self._write_s += (time.perf_counter() - began_s - self._write_s) / 4
        else:
            loop = asyncio.get_running_loop()
            await loop.run_in_executor(self._thread, self._files.write, block)
        meters.FSYNC_SECONDS.observe(time.perf_counter() - began_s)
        if self._seen is not None:
            for entry in group:
                self._seen.add(entry.fingerprints)

    @property
    def _is_fast(self) -> bool:
        return self._write_s < IN_PLACE_S_MAX

    def _next_group(self) -> list[Waiting]:
        group: list[Waiting] = []
        size = 0
        while self._waiting and (not group or size + self._waiting[0].size <= GROUP_BYTES_MAX):
            entry = self._waiting.popleft()
            size += entry.size
            group.append(entry)
        self._waiting_bytes -= size
        return group


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
    return sum(size - position for _, position, size in _unloaded(folder, positions))


def backlog_seconds(folder: Path, positions: Mapping[str, int], *, now: datetime) -> float:
    """How long the oldest line after `positions` has waited; 0 when there is none."""
    for path, position, _ in _unloaded(folder, positions):
        with _opened(path) as file:
            if file is None:
                continue
            head = os.pread(file, HEAD_BYTES, position)
            received = RECEIVED_AT.search(head)
            since = (
                datetime.fromisoformat(received[1].decode())
                if received
                else datetime.fromtimestamp(os.fstat(file).st_mtime, UTC)
            )
        return max(0.0, (now - since).total_seconds())
    return 0.0


def blocks_of_closed(path: Path, position: int, *, bytes_max: int) -> Iterator[memoryview]:
    """The lines of every proven block after `position`; none while the file is being written.

    About `bytes_max` are read at a time. What is given is on the disk for good.
    """
    with _opened(path) as file:
        if file is None or not segment.is_closed(file):
            return
        os.fsync(file)  # its writer may have been killed between write and sync
        positions = {path.name: position}
        found = Pending()
        while not _read_on(file, path.name, positions[path.name], bytes_max, found):
            yield from found.blocks
            positions, found = found.positions, Pending()
        yield from found.blocks


def retire(
    folder: Path,
    positions: Mapping[str, int],
    *,
    before: datetime,
    bytes_max: int | None = None,
) -> int:
    """Delete files last written before `before`, and the oldest ones beyond `bytes_max` in all.

    Only files that are closed and loaded to their end. How many were deleted.
    """
    paths = segment.segments(folder)
    too_much = sum(map(_size, paths)) - bytes_max if bytes_max is not None else 0
    deleted = 0
    for path in paths:
        with _opened(path) as file:
            if file is None or not segment.is_closed(file):
                continue
            status = os.fstat(file)
        is_loaded = positions.get(path.name, 0) >= status.st_size
        if is_loaded and (status.st_mtime < before.timestamp() or too_much > 0):
            path.unlink(missing_ok=True)
            too_much -= status.st_size
            deleted += 1
    return deleted


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0  # retired meanwhile


def _unloaded(folder: Path, positions: Mapping[str, int]) -> Iterator[tuple[Path, int, int]]:
    """(file, position, size) of every file that goes on after its position, oldest first."""
    for path in segment.segments(folder):
        size, position = _size(path), positions.get(path.name, 0)
        if position < size:
            yield path, position, size


def _answer(group: list[Waiting], error: JournalUnavailable | None) -> None:
    for entry in group:
        if entry.done.done():
            continue  # its sender has gone away
        if error is None:
            entry.done.set_result(None)
        else:
            entry.done.set_exception(error)


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
