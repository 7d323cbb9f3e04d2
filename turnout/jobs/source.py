"""The copying of one source, again and again: by its schedule, sooner after it was away."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime

import structlog

from turnout import meters, sync
from turnout.clips.follower import Follower
from turnout.config import Source
from turnout.errors import SourceRefused, SourceUnavailable, Stopped, TurnoutError
from turnout.jobs.schedule import Schedule
from turnout.sync.privacy.suppressed import Suppressed
from turnout.sync.standing import Standing, UnderWay
from turnout.warehouse import Warehouse

# Tables of a copy that runs, for pages.
SHOWN_MAX = 4
FAILED_INSIDE = "It failed inside; the log says more."

log = structlog.get_logger()


def clock() -> datetime:
    """The time by which copies are begun."""
    return datetime.now(UTC)


class SourceCopy:
    """One source, and how its copying stands. Two copies of it never run at the same time."""

    def __init__(  # noqa: PLR0913 - what copying takes, and the time
        self,
        name: str,
        source: Source,
        warehouse: Warehouse,
        follower: Follower,
        *,
        secret: bytes,
        suppressed: Suppressed | None = None,
        now: Callable[[], datetime] = clock,
    ) -> None:
        self.name = name
        self.source = source
        self.warehouse = warehouse
        self._follower = follower
        self._secret = secret
        self._suppressed = suppressed
        self._now = now
        self._schedule = Schedule(source)
        self._is_first = True
        self._standing = Standing()
        self._next_at: datetime | None = None
        self._copying = threading.Lock()
        self._closing = threading.Event()

    @property
    def standing(self) -> Standing:
        """How it stands now. Any thread may ask."""
        return self._standing

    def run(self) -> float:
        """Copy once if it is time; the pause until the next run, in seconds. Raises nothing."""
        if self._is_first and not self.source.on_start:
            self._is_first = False
            return self._wait_until(self._schedule.after(self._now()))
        self._is_first = False
        try:
            self.copy()
        except SourceUnavailable as error:
            return self._wait_until(self._again(error))
        except Stopped:
            return self.source.every_s
        except TurnoutError as error:
            log.error("source not copied", source=self.name, problem=str(error))
        except Exception:  # one source that fails stops neither the others nor its own next copy
            log.exception("source not copied", source=self.name)
        return self._wait_until(self._schedule.after(self._now()))

    def copy(
        self,
        progress: Callable[[sync.Progress], None] | None = None,
        *,
        whole: bool = False,
        instead: Source | None = None,
    ) -> sync.Run:
        """Copy once and note how old the copied data is; after one that runs already.

        With `instead` it is read from there: the same selection, in files.
        Raises what `sync.copy` raises, and `Stopped` when the process ends meanwhile.
        """
        with self._copying:
            self._standing = replace(
                self._standing, began_at=self._now(), next_at=None, progress=None, under_way=()
            )
            try:
                run = self._copied(instead or self.source, progress, whole=whole)
            except Exception as error:
                self._note_failure(error)
                raise
            self._note_success(run)
            return run

    def close(self) -> None:
        """End what runs where nothing is left half done; nothing begins any more."""
        self._closing.set()

    def _copied(
        self,
        source: Source,
        progress: Callable[[sync.Progress], None] | None,
        *,
        whole: bool,
    ) -> sync.Run:
        def tell(at: sync.Progress) -> None:
            if self._closing.is_set():
                raise Stopped
            self._note_progress(at)
            if progress is not None:
                progress(at)

        return sync.copy(
            self.name,
            source,
            self.warehouse,
            secret=self._secret,
            suppressed=self._suppressed,
            progress=tell,
            whole=whole,
            # The schedule begins it again, and shows that it waits.
            retries=0,
        )

    def _note_progress(self, at: sync.Progress) -> None:
        standing = self._standing
        if not at.table:
            self._standing = replace(standing, progress=at)
            return
        before = next((u for u in standing.under_way if u.progress.table == at.table), None)
        now = UnderWay(at, before.began_at if before else self._now())
        if before:
            tables = tuple(now if each is before else each for each in standing.under_way)
        else:
            tables = (*standing.under_way, now)[-SHOWN_MAX:]
        self._standing = replace(standing, progress=at, under_way=tables)

    def _note_success(self, run: sync.Run) -> None:
        self._standing = Standing(copied_at=self._now(), next_at=self._next_at)
        self._follower.note(self.source.schema, run.as_of)
        meters.COPIES.add(self.name, "partly" if run.problems else "done")
        meters.SOURCE_LAG_SECONDS.set(run.lag_s, self.name)
        meters.COPIED_ROWS.add(self.name, amount=run.rows)
        meters.COPY_SECONDS.observe((run.finished_at - run.started_at).total_seconds())
        log.info("copied", source=self.name, rows=run.rows)

    def _note_failure(self, error: Exception) -> None:
        before = self._standing
        if isinstance(error, Stopped):
            self._standing = replace(before, began_at=None, next_at=self._next_at)
            return
        tries = before.tries + 1
        self._standing = Standing(
            next_at=self._next_at,
            tries=tries,
            problem=str(error) if isinstance(error, TurnoutError) else FAILED_INSIDE,
            failed_at=before.failed_at or self._now(),
            needs_somebody=not isinstance(error, SourceUnavailable) or tries > self.source.retries,
            copied_at=before.copied_at,
        )
        meters.COPIES.add(self.name, _outcome(error))

    def _again(self, error: SourceUnavailable) -> datetime:
        log.warning("source away", source=self.name, problem=error.message)
        # Once it was given up, its next regular copy has as many tries again.
        tries = 1 + (self._standing.tries - 1) % (self.source.retries + 1)
        return self._schedule.again(self._now(), tries)

    def _wait_until(self, moment: datetime) -> float:
        self._next_at = moment
        self._standing = replace(self._standing, next_at=moment)
        return max(0.0, (moment - self._now()).total_seconds())


def _outcome(error: Exception) -> str:
    if isinstance(error, SourceUnavailable):
        return "away"
    return "refused" if isinstance(error, SourceRefused) else "failed"
