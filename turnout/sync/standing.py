"""How the copying of a source stands in the process that does it: what pages show while it runs."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from turnout.sync.run import Progress


@dataclass(frozen=True, slots=True)
class Standing:
    """One source, now. `began_at` is there while a copy runs, `next_at` while none does.

    `tries` counts the failed tries since the last copy that succeeded; `problem` says why the
    last one failed, and `failed_at` since when nothing succeeded. `needs_somebody` says that
    trying again will not help by itself. `copied_at` is when this process last succeeded.
    """

    began_at: datetime | None = None
    next_at: datetime | None = None
    progress: Progress | None = None
    table_began_at: datetime | None = None
    tries: int = 0
    problem: str | None = None
    failed_at: datetime | None = None
    needs_somebody: bool = False
    copied_at: datetime | None = None

    def rows_per_s(self, now: datetime) -> float | None:
        """How fast the table under way is read; None at its beginning."""
        if self.progress is None or self.table_began_at is None:
            return None
        took_s = (now - self.table_began_at).total_seconds()
        return self.progress.rows / took_s if took_s > 0 and self.progress.rows else None

    def left_s(self, now: datetime) -> float | None:
        """How long the table under way will still take, by the source's own guess of its size."""
        speed = self.rows_per_s(now)
        if speed is None or self.progress is None or not self.progress.rows_estimated:
            return None
        return max(0.0, self.progress.rows_estimated - self.progress.rows) / speed
