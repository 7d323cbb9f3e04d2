"""What a collector does beside its requests: it looks after the journal, the index and the disk."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Iterator
from dataclasses import dataclass, field

import structlog

from turnout.events.journal.checkpoint import Checkpoint
from turnout.events.journal.disk import Disk
from turnout.events.journal.journal import Journal
from turnout.events.journal.seen import Seen

EVERY_S = 1.0
# A checkpoint is due every so many times.
CHECKPOINT_EVERY = 10

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Tending:
    """Of one collector process."""

    journal: Journal
    seen: Seen
    checkpoint: Checkpoint
    disk: Disk
    turns: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    async def run(self) -> None:
        """Until cancelled. What fails once is tried again."""
        recovering = asyncio.create_task(asyncio.to_thread(self._recover))
        try:
            while True:
                await asyncio.sleep(EVERY_S)
                try:
                    await self._tend()
                except Exception:  # what works goes on working
                    log.exception("tending failed")
        finally:
            recovering.cancel()

    async def _tend(self) -> None:
        await self.journal.tend()
        await asyncio.to_thread(self._tend_disk, next(self.turns))

    def _tend_disk(self, turn: int) -> None:
        self.seen.tend()
        if turn % CHECKPOINT_EVERY == 0:
            self.checkpoint.take(self.seen)
        self.disk.look()

    def _recover(self) -> None:
        try:
            if count := self.checkpoint.recover(self.seen):
                log.info("the door's index was brought up to date", lines=count)
        except Exception:  # the door goes on without those; the loader decides
            log.exception("the door's index was not brought up to date")
