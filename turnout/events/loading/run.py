"""Sorted keys in a file, and beside each the second it was loaded in: written once, then mapped."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

KEY_BYTES, SECOND_BYTES = 8, 4


class Run:
    """A run on disk. `pairs` has `key` and `second`, in the order of keys, without reading them."""

    def __init__(self, path: Path) -> None:
        """Raises `OSError` when it is not there, `ValueError` when it is not whole."""
        self.path = path
        self.number = int(path.stem)
        mapped = pa.memory_map(str(path))
        buffer = mapped.read_buffer(mapped.size())
        self.entries, rest = divmod(buffer.size, KEY_BYTES + SECOND_BYTES)
        if rest or not self.entries:
            raise ValueError(f"{path.name} is not whole.")
        keys = pa.Array.from_buffers(pa.uint64(), self.entries, [None, buffer])
        seconds = pa.Array.from_buffers(
            pa.uint32(), self.entries, [None, buffer.slice(self.entries * KEY_BYTES)]
        )
        self.pairs = pa.table({"key": keys, "second": seconds})
        self._keys, self._seconds = keys, seconds

    def find(self, keys: pa.Array) -> tuple[pa.Array, pa.Array]:
        """Places among `keys` of those that are here, and seconds: of each the first and the last.

        A key has several seconds when its row was removed and loaded again.
        """
        last = pa.scalar(self.entries - 1, pa.uint64())
        there = pc.min_element_wise(pc.search_sorted(self._keys, keys), last)
        places = pc.indices_nonzero(pc.equal(self._keys.take(there), keys))
        after = pc.search_sorted(self._keys, keys.take(places), side="right")
        bounds = pa.concat_arrays([there.take(places), pc.subtract(after, 1).cast(pa.uint64())])
        return places.cast(pa.uint64()), self._seconds.take(bounds)


def write_run(path: Path, entries: int, slices: Iterable[pa.Table]) -> None:
    """Write a run of so many entries that come in `slices`, in order; it is durable then."""
    done = 0
    with path.open("wb") as file:
        for pairs in slices:
            for name, start, width in (
                ("key", 0, KEY_BYTES),
                ("second", entries * KEY_BYTES, SECOND_BYTES),
            ):
                file.seek(start + done * width)
                values = pairs[name].combine_chunks()
                file.write(values.buffers()[1].slice(values.offset * width, len(values) * width))
            done += pairs.num_rows
        file.flush()
        os.fsync(file.fileno())
