"""The follower: complete copies of the warehouse for readers, numbered, each a closed file.

The writer's file is open and locked; readers get `follower-<number>.duckdb` beside a small
`follower-<number>.json` that says how old its data is. Numbers only grow, also over restarts.
A copy is deleted when a newer one is there and no run holds it.
"""

from __future__ import annotations

import contextlib
import os
import threading
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from types import MappingProxyType

import msgspec

from turnout.errors import NoSnapshot
from turnout.warehouse import Warehouse

# Copying takes at most a tenth of the time, and happens at most once a second.
PAUSE_MIN_S = 1.0
PAUSE_PER_COPY = 10.0
READ_ONLY = 0o444


@dataclass(frozen=True, slots=True)
class Snapshot:
    """One copy. `as_of` says per schema when its data left the source."""

    number: int
    path: Path
    as_of: Mapping[str, datetime]
    published_at: datetime


@dataclass(frozen=True, slots=True)
class _Note:
    """A schema's data as of then, in the warehouse's `version` or a later one."""

    as_of: datetime
    version: int


class _Label(msgspec.Struct, frozen=True):
    """What stands in the file beside a snapshot."""

    as_of: dict[str, datetime]
    published_at: datetime


class Follower:
    """Publishes snapshots of `warehouse` into `folder`. Any thread may call any method."""

    def __init__(self, folder: Path, warehouse: Warehouse) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._warehouse = warehouse
        self._notes: dict[str, _Note] = {}
        self._holds: Counter[int] = Counter()
        self._lock = threading.RLock()
        self._publishing = threading.Lock()
        self._version: int | None = None  # what the current snapshot holds; None: not known
        self._known: Snapshot | None = None  # the current one, with what was noted since
        self._copy_s = 0.0
        self._current = _newest(folder)
        self._tidy()

    def note(self, schema: str, as_of: datetime) -> None:
        """A load or a copy finished: this schema's data is as of then, changed or not."""
        with self._lock:
            self._notes[schema] = _Note(as_of, self._warehouse.version)
            self._known = None

    def publish(self, *, now: datetime) -> Snapshot:
        """Copy the warehouse as it is; readers see the copy as soon as this returns."""
        with self._publishing:
            number = self._next_number(now)
            path = self._folder / f"follower-{number}.duckdb"
            # Taken before the copy: the data may turn out newer than we say, never older.
            with self._lock:
                known = dict(self._current.as_of) if self._current else {}
                as_of = known | {schema: note.as_of for schema, note in self._notes.items()}
            part = path.with_suffix(".part")
            version, self._copy_s = self._warehouse.publish(part)
            _write_label(path.with_suffix(".json"), _Label(as_of, now))
            part.chmod(READ_ONLY)
            part.rename(path)
            _sync_folder(self._folder)
            with self._lock:
                self._current = Snapshot(number, path, MappingProxyType(as_of), now)
                self._version = version
                self._known = None
                self._tidy()
            return self._current

    def publish_if_due(self, *, now: datetime) -> Snapshot | None:
        """Publish when the warehouse has changed and the last copy is not too recent."""
        with self._lock:
            current, version = self._current, self._version
        if current is not None and version == self._warehouse.version:
            return None
        pause_s = max(PAUSE_MIN_S, PAUSE_PER_COPY * self._copy_s)
        if current is not None and (now - current.published_at).total_seconds() < pause_s:
            return None
        return self.publish(now=now)

    def current(self) -> Snapshot:
        """The newest snapshot. Raises `NoSnapshot` before the first."""
        with self._lock:
            if self._current is None:
                raise NoSnapshot(hint="It appears a moment after the first event or copied table.")
            if self._known is None:
                self._known = self._with_newest_ages(self._current)
            return self._known

    @property
    def is_level(self) -> bool:
        """Whether the newest snapshot holds everything that the warehouse holds."""
        with self._lock:
            return self._current is not None and self._version == self._warehouse.version

    @contextlib.contextmanager
    def hold(self) -> Iterator[Snapshot]:
        """The newest snapshot, kept on disk until the end of the block."""
        with self._lock:
            snapshot = self.current()
            self._holds[snapshot.number] += 1
        try:
            yield snapshot
        finally:
            with self._lock:
                self._holds[snapshot.number] -= 1
                self._tidy()

    def _with_newest_ages(self, snapshot: Snapshot) -> Snapshot:
        """A load that changed nothing still tells how fresh the snapshot's rows are."""
        newer = {
            schema: note.as_of
            for schema, note in self._notes.items()
            if note.version == self._version
        }
        return replace(snapshot, as_of=MappingProxyType(dict(snapshot.as_of) | newer))

    def _next_number(self, now: datetime) -> int:
        # Seconds since 1970, so that numbers grow even when the folder was emptied: cached
        # answers remember the number they were computed on.
        last = self._current.number if self._current else 0
        return max(last + 1, int(now.timestamp()))

    def _tidy(self) -> None:
        """Delete what is neither current nor held, leftovers of a crash included."""
        current = self._current.number if self._current else None
        for path in self._folder.glob("follower-*"):
            number = _number(path)
            being_written = current is None or (number or 0) > current
            if number == current or (being_written and self._publishing.locked()):
                continue
            if self._holds[number or 0] <= 0:
                path.unlink(missing_ok=True)


def _newest(folder: Path) -> Snapshot | None:
    """The newest snapshot that is complete: both of its files are there and readable."""
    paths = [path for path in folder.glob("follower-*.duckdb") if _number(path) is not None]
    for path in sorted(paths, key=lambda path: _number(path) or 0, reverse=True):
        try:
            label = msgspec.json.decode(path.with_suffix(".json").read_bytes(), type=_Label)
        except (OSError, msgspec.MsgspecError):
            continue
        as_of = {schema: at.astimezone(UTC) for schema, at in label.as_of.items()}
        return Snapshot(
            _number(path) or 0, path, MappingProxyType(as_of), label.published_at.astimezone(UTC)
        )
    return None


def _number(path: Path) -> int | None:
    digits = path.name.removeprefix("follower-").partition(".")[0]
    return int(digits) if digits.isdecimal() else None


def _write_label(path: Path, label: _Label) -> None:
    part = path.with_suffix(".json.part")
    with part.open("wb") as file:
        file.write(msgspec.json.encode(label))
        file.flush()
        os.fsync(file.fileno())
    part.rename(path)


def _sync_folder(folder: Path) -> None:
    """Make renames in `folder` durable."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
