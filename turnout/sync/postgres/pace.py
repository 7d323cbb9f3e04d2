"""How fast and how long a source is read."""

from __future__ import annotations

from time import monotonic, sleep

from turnout.errors import SourceRefused


class Pace:
    """Holds a reading back to so many rows a second, all its tables together; 0 is no limit."""

    # A longer wait is cut into such ones, so that whoever stops the reading need not wait for it.
    PAUSE_S_MAX = 1.0

    def __init__(self, rows_per_s_max: int) -> None:
        self._rows_per_s_max = rows_per_s_max
        self._due_at = monotonic()

    def keep(self, rows: int) -> None:
        """Wait until `rows` more may have been read."""
        if not self._rows_per_s_max:
            return
        # Time in which nothing was read is not caught up with.
        self._due_at = max(self._due_at, monotonic()) + rows / self._rows_per_s_max
        while (left_s := self._due_at - monotonic()) > 0:
            sleep(min(left_s, self.PAUSE_S_MAX))


class Term:
    """How long a snapshot may be held open; None for as long as it takes."""

    def __init__(self, s_max: float | None, place: str) -> None:
        self._place = place
        self._s_max = s_max
        self._began_at = monotonic()

    def check(self) -> None:
        """Raises `SourceRefused` once it is over: the leader has to be able to clean up again."""
        if self._s_max is not None and monotonic() - self._began_at > self._s_max:
            raise SourceRefused(
                f"The copy was given up: it held a snapshot on the leader {self._place} open for "
                f"more than snapshot_s_max, {self._s_max:,.0f} s.",
                hint="Copy from a follower, or its larger tables by a cursor.",
            )
