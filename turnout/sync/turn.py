"""Copying, following changes and forgetting take turns on a source's tables.

A copy and the following of changes go on side by side, for they never write to the same table;
of each there is one at a time. Forgetting is alone. Only one process writes to a warehouse, so
locks of this process are enough.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from weakref import WeakKeyDictionary

from turnout.warehouse import Warehouse

# Whoever waits is told this often, and may raise to wait no longer.
TOLD_EVERY_S = 0.2
COPY, CHANGES = "copy", "changes"

Waiting = Callable[[str], None]

_locks: WeakKeyDictionary[Warehouse, dict[tuple[str, str], threading.RLock]] = WeakKeyDictionary()
_choosing = threading.Lock()


@contextmanager
def copying(warehouse: Warehouse, source: str, waiting: Waiting | None = None) -> Iterator[None]:
    """Be the one that copies `source`. `waiting` hears its name while another one does."""
    with ExitStack() as held:
        _acquire(held, warehouse, COPY, source, waiting)
        yield


@contextmanager
def following(warehouse: Warehouse, source: str, waiting: Waiting | None = None) -> Iterator[None]:
    """Be the one that applies the changes of `source`, and may have a copy made meanwhile."""
    with ExitStack() as held:
        _acquire(held, warehouse, CHANGES, source, waiting)
        yield


@contextmanager
def alone(
    warehouse: Warehouse, sources: Iterable[str], waiting: Waiting | None = None
) -> Iterator[None]:
    """Nothing is copied or applied of any of `sources`."""
    named = sorted(set(sources))
    with ExitStack() as held:
        # Who follows changes waits for copies, never the other way round.
        for kind in (CHANGES, COPY):
            for source in named:
                _acquire(held, warehouse, kind, source, waiting)
        yield


def _acquire(
    held: ExitStack, warehouse: Warehouse, kind: str, source: str, waiting: Waiting | None
) -> None:
    with _choosing:
        lock = _locks.setdefault(warehouse, {}).setdefault((kind, source), threading.RLock())
    while not lock.acquire(timeout=TOLD_EVERY_S):
        if waiting is not None:
            waiting(source)
    held.callback(lock.release)
