"""A lock whose holder, once it lets go, does not come again before those who wait."""

from __future__ import annotations

import threading
from types import TracebackType


class Turn:
    """Held by one thread at a time, which may take it again inside.

    The interpreter's own locks are not fair: who takes turns with nobody but the clock, as a
    loader with much to load does, would keep all others waiting.
    """

    def __init__(self) -> None:
        self._next = threading.Lock()  # held by whoever has the turn after this one
        self._held = threading.RLock()
        self._holder: int | None = None
        self._depth = 0

    def __enter__(self) -> None:
        if self._holder == threading.get_ident():
            self._held.acquire()
        else:
            with self._next:
                self._held.acquire()
        self._holder = threading.get_ident()
        self._depth += 1

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._depth -= 1
        if not self._depth:
            self._holder = None
        self._held.release()
