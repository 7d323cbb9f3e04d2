"""Loading and upkeep take turns: while one works on the journal and its tables, the other waits."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager


class Turns:
    """A lock whose usual holder, the load job, lets go when somebody else asks."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._waiting = 0

    @property
    def is_wanted(self) -> bool:
        """Whether upkeep waits for its turn: loading then ends early."""
        return self._waiting > 0

    @contextmanager
    def loading(self) -> Iterator[None]:
        with self._lock:
            yield

    @contextmanager
    def upkeep(self) -> Iterator[None]:
        self._waiting += 1
        try:
            self._lock.acquire()
        finally:
            self._waiting -= 1
        try:
            yield
        finally:
            self._lock.release()
