"""Which ids the warehouse holds: an index on disk that makes asking cost the same at any size.

It is only ever a hint. Without a hit an id is new for certain; with one, the warehouse is asked
for the rows of the seconds the index names. It is made of the warehouse's rows and can be made
again from them: 12 bytes each, in sorted runs that are mapped, not read, and merged as they grow.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.compute as pc

from turnout.events.loading.run import Run, write_run

# Entries of the newest loads, in memory until they make a run.
YOUNG_MAX = 262_144
# Entries merged at a time.
CHUNK_ENTRIES = 1_000_000
# The engine's hash may change with its version; runs of another version say nothing.
VERSION = duckdb.__version__
NOTE = "known.json"
ORDER = [("key", "ascending"), ("second", "ascending")]


@dataclass(frozen=True, slots=True)
class Hits:
    """Which of the asked keys may be known, and between which seconds they were loaded."""

    may_be_known: pa.Array
    first_s: int
    last_s: int


class Known:
    """The keys of all stored messages. What is added must be committed in the warehouse."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._runs: list[Run] = []
        self._young = pa.table(
            {"key": pa.array([], pa.uint64()), "second": pa.array([], pa.uint32())}
        )
        self._through_us = 0

    @property
    def entries(self) -> int:
        """How many keys the runs on disk hold."""
        return sum(run.entries for run in self._runs)

    @property
    def through_us(self) -> int:
        """The newest load whose keys the runs on disk hold, in microseconds since 1970."""
        return self._through_us

    def open(self) -> None:
        """Take up the runs on disk; none of them when anything about them is odd."""
        self.clear()
        try:
            note = json.loads((self._folder / NOTE).read_text(encoding="utf-8"))
            if note["version"] == VERSION:
                self._runs = [Run(self._folder / name) for name in note["runs"]]
                self._through_us = int(note["through_us"])
        except (OSError, ValueError, KeyError, TypeError):
            self.clear()

    def clear(self) -> None:
        """Forget everything, until it is added again."""
        self._runs, self._young, self._through_us = [], self._young.slice(0, 0), 0

    def find(self, keys: pa.Array) -> Hits | None:
        """Which of `keys` may be known already; None when none is."""
        order = pc.sort_indices(keys)
        ordered = keys.take(order)
        found = [run.find(ordered) for run in self._runs]
        found.append(self._find_young(ordered))
        places = pa.chunked_array([order.take(places) for places, _ in found], pa.uint64())
        if not len(places):
            return None
        seconds = pc.min_max(pa.chunked_array([seconds for _, seconds in found], pa.uint32()))
        numbers = pa.arange(0, len(keys)).cast(pa.uint64())
        hit = pc.is_in(numbers, value_set=places.combine_chunks())
        return Hits(hit, seconds["min"].as_py(), seconds["max"].as_py())

    def add(self, pairs: pa.Table, through_us: int) -> None:
        """`key` and `second` of rows loaded since the last time, up to the load at `through_us`."""
        self._young = pa.concat_tables([self._young, pairs])
        if self._young.num_rows >= YOUNG_MAX:
            self._write_run(self._young)
            self._young, self._through_us = self._young.slice(0, 0), through_us
            self._write_note()

    def _find_young(self, keys: pa.Array) -> tuple[pa.Array, pa.Array]:
        places = pc.index_in(self._young["key"], value_set=keys).combine_chunks()
        seconds = self._young["second"].combine_chunks().filter(places.is_valid())
        return places.drop_null().cast(pa.uint64()), seconds

    def _write_run(self, pairs: pa.Table) -> None:
        """A run of `pairs`, and of the runs before it that it has outgrown."""
        self._folder.mkdir(parents=True, exist_ok=True)
        number = max((run.number for run in self._runs), default=0) + 1
        parts = [pairs.sort_by(ORDER)]
        entries = pairs.num_rows
        while self._runs and self._runs[-1].entries <= 2 * entries:
            outgrown = self._runs.pop()
            parts.append(outgrown.pairs)
            entries += outgrown.entries
        path = self._folder / f"{number:08}.run"
        write_run(path, entries, _merged(parts, entries))
        self._runs.append(Run(path))

    def _write_note(self) -> None:
        """Which runs there are, now that they are on the disk; files of no run go."""
        names = [run.path.name for run in self._runs]
        note = {"version": VERSION, "through_us": self._through_us, "runs": names}
        part = self._folder / f"{NOTE}.part"
        part.write_text(json.dumps(note), encoding="utf-8")
        part.replace(self._folder / NOTE)
        for path in self._folder.glob("*.run"):
            if path.name not in names:
                path.unlink()


def _merged(parts: list[pa.Table], entries: int) -> Iterator[pa.Table]:
    """The entries of sorted `parts` in order, about `CHUNK_ENTRIES` at a time."""
    # Keys are spread evenly, so equal stretches of all keys hold about equally many of them.
    chunks = entries // CHUNK_ENTRIES + 1
    bounds = pa.array([number * 2**64 // chunks for number in range(1, chunks)], pa.uint64())
    cuts = [
        [0, *pc.search_sorted(part["key"].combine_chunks(), bounds).to_pylist(), part.num_rows]
        for part in parts
    ]
    for stretches in zip(*map(pairwise, cuts), strict=True):
        some = [
            part.slice(start, end - start)
            for part, (start, end) in zip(parts, stretches, strict=True)
        ]
        yield pa.concat_tables(some).combine_chunks().sort_by(ORDER)
