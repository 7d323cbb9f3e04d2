"""The power goes at any moment; the disk keeps what was synced and any part of what was not."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import random
import shutil
import time
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.crash.disk import Disk, PowerCut
from tests.crash.kills import Campaign
from tests.crash.ledger import Ledger, Verdict, compare
from turnout.events.journal import journal, segment_file
from turnout.events.journal.checkpoint import Checkpoint
from turnout.events.journal.journal import Journal
from turnout.events.journal.seen import Seen
from turnout.events.loading.load import Loader
from turnout.warehouse.duckdb import DuckDB

SECRET = bytes(32)
PAGE_BYTES = 4096
# Operations until the power goes: from the first folder to some files later.
OPERATIONS_MAX = 60
LINE = (
    '{"id":"%s","type":"track","source":"web","schema":"analytics",'
    '"received_at":"2026-11-21T10:00:00.000Z","sent_at":null,'
    '"event":{"type":"track","event":"Flowed","userId":"alice","messageId":"%s"}}\n'
)
REPEAT = (
    '{"id":"%s","source":"web","schema":"analytics",'
    '"received_at":"2026-11-21T10:00:00.000Z","duplicate":true}\n'
)


def cut_again_and_again(
    folder: Path, cuts: int, seed: int, tell: Callable[[int], None]
) -> Campaign:
    """Cut, find the disk as it may be, go on with what is there, and load; as often as `cuts`."""
    began_s = time.monotonic()
    machine = Machine(folder, random.Random(seed))
    try:
        for number in range(cuts):
            machine.run_until_the_cut()
            machine.load()
            tell(number + 1)
        machine.run_to_the_end()
        machine.load()
        verdict = machine.verdict()
    finally:
        machine.close()
    return Campaign("power cut", cuts, verdict, time.monotonic() - began_s, machine.remark)


class Machine:
    """A journal and its index on a disk that loses things, a warehouse on one that does not."""

    def __init__(self, folder: Path, chance: random.Random) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._root = folder / "disk"
        self._journal = self._root / "data" / "journal"
        self._root.mkdir()
        self._chance = chance
        self._ledger = Ledger()
        self._unacknowledged: list[str] = []
        self._ids = map(str, itertools.count())
        self._lost_files = self._torn_files = 0
        self._warehouse = DuckDB(folder / "warehouse.duckdb", memory_bytes_max=2**29, threads=1)
        self._loader = Loader(self._journal, self._warehouse)

    @property
    def remark(self) -> str:
        return f"{self._lost_files} files without a name, {self._torn_files} torn"

    def run_until_the_cut(self) -> None:
        disk = Disk(self._root, self._chance.randint(0, OPERATIONS_MAX), self._chance)
        index = self._index()
        with _in_place(disk):
            with contextlib.suppress(PowerCut):
                _run(self._collect(disk, requests=10_000))
            # Before the cut the loader read what the system showed, synced or not.
            if self._chance.random() < 0.3:
                self.load()
        self._find_again(disk)
        self._find_index_again(index)

    def run_to_the_end(self) -> None:
        disk = Disk(self._root, 10**9, self._chance)
        with _in_place(disk):
            _run(self._collect(disk, requests=10))

    def load(self) -> None:
        before = -1
        while (left := self._loader.backlog_bytes()) != before:
            before = left
            self._loader.load()

    def verdict(self) -> Verdict:
        return compare(self._warehouse, self._ledger)

    def close(self) -> None:
        self._loader.close()
        self._warehouse.close()

    async def _collect(self, disk: Disk, *, requests: int) -> None:
        """What a collector does with requests that come one, two or three at a time."""
        seen = Seen(self._journal / "seen", SECRET)
        checkpoint = Checkpoint(self._journal / "seen", self._journal)
        checkpoint.recover(seen)
        journal = Journal(
            self._journal, segment_bytes_max=2_000, name=f"{disk.operations}", seen=seen
        )
        for number in range(requests):
            if number % 5 == 0:
                checkpoint.take(seen)
            together = [self._request() for _ in range(self._chance.randint(1, 3))]
            await asyncio.gather(*(self._take(journal, seen, ids) for ids in together))
        while self._unacknowledged:
            await self._take(journal, seen, self._request())
        await journal.close()

    def _request(self) -> list[str]:
        """First of all what was not acknowledged before."""
        again = [self._unacknowledged.pop(0) for _ in self._unacknowledged[:3]]
        return again or list(itertools.islice(self._ids, self._chance.randint(1, 5)))

    async def _take(self, journal: Journal, seen: Seen, ids: list[str]) -> None:
        self._ledger.note_sent(ids)
        prints = seen.fingerprints("analytics/web", ids)
        known = seen.known(prints)
        lines = [
            (REPEAT % id_ if mark in known else LINE % (id_, id_)).encode()
            for id_, mark in zip(ids, prints, strict=True)
        ]
        self._unacknowledged += ids
        await journal.append(lines, [mark for mark in prints if mark not in known])
        self._unacknowledged = [id_ for id_ in self._unacknowledged if id_ not in set(ids)]
        self._ledger.note_acknowledged(ids, 0)

    def _find_again(self, disk: Disk) -> None:
        for path, content in disk.contents.items():
            left = disk.left_by_the_cut(path)
            if left is None:
                path.unlink(missing_ok=True)
                self._lost_files += 1
            else:
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(left)
                self._torn_files += bool(content.loose)

    def _index(self) -> dict[Path, bytes]:
        folder = self._journal / "seen"
        return {path: path.read_bytes() for path in folder.glob("*")} if folder.is_dir() else {}

    def _find_index_again(self, before: dict[Path, bytes]) -> None:
        """Each page as it was when the machine started, or as it was last, in any mixture."""
        for path, now in self._index().items():
            if path not in before:
                if self._chance.random() < 0.3:
                    path.unlink()
                continue
            pages = [
                (before[path] if self._chance.random() < 0.5 else now)[start : start + PAGE_BYTES]
                for start in range(0, len(now), PAGE_BYTES)
            ]
            aside = path.with_name("aside")
            aside.write_bytes(b"".join(pages))
            shutil.move(aside, path)


def _run(work: Coroutine[Any, Any, None]) -> None:
    """Not `asyncio.run`: when the power goes, nothing that waits is told."""
    loop = asyncio.new_event_loop()
    loop.set_exception_handler(lambda *_: None)
    try:
        loop.run_until_complete(work)
    finally:
        loop.close()


@contextlib.contextmanager
def _in_place(disk: Disk) -> Iterator[None]:
    """`segment_file` writes to `disk` while the block runs, and in the thread that is cut."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(segment_file, "os", disk)
        patch.setattr(journal, "IN_PLACE_S_MAX", float("inf"))
        yield
    disk.close_all()
