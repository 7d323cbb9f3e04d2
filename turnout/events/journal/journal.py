"""The durable log on disk: nothing is acknowledged before it is here.

Requests that arrive together are written and synced together (group commit). After any failure
the file is abandoned and the next group tries a new one, so a full disk heals by itself. `pending`
reads what is proven whole, `blocks_of_closed` one file, `retire` deletes what is loaded.
"""

from __future__ import annotations

import asyncio
import os
import re
import threading
import time
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any

import structlog

from turnout import meters
from turnout.errors import JournalUnavailable
from turnout.events.journal import segment
from turnout.events.journal.segment_file import SegmentFile

if TYPE_CHECKING:
    from turnout.events.journal.seen import Seen

# A group is closed at this size; a request larger than it makes a group of its own. While one is
# on its way to the disk the next requests are judged: larger groups would all wait together.
GROUP_BYTES_MAX = 1024 * 1024
# More than this waiting for the disk means that it cannot keep up.
WAITING_BYTES_MAX = 64 * 1024 * 1024
# A disk this fast is written to in place: the hand-over to a thread would cost more than the write.
IN_PLACE_S_MAX = 0.0006
# A slower one gets a thread, and one group of so many is still written in place, to learn whether
# the disk is fast again.
PROBE_EVERY = 100
# While closing, how often to look whether the thread is done.
CLOSE_LOOK_S = 0.005
# Senders give up after 8 s at the earliest; so much sooner they are told to come again.
WAIT_MAX_S = 5.0
SEGMENT_AGE_MAX_S = 3600.0
# Every line has its time in front of the event.
RECEIVED_AT = re.compile(rb'"received_at":"([^"]{20,32})"')
HEAD_BYTES = 16 * 1024
TOO_SLOW = JournalUnavailable("The disk is too slow at the moment; send the events again.")

log = structlog.get_logger()


class Outcome(asyncio.Future[None]):
    """What all requests of a group wait on; one that is given up takes no other along."""

    def cancel(self, msg: Any = None) -> bool:  # noqa: ARG002 - as its base has it
        return False


class Group:
    """Requests that are written and synced together."""

    __slots__ = ("done", "fingerprints", "lines", "since_s", "size")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.lines: list[bytes] = []
        self.fingerprints: list[int] = []
        self.size = 0
        self.done = Outcome(loop=loop)
        self.since_s = loop.time()

    def answer(self, error: JournalUnavailable | None) -> None:
        """To all who wait, unless they were answered before."""
        if self.done.done():
            return
        if error is None:
            self.done.set_result(None)
        else:
            self.done.set_exception(error)
            self.done.exception()  # it is no news if everybody has gone away


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
        self._waiting: deque[Group] = deque()
        self._waiting_bytes = 0
        self._writing: Group | None = None
        self._is_begun = False
        self._groups = 0
        self._write_s = 0.0  # what a write in place took of late
        # A queue of its own costs a third of what an executor does.
        self._handed: SimpleQueue[tuple[asyncio.AbstractEventLoop, Group, float] | None]
        self._handed = SimpleQueue()
        self._thread: threading.Thread | None = None

    async def append(self, lines: Sequence[bytes], fingerprints: Sequence[int] = ()) -> None:
        """Return when `lines` are on the disk for good; then `fingerprints` are in the index.

        Raises `JournalUnavailable` when they may not be; the caller's sender should try again.
        """
        size = sum(map(len, lines))
        if self._waiting and self._waiting_bytes + size > WAITING_BYTES_MAX:
            raise JournalUnavailable("Too many events wait for the disk; send them again later.")
        loop = asyncio.get_running_loop()
        group = self._waiting[-1] if self._waiting else None
        if group is None or group.size + size > GROUP_BYTES_MAX:
            group = Group(loop)
            self._waiting.append(group)
        group.lines += lines
        group.fingerprints += fingerprints
        group.size += size
        self._waiting_bytes += size
        if not self._is_begun:
            # Whoever comes in the same moment is of the same group.
            self._is_begun = True
            loop.call_soon(self._begin)
        await group.done

    async def tend(self) -> None:
        """To be called about once a second: nobody waits too long, no file stays open for ever."""
        late = asyncio.get_running_loop().time() - WAIT_MAX_S
        # What is being written may still become durable: its senders try again, and the loader
        # finds the repeats.
        if self._writing is not None and self._writing.since_s < late:
            self._writing.answer(TOO_SLOW)
        while self._waiting and self._waiting[0].since_s < late:
            self._next_group().answer(TOO_SLOW)
        if not self._is_begun:
            self._files.close_if_old(time.monotonic())

    async def close(self) -> None:
        """Finish what waits, then let go of the file."""
        while self._is_begun:
            last = self._waiting[-1] if self._waiting else self._writing
            if last is not None:
                await asyncio.wait([last.done])
            await asyncio.sleep(0 if last is None or self._writing is None else CLOSE_LOOK_S)
        self._files.close()
        self._handed.put(None)
        if self._thread is not None:
            self._thread.join()

    def _begin(self) -> None:
        """Write the next group: in place, or in the thread while the loop goes on."""
        if not self._waiting:
            self._is_begun = False
            return
        group = self._writing = self._next_group()
        self._groups += 1
        began_s = time.perf_counter()
        if self._is_fast or self._groups % PROBE_EVERY == 0:
            error = self._write(group)
            self._write_s += (time.perf_counter() - began_s - self._write_s) / 4
            self._end(group, began_s, error)
            return
        if self._thread is None:
            self._thread = threading.Thread(target=self._write_handed, name="journal", daemon=True)
            self._thread.start()
        self._handed.put((asyncio.get_running_loop(), group, began_s))

    def _write_handed(self) -> None:
        while (handed := self._handed.get()) is not None:
            loop, group, began_s = handed
            loop.call_soon_threadsafe(self._end, group, began_s, self._write(group))

    def _write(self, group: Group) -> JournalUnavailable | None:
        try:
            self._files.write(segment.seal(group.lines))
        except OSError as failure:
            return JournalUnavailable(f"The journal cannot be written: {failure.strerror}.")
        except Exception:  # whoever waits must hear something, and the next group have its turn
            log.exception("a group was not written")
            return JournalUnavailable("The journal cannot be written.")
        return None

    def _end(self, group: Group, began_s: float, error: JournalUnavailable | None) -> None:
        """Remember, then answer: in this order, or a crash in between would lose an event."""
        meters.FSYNC_SECONDS.observe(time.perf_counter() - began_s)
        if error is None and self._seen is not None:
            self._seen.add(group.fingerprints)
        group.answer(error)
        self._writing = None
        if self._waiting:
            asyncio.get_running_loop().call_soon(self._begin)
        else:
            self._is_begun = False

    @property
    def _is_fast(self) -> bool:
        return self._write_s < IN_PLACE_S_MAX

    def _next_group(self) -> Group:
        group = self._waiting.popleft()
        self._waiting_bytes -= group.size
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
