"""Small answers are asked for most often: their finished bytes are kept."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator
from typing import Any

from turnout.clips.result import Result

KEPT_BYTES_MAX = 32 * 1024**2
KEPT_ITEM_BYTES_MAX = 1024**2


def kept(
    result: Result, face: tuple[Any, ...], render: Callable[[], Iterator[bytes]]
) -> Iterator[bytes]:
    """What `render` writes of `result`, kept under `face` when it is small."""
    if result.bytes > KEPT_ITEM_BYTES_MAX:
        return render()
    key = (result.etag, result.as_of, result.ran_at, result.is_stale, *face)
    item = _KEPT.find(key)
    if item is None:
        item = b"".join(render())
        if len(item) <= KEPT_ITEM_BYTES_MAX:
            _KEPT.keep(key, item)
    return iter((item,))


class _Kept:
    """Finished bytes of small answers, the least recently used ones leave first."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._items: OrderedDict[tuple[Any, ...], bytes] = OrderedDict()
        self._bytes = 0

    def find(self, key: tuple[Any, ...]) -> bytes | None:
        with self._lock:
            item = self._items.get(key)
            if item is not None:
                self._items.move_to_end(key)
            return item

    def keep(self, key: tuple[Any, ...], item: bytes) -> None:
        with self._lock:
            self._bytes += len(item) - len(self._items.pop(key, b""))
            self._items[key] = item
            while self._bytes > KEPT_BYTES_MAX:
                self._bytes -= len(self._items.popitem(last=False)[1])


_KEPT = _Kept()
