"""What the door remembers: a fingerprint of every event taken in during the last `keep_days`.

The tables are files in memory that all collector processes of a machine share; see `slots.py`. An
entry is added only after its event is durable in the journal, so the index never knows more than
the journal. It may know less, after a crash or when two processes add at the same moment: then a
repeat passes the door and the loader, which decides in the end, finds it.

A table costs 8 bytes a slot and is filled to `FILL_MAX`: about 13 bytes per event.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Collection, Iterable
from functools import lru_cache
from pathlib import Path

import structlog

from turnout.events.journal import slots
from turnout.events.journal.slots import Damaged, Slots

SUFFIX = ".seen"
# 64 bits are kept and 64 say where: a wrong "seen" takes both, and no sender can aim at one,
# since the fingerprint is keyed with the installation's secret.
FINGERPRINT_BYTES = 16
FILL_MAX = 0.6
# Beyond this, adding and asking become slow: better to forget for a while.
FULL = (1 + FILL_MAX) / 2
# A table covers at most this share of the time kept: so few are asked, and old ones go in time.
PERIODS = 3
DAY_MS = 86_400_000

SLOTS_MIN = 1 << 17  # 1 MiB
SLOTS_MAX = 1 << 27  # 1 GiB
# The next table may be so many times larger than the last when that one was filled too early.
GROWTH_MAX = 8
# Beyond this the oldest goes early. 960 million events, and the door remembers fewer days.
TABLES_MAX = 12
SCOPES_REMEMBERED_MAX = 1_000

log = structlog.get_logger()


class Seen:
    """The index. Without a folder it can write to, it remembers nothing and stops nobody."""

    def __init__(self, folder: Path, secret: bytes, *, keep_days: float = 30) -> None:
        """Open what is in `folder`; a damaged table is deleted, and `has_gaps` says so."""
        self._folder = folder
        self._keep_ms = keep_days * DAY_MS
        self._key = hashlib.blake2b(secret, digest_size=32, person=b"turnout.seen").digest()
        self._begun = lru_cache(SCOPES_REMEMBERED_MAX)(self._begin)
        self._tables: list[Slots] = []  # newest first
        self._asked: tuple[tuple[memoryview[int], int], ...] = ()
        self._is_stuck = False
        self._room = 0  # for so many more the newest table has slots
        self.has_gaps = False
        self.tend()

    def fingerprint(self, scope: str, id_: str) -> int:
        """What stands for the message `id_` within `scope`."""
        digest = self._begun(scope).copy()
        digest.update(id_.encode())
        return int.from_bytes(digest.digest())

    def has(self, fingerprint: int) -> bool:
        """Whether that event is in the journal already."""
        return slots.has(self._asked, fingerprint)

    def fingerprints(self, scope: str, ids: Iterable[str]) -> list[int]:
        """What stands for each of these messages within `scope`."""
        begun, number = self._begun(scope).copy, int.from_bytes
        found = []
        for id_ in ids:
            digest = begun()
            digest.update(id_.encode())
            found.append(number(digest.digest()))
        return found

    def known(self, fingerprints: Iterable[int]) -> set[int]:
        """Those of them that are in the journal already."""
        return slots.known(self._asked, fingerprints)

    def add(self, fingerprints: Collection[int]) -> None:
        """Remember events that are durable in the journal, and none that are not."""
        if self._room > 0:
            self._room -= len(fingerprints)
            self._tables[0].add(fingerprints)

    def tend(self, now_ms: int | None = None) -> None:
        """What is to be done about once a second, in a thread of its own if it must not delay.

        Finds tables that other processes began, begins one when it is time, drops old ones.
        """
        now_ms = time.time_ns() // 1_000_000 if now_ms is None else now_ms
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            self._look_around()
            self._drop_old(now_ms)
            self._grow(now_ms)
            self._is_stuck = False
        except OSError as error:
            # A full disk: the door goes on without, and finds room for a table later.
            if not self._is_stuck:
                log.warning("the door's index cannot grow", problem=error.strerror)
            self._is_stuck = True
        self._asked = tuple((table.slots, table.count) for table in self._tables)

    def sync(self) -> None:
        """Bring what was added to the disk: the newest table, and the one before it."""
        for table in self._tables[:2]:
            table.sync()

    @property
    def size_bytes(self) -> int:
        """Of all tables, on the disk."""
        return sum(table.count * 8 for table in self._tables)

    def _begin(self, scope: str) -> hashlib.blake2b:
        name = scope.encode()
        return hashlib.blake2b(
            b"%d:%b" % (len(name), name), key=self._key, digest_size=FINGERPRINT_BYTES
        )

    def _look_around(self) -> None:
        paths = sorted(self._folder.glob(f"*{SUFFIX}"), reverse=True)
        known = {table.path: table for table in self._tables}
        self._tables = [table for path in paths if (table := known.get(path) or self._open(path))]

    def _open(self, path: Path) -> Slots | None:
        try:
            return Slots(path)
        except FileNotFoundError:
            return None  # dropped meanwhile
        except Damaged:
            log.warning("a damaged table of the door's index is made anew", table=path.name)
            path.unlink(missing_ok=True)
            self.has_gaps = True
            return None

    def _drop_old(self, now_ms: int) -> None:
        """A table's last entry is as old as the table that follows it."""
        kept = self._tables[:1]
        for newer, table in zip(self._tables, self._tables[1:], strict=False):
            if newer.begun_ms + self._keep_ms < now_ms or len(kept) >= TABLES_MAX:
                table.path.unlink(missing_ok=True)
            else:
                kept.append(table)
        self._tables = kept

    def _grow(self, now_ms: int) -> None:
        """Begin a table when there is none, or the newest is filled or has had its time."""
        newest = self._tables[0] if self._tables else None
        if newest is None:
            number, count = 1, SLOTS_MIN
        else:
            fill, age_ms = newest.fill(), now_ms - newest.begun_ms
            self._room = int((FULL - fill) * newest.count)
            if fill < FILL_MAX and age_ms < self._keep_ms / PERIODS:
                return
            number = int(newest.path.stem) + 1
            count = _next_count(newest.count, fill, age_ms, self._keep_ms / PERIODS)
        path = self._folder / f"{number:08d}{SUFFIX}"
        self._tables = [Slots.create(path, count, now_ms), *self._tables]
        self._room = int(FULL * count)


def scope_of(source: str, schema: str) -> str:
    """Where an id means one event: a source may have keys that bring it to several schemas."""
    return f"{schema}/{source}"


def _next_count(count: int, fill: float, age_ms: int, period_ms: float) -> int:
    """Slots for the next table, so that it lasts a period at the pace of the last one."""
    wanted = count * fill / FILL_MAX * period_ms / max(age_ms, 1)
    return int(min(max(wanted, SLOTS_MIN), count * GROWTH_MAX, SLOTS_MAX))
