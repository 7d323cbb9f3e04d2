"""The journal file being written: begun, filled, and let go of at its size, its age or a failure.

A process always begins a new file and never reopens one. After a failure the file is abandoned
and the next block tries a new one, so a full disk heals by itself.
"""

from __future__ import annotations

import os
import time
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

from turnout.events.journal import segment

TIME_FORMAT = "%Y%m%dT%H%M%S.%fZ"


class SegmentFile:
    """Its methods run in one thread at a time; which one does not matter."""

    def __init__(self, folder: Path, *, bytes_max: int, age_max_s: float, name: str) -> None:
        self._folder = folder
        self._bytes_max = bytes_max
        self._age_max_s = age_max_s
        self._name = name
        self._file: int | None = None
        self._is_first = True
        self._path = folder
        self._size = 0
        self._begun_at = datetime.min.replace(tzinfo=UTC)
        # Not the clock on the wall, which may jump.
        self._begun_s = 0.0
        self._asked_at = 0  # of the last wish for new files that this one fulfils

    def write(self, block: bytes) -> None:
        """Make one block durable; after an `OSError` nothing of it is left to be read."""
        if self._file is not None and (self._size >= self._bytes_max or self._is_asked_for_new()):
            self.close()
        file = self._file if self._file is not None else self._begin()
        try:
            write_durably(file, block)
        except OSError:
            self._abandon(file)
            raise
        self._size += len(block)

    def close_if_old(self, now_s: float) -> None:
        """Let go of a file of the longest age, so that a quiet one can be retired too.

        Also of one that a new one is asked for, so that it can be written anew.

        `now_s` is of `time.monotonic`.
        """
        if self._file is None:
            return
        if now_s - self._begun_s >= self._age_max_s or self._is_asked_for_new():
            self.close()

    def close(self) -> None:
        """Let go of the file, if there is one; the next block begins another."""
        if self._file is not None:
            os.close(self._file)
            self._file = None

    def _is_asked_for_new(self) -> bool:
        # Not whether it was asked later: of a clock that was set back, one would hear for ever.
        return segment.new_files_asked_at(self._folder) != self._asked_at

    def _begin(self) -> int:
        """A new file whose name sorts after every earlier one of this process."""
        self._folder.mkdir(parents=True, exist_ok=True)
        self._asked_at = segment.new_files_asked_at(self._folder)
        now = datetime.now(UTC)
        self._begun_at = max(now, self._begun_at + datetime.resolution)
        self._begun_s = time.monotonic()
        self._path = self._folder / (
            f"{self._begun_at.strftime(TIME_FORMAT)}-{self._name}{segment.SUFFIX}"
        )
        file = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_DSYNC, 0o600)
        try:
            segment.lock(file)
            self._sync_names()
        except OSError:
            # Or a failing disk would gather an empty file at each try.
            with suppress(OSError):
                self._path.unlink()
            os.close(file)
            raise
        self._file, self._size = file, 0
        return file

    def _sync_names(self) -> None:
        """Make the new file's name as durable as its content, and at first its folders' too."""
        sync_folder(self._folder)
        if self._is_first:
            for folder in self._folder.parents[:2]:
                with suppress(PermissionError):  # then it was there before us
                    sync_folder(folder)
            self._is_first = False

    def _abandon(self, file: int) -> None:
        """Take back the unacknowledged block and never write to this file again."""
        with suppress(OSError):
            os.ftruncate(file, self._size)
            if self._size == 0:
                self._path.unlink()
        self.close()


def write_durably(file: int, block: bytes) -> None:
    """With O_DSYNC a write returns when its bytes are on the disk, and in one system call."""
    left = memoryview(block)
    while left:
        left = left[os.write(file, left) :]


def sync_folder(folder: Path) -> None:
    """Make the names in `folder` durable."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
