"""How the processes of one installation see each other's numbers: a small file for each.

A file is written anew once a second, whole and by renaming. Numbers shared through mapped memory
would cost ten times as much per count, and a full disk would kill the process that counts.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import TypeAlias

import msgspec

from turnout.meters.meter import Labels, Meter

WRITE_EVERY_S = 1.0
SUFFIX = ".json"

# Meter by name → the values of its labels, with their numbers.
Snapshot: TypeAlias = dict[str, list[tuple[Labels, tuple[float, ...]]]]


class Exchange:
    """What one process counted, and what the others of its installation did."""

    def __init__(self, meters: Sequence[Meter]) -> None:
        self._meters = meters
        self._path: Path | None = None
        self._writing = threading.Lock()

    def share(self, folder: Path) -> None:
        """From now on write this process's numbers into `folder`, every second."""
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        # Process ids come again; together with the time they do not.
        self._path = folder / f"{os.getpid()}-{time.time_ns()}{SUFFIX}"
        threading.Thread(target=self._write_again, name="meters", daemon=True).start()

    def write(self) -> None:
        """Write the numbers now, as before the process ends; without `share`, do nothing.

        A disk that takes nothing is no reason to stop: the numbers stay in memory.
        """
        taken = snapshot(self._meters)
        if self._path is None or not taken:
            return  # who counted nothing leaves no file, however often it is started
        with self._writing, suppress(OSError):
            beside = self._path.with_suffix(".new")
            beside.write_bytes(msgspec.json.encode(taken))
            beside.replace(self._path)

    def snapshots(self) -> list[Snapshot]:
        """The numbers of each process that shares, or of this one alone when it does not."""
        if self._path is None:
            return [snapshot(self._meters)]
        found = [snapshot(self._meters)]
        for path in self._path.parent.glob(f"*{SUFFIX}"):
            if path != self._path:
                # Cleared meanwhile, or of another version: what it counted is not known.
                with suppress(OSError, msgspec.MsgspecError):
                    found.append(msgspec.json.decode(path.read_bytes(), type=Snapshot))
        return found

    def _write_again(self) -> None:
        while True:
            time.sleep(WRITE_EVERY_S)
            self.write()


def clear(folder: Path) -> None:
    """Forget what earlier runs counted. Processes that still run write their file again."""
    for path in folder.glob(f"*{SUFFIX}"):
        path.unlink(missing_ok=True)


def snapshot(meters: Sequence[Meter]) -> Snapshot:
    """What this process counted; meters that counted nothing are left out."""
    taken: Snapshot = {}
    for meter in meters:
        numbers = meter.numbers()
        if any(any(values) for values in numbers.values()):
            taken[meter.name] = [(labels, tuple(values)) for labels, values in numbers.items()]
    return taken
