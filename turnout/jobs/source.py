"""The copying of one source, again and again."""

from __future__ import annotations

from collections.abc import Callable

import structlog

from turnout import sync
from turnout.clips.follower import Follower
from turnout.config import Source
from turnout.errors import SourceUnavailable
from turnout.warehouse import Warehouse

# A source that cannot be reached is tried again after this pause, doubled up to its own pace.
SOURCE_RETRY_S = 2.0

log = structlog.get_logger()


class SourceCopy:
    """The copying of one source, with a pause that grows while the source is away."""

    def __init__(self, name: str, source: Source, warehouse: Warehouse, follower: Follower) -> None:
        self.name = name
        self.source = source
        self._warehouse = warehouse
        self._follower = follower
        self._retry_s = SOURCE_RETRY_S

    def run(self) -> float | None:
        """Copy once; the pause until the next try when the source is away."""
        try:
            self.copy()
        except SourceUnavailable as error:
            log.warning("source away", source=self.name, problem=error.message)
            pause_s = min(self._retry_s, self.source.every_s)
            self._retry_s *= 2
            return pause_s
        self._retry_s = SOURCE_RETRY_S
        return None

    def copy(self, progress: Callable[[sync.Progress], None] | None = None) -> sync.Run:
        """Copy once and note how old the copied data is."""
        run = sync.copy(self.name, self.source, self._warehouse, progress=progress)
        self._follower.note(self.source.schema, run.as_of)
        log.info("copied", source=self.name, rows=sum(table.rows for table in run.tables))
        return run
