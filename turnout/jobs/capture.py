"""The following of one source's changes, again and again."""

from __future__ import annotations

import threading

import structlog

from turnout import meters, sync
from turnout.clips.follower import Follower
from turnout.config import Source
from turnout.errors import SourceUnavailable, Stopped, TurnoutError
from turnout.sync.privacy.suppressed import Suppressed
from turnout.warehouse import Warehouse

# A source that cannot be followed is tried again after this pause, doubled up to the longest.
RETRY_S, RETRY_S_MAX = 1.0, 60.0

log = structlog.get_logger()


class SourceCapture:
    """One source whose changes are followed, where some of its tables ask for that."""

    def __init__(  # noqa: PLR0913 - what, from where to where, and how
        self,
        name: str,
        source: Source,
        warehouse: Warehouse,
        follower: Follower,
        *,
        secret: bytes,
        suppressed: Suppressed | None = None,
    ) -> None:
        self.name = name
        self.source = source
        self._follower = follower
        self._capturing = sync.Capturing(
            name,
            source,
            warehouse,
            secret=secret,
            suppressed=suppressed,
            progress=lambda _: self._go_on(),
        )
        self._retry_s = RETRY_S
        self._problem = ""
        self._closing = threading.Event()

    @property
    def has_tables(self) -> bool:
        """Whether any table is in the mode log."""
        return self._capturing.has_tables

    def run(self) -> float | None:
        """One pass; the pause until the next if it is not the usual one. Raises nothing of ours."""
        try:
            self._go_on()
            captured = self._capturing.once()
        except Stopped:
            self._capturing.close()
            return RETRY_S_MAX
        except TurnoutError as error:
            return self._pause_after(error)
        except Exception:  # it would come again with each pass, once a second
            log.exception("changes not followed", source=self.name)
            return self._longer_pause()
        self._note(captured)
        return 0.0 if captured.is_behind else None

    def close(self) -> None:
        """End a whole copy that runs; no pass begins any more."""
        self._closing.set()

    def _go_on(self) -> None:
        if self._closing.is_set():
            raise Stopped

    def _note(self, captured: sync.Captured) -> None:
        self._retry_s = RETRY_S
        self._tell(" ".join(captured.problems.values()))
        meters.SLOT_RETAINED_BYTES.set(captured.retained_bytes, self.name)
        if captured.copied is not None:
            log.info("copied whole", source=self.name, rows=captured.copied.rows)
        if captured.changes:
            meters.COPIED_ROWS.add(self.name, amount=captured.changes)
        # A schema is as new as its oldest table: those that are copied say it themselves.
        is_all = all(table.mode == "log" for table in self.source.tables.values())
        if captured.as_of is not None and is_all and not captured.problems:
            self._follower.note(self.source.schema, captured.as_of)

    def _pause_after(self, error: TurnoutError) -> float:
        self._tell(str(error))
        if isinstance(error, SourceUnavailable):
            meters.COPIES.add(self.name, "away")
        return self._longer_pause()

    def _longer_pause(self) -> float:
        pause_s, self._retry_s = self._retry_s, min(2 * self._retry_s, RETRY_S_MAX)
        return pause_s

    def _tell(self, problem: str) -> None:
        """The same trouble is told once."""
        if problem and problem != self._problem:
            log.warning("changes not followed", source=self.name, problem=problem)
        self._problem = problem
