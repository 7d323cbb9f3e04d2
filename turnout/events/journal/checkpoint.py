"""How far the journal is in the door's index for good, and reading on from there after a crash.

The note names the lengths of the newest journal files at a moment a while ago: since then their
entries were added to the index, and the index was brought to the disk. What came later, a power
cut may have taken from the index, and is read again. Repeating that is harmless, so is missing a
line of it: the loader decides in the end.
"""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import msgspec
import structlog

from turnout.events.journal import journal, segment
from turnout.events.journal.seen import Seen, scope_of

FILE_NAME = "checkpoint.json"
EVERY_S = 10.0
# Journal files written to within this time before a note are named in it.
RECENT_S = 60.0
READ_BYTES = 1024 * 1024

log = structlog.get_logger()


class Note(msgspec.Struct, frozen=True):
    """Of the files written to since `since_s` (seconds since 1970), what lies before `lengths`."""

    since_s: float
    lengths: dict[str, int]


class Line(msgspec.Struct, frozen=True):
    """What a journal line says about its event; `reason` is there when it was refused."""

    id: str
    source: str
    schema: str
    reason: str | None = None


_decode_line = msgspec.json.Decoder(Line).decode
_decode_note = msgspec.json.Decoder(Note).decode


class Checkpoint:
    """Notes how far the index is safe; one per collector process, all of them on one file."""

    def __init__(self, folder: Path, journal_folder: Path) -> None:
        """The note lies in `folder`, beside the tables."""
        self._folder = folder
        self._journal = journal_folder
        self._observed: Note | None = None

    def take(self, seen: Seen) -> None:
        """To be called every `EVERY_S`. Notes what was there at the call before this one.

        Meanwhile every process has added what it had written then.
        """
        observed = self._observed
        self._observed = _observe(self._journal)
        if observed is None or observed.lengths == self._observed.lengths == {}:
            return
        self._note(seen, observed)

    def recover(self, seen: Seen) -> int:
        """Add what the journal holds after the note; how many lines were read.

        Only files nobody writes to are read: a living process adds its own events itself.
        """
        with _alone(self._folder) as is_alone:
            if not is_alone:
                return 0  # another process is at it
            note = None if seen.has_gaps else _read(self._folder / FILE_NAME)
            after = _observe(self._journal)
            count = sum(
                _add_all(seen, path, start) for path, start in _unnoted(self._journal, note)
            )
            # Or a process that is killed again and again would read more at each start.
            if count:
                self._note(seen, after)
            return count

    def _note(self, seen: Seen, observed: Note) -> None:
        try:
            seen.sync()
            _write(self._folder / FILE_NAME, msgspec.json.encode(observed))
        except OSError as error:
            log.warning("the door's index cannot be brought to the disk", problem=error.strerror)


def _observe(folder: Path) -> Note:
    since_s = time.time() - RECENT_S
    lengths: dict[str, int] = {}
    for path in segment.segments(folder):
        with suppress(FileNotFoundError):
            status = path.stat()
            if status.st_mtime >= since_s:
                lengths[path.name] = status.st_size
    return Note(since_s, lengths)


def _unnoted(folder: Path, note: Note | None) -> Iterator[tuple[Path, int]]:
    """The files that may hold more than the index, each with the position to read from."""
    for path in segment.segments(folder):
        with suppress(FileNotFoundError):
            if note is None:
                yield path, 0
            elif path.stat().st_mtime >= note.since_s:
                yield path, note.lengths.get(path.name, 0)


def _add_all(seen: Seen, path: Path, start: int) -> int:
    """Add every event of a closed file after `start`; how many lines were read."""
    count = 0
    for text in journal.blocks_of_closed(path, start, bytes_max=READ_BYTES):
        lines = bytes(text).splitlines()
        seen.add(list(_fingerprints(seen, lines)))
        count += len(lines)
    return count


def _fingerprints(seen: Seen, lines: list[bytes]) -> Iterator[int]:
    for line in lines:
        try:
            head = _decode_line(line)
        except msgspec.DecodeError:
            continue  # not ours to judge: the loader will
        if head.reason is None:
            yield seen.fingerprint(scope_of(head.source, head.schema), head.id)


def _read(path: Path) -> Note | None:
    """The note, or None when there is none that can be believed."""
    try:
        return _decode_note(path.read_bytes())
    except (OSError, msgspec.DecodeError):
        return None


def _write(path: Path, text: bytes) -> None:
    aside = path.with_name(f"{path.name}.{os.getpid()}")
    with aside.open("wb") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    aside.replace(path)


@contextmanager
def _alone(folder: Path) -> Iterator[bool]:
    """Whether no other process holds the same; it is let go of at the end of the block."""
    try:
        file = os.open(folder / "recover.lock", os.O_RDWR | os.O_CREAT, 0o600)
    except OSError:
        yield True  # a folder nobody can write to has no index either
        return
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield True
    except BlockingIOError:
        yield False
    finally:
        os.close(file)
