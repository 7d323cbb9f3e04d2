"""A journal file: event lines in blocks, each block closed by a line that proves it whole.

    {"id":…}                                   one line per event
    {"id":…}
    {"commit":{"bytes":1234,"crc":567}}        length and CRC-32 of the lines above

A reader believes a block only if length and checksum match, wherever in the file it stands: a
torn tail or a flipped bit costs the blocks it touches and no other.
"""

from __future__ import annotations

import fcntl
import os
import re
import time
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path

SUFFIX = ".ndjson"
NEW_FILES_MARK = "new-files"
# Event lines begin with {"id": and hold no line break, so this is found at commit lines only.
COMMIT_START = b'\n{"commit":{'
COMMIT = re.compile(rb'\{"commit":\{"bytes":(\d{1,18}),"crc":(\d{1,10})\}\}')


def seal(lines: Sequence[bytes]) -> bytes:
    """One block: `lines`, each ending in a line break, and the commit line for them."""
    size = checksum = 0
    for line in lines:
        size += len(line)
        checksum = zlib.crc32(line, checksum)
    # Joined once: a block may be a megabyte, and each copy of it is new memory.
    return b"".join((*lines, b'{"commit":{"bytes":%d,"crc":%d}}\n' % (size, checksum)))


def whole_blocks(text: bytes) -> Iterator[tuple[int, int, int]]:
    """Every proven block of `text` as (where its lines begin, where they end, where it ends)."""
    done = 0
    found = text.find(COMMIT_START)
    while found >= 0:
        lines_end = found + 1
        line_break = text.find(b"\n", lines_end)
        if line_break < 0:
            return
        start = _proven_start(text, lines_end, line_break, done)
        if start is not None:
            done = line_break + 1
            yield start, lines_end, done
        found = text.find(COMMIT_START, line_break)


def segments(folder: Path) -> list[Path]:
    """All journal files, oldest first."""
    return sorted(folder.glob(f"*{SUFFIX}"))


def ask_for_new_files(folder: Path) -> None:
    """Have every writer let go of its file: at its next block, or when it looks, once a second."""
    mark = folder / NEW_FILES_MARK
    mark.touch()
    now_ns = time.time_ns()
    os.utime(mark, ns=(now_ns, now_ns))


def new_files_asked_at(folder: Path) -> int:
    """When that was asked last, in nanoseconds since 1970; 0 for never."""
    try:
        return (folder / NEW_FILES_MARK).stat().st_mtime_ns
    except FileNotFoundError:
        return 0


def lock(file: int) -> None:
    """Mark an open file as being written; the mark goes with the process, however it ends."""
    fcntl.flock(file, fcntl.LOCK_EX)


def is_closed(file: int) -> bool:
    """Whether nobody will ever write to this open file again."""
    if os.fstat(file).st_size == 0:
        return False  # its writer may be between creating and locking it
    try:
        fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    fcntl.flock(file, fcntl.LOCK_UN)
    return True


def _proven_start(text: bytes, lines_end: int, line_break: int, done: int) -> int | None:
    match = COMMIT.fullmatch(text, lines_end, line_break)
    if match is None:
        return None
    start = lines_end - int(match[1])
    if not done <= start < lines_end:
        return None
    proven = zlib.crc32(memoryview(text)[start:lines_end]) == int(match[2])
    return start if proven else None
