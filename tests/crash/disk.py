"""A disk that can lose its power: every write is recorded, and what was not synced may be missing.

`Disk` stands where `segment_file.py` has `os`. It does what it is asked on real files and
remembers what a power cut would leave for certain at that moment, and what only perhaps.
"""

from __future__ import annotations

import os
import random
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

SECTOR_BYTES = 512


class PowerCut(SystemExit):
    """The machine is off. Of all exceptions, asyncio lets this kind alone end everything."""


@dataclass
class Content:
    """One file: what is on the disk for certain, and writes that are only under way."""

    durable: bytes = b""
    loose: list[tuple[int, bytes]] = field(default_factory=list)
    is_sync: bool = False
    position: int = 0


class Disk:
    """Looks like the module `os`. The power goes at operation number `cut_at`, in its middle."""

    def __init__(self, root: Path, cut_at: int, chance: random.Random) -> None:
        self._root = root
        self._left = cut_at
        self._chance = chance
        self._open: dict[int, Path] = {}
        self.contents: dict[Path, Content] = {}
        # Names that survive for certain: those in a folder that was synced after their making.
        self._names: set[Path] = {root}
        self.operations = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(os, name)

    def open(self, path: Path, flags: int, mode: int = 0o777) -> int:
        file = os.open(path, flags, mode)
        self._open[file] = Path(path)
        if flags & os.O_CREAT:
            self._tick(lambda: None)
            self.contents[Path(path)] = Content(is_sync=bool(flags & os.O_DSYNC))
        return file

    def write(self, file: int, data: bytes) -> int:
        content = self.contents[self._open[file]]
        piece = bytes(data)
        # Under way until the system says so; a write may also be taken in part.
        if self._chance.random() < 0.1:
            piece = piece[: self._chance.randint(1, len(piece))]
        content.loose.append((content.position, piece))
        self._tick(lambda: os.write(file, piece[: self._chance.randint(0, len(piece))]))
        written = os.write(file, piece)
        content.position += written
        if content.is_sync:
            self._settle(content)
        return written

    def ftruncate(self, file: int, size: int) -> None:
        self._tick(lambda: None)
        os.ftruncate(file, size)
        # Not synced: the bytes beyond may be there again.

    def fsync(self, file: int) -> None:
        self._tick(lambda: None)
        path = self._open[file]
        if path in self.contents:
            self._settle(self.contents[path])
        else:
            self._names.update(path.iterdir())

    def close(self, file: int) -> None:
        self._open.pop(file, None)
        os.close(file)

    def close_all(self) -> None:
        """As the end of its process closes what it had open."""
        for file in list(self._open):
            self.close(file)

    def left_by_the_cut(self, path: Path) -> bytes | None:
        """One of the ways in which a file may be found again; None when even its name is gone."""
        for name in (path, *path.parents):
            if name == self._root:
                break
            if name not in self._names and self._chance.random() < 0.5:
                return None
        content = self.contents[path]
        found = bytearray(content.durable)
        for start, piece in content.loose:
            for offset in range(0, len(piece), SECTOR_BYTES):
                sector = piece[offset : offset + SECTOR_BYTES]
                if self._chance.random() < 0.5:
                    end = start + offset + len(sector)
                    found.extend(bytes(max(0, end - len(found))))
                    found[start + offset : end] = sector
        return bytes(found)

    def _settle(self, content: Content) -> None:
        found = bytearray(content.durable)
        for start, piece in content.loose:
            found.extend(bytes(max(0, start + len(piece) - len(found))))
            found[start : start + len(piece)] = piece
        content.durable = bytes(found)
        content.loose.clear()

    def _tick(self, half_done: Any) -> None:
        self.operations += 1
        self._left -= 1
        if self._left < 0:
            half_done()
            raise PowerCut
