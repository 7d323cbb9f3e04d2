"""Copying, following changes and forgetting take turns: one of them at a time works on a source."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from weakref import WeakKeyDictionary

from turnout.warehouse import Warehouse

_locks: WeakKeyDictionary[Warehouse, dict[str, threading.RLock]] = WeakKeyDictionary()
_choosing = threading.Lock()


@contextmanager
def turn(
    warehouse: Warehouse, sources: Iterable[str], waiting: Callable[[str], None] | None = None
) -> Iterator[None]:
    """Have these sources' tables in `warehouse` to oneself; a thread that has them has them again.

    `waiting` hears of a source that another works on. Only one process writes to a warehouse,
    so a lock of this process is enough.
    """
    with ExitStack() as held:
        for source in sorted(set(sources)):
            lock = _lock(warehouse, source)
            if not lock.acquire(blocking=False):
                if waiting is not None:
                    waiting(source)
                lock.acquire()
            held.callback(lock.release)
        yield


def _lock(warehouse: Warehouse, source: str) -> threading.RLock:
    with _choosing:
        return _locks.setdefault(warehouse, {}).setdefault(source, threading.RLock())
