"""How the copying of a source stands in the process that does it: what pages show while it runs."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from turnout.sync.run import Progress


@dataclass(frozen=True, slots=True)
class UnderWay:
    """One table that is being copied, or was in the copy that runs, since `began_at`."""

    progress: Progress
    began_at: datetime

    @property
    def share(self) -> float:
        """How much of it came, from 0 to 1, by the source's own guess of its size."""
        return min(1.0, self.progress.rows / max(1, self.progress.rows_estimated))

    def rows_per_s(self, now: datetime) -> float | None:
        """How fast it is read; None at its beginning."""
        took_s = (now - self.began_at).total_seconds()
        return self.progress.rows / took_s if took_s > 0 and self.progress.rows else None

    def left_s(self, now: datetime) -> float | None:
        """How long it will still take, as far as that can be told."""
        speed = self.rows_per_s(now)
        left = self.progress.rows_estimated - self.progress.rows
        return left / speed if speed and left > 0 else None


@dataclass(frozen=True, slots=True)
class Standing:
    """One source, now. `began_at` is there while a copy runs, `next_at` while none does.

    `under_way` are the tables of that copy that began last, the newest last; `progress` is what
    was told last. `tries` counts the failed tries since the last copy that succeeded; `problem`
    says why the last one failed, and `failed_at` since when nothing succeeded. `needs_somebody`
    says that trying again will not help by itself. `copied_at` is when this process last
    succeeded.
    """

    began_at: datetime | None = None
    next_at: datetime | None = None
    progress: Progress | None = None
    under_way: tuple[UnderWay, ...] = ()
    tries: int = 0
    problem: str | None = None
    failed_at: datetime | None = None
    needs_somebody: bool = False
    copied_at: datetime | None = None
