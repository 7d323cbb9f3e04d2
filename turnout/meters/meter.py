"""The three kinds of meter. Each keeps its own numbers in memory, by the values of its labels."""

from __future__ import annotations

import bisect
import threading
import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Protocol, TypeAlias

Labels: TypeAlias = tuple[str, ...]
# What is kept for one set of labels: a counter's total; a gauge's value and when it was set; a
# histogram's sum and then how many observations each bucket had, the last without a bound.
Numbers: TypeAlias = Sequence[float]


class Meter(Protocol):
    """Something counted or measured under one name."""

    name: str
    sentence: str
    labels: Labels

    def numbers(self) -> Mapping[Labels, Numbers]:
        """What this process counted so far."""

    def merged(self, numbers: Iterable[Numbers]) -> Numbers:
        """The same of several processes, as one."""


class Counter:
    """A number that only grows."""

    def __init__(self, name: str, sentence: str, labels: Labels = ()) -> None:
        self.name = name
        self.sentence = sentence
        self.labels = labels
        self._lock = threading.Lock()
        self._totals: dict[Labels, int] = {}

    def add(self, *labels: str, amount: int = 1) -> None:
        """Count `amount` more under `labels`, one value for each of the meter's labels."""
        with self._lock:
            self._totals[labels] = self._totals.get(labels, 0) + amount

    def numbers(self) -> Mapping[Labels, Numbers]:
        with self._lock:
            return {labels: (total,) for labels, total in self._totals.items()}

    def merged(self, numbers: Iterable[Numbers]) -> Numbers:
        return (sum(total for (total,) in numbers),)


class Gauge:
    """A number that goes up and down. Of several processes, the one that set it last is right."""

    def __init__(self, name: str, sentence: str, labels: Labels = ()) -> None:
        self.name = name
        self.sentence = sentence
        self.labels = labels
        self._values: dict[Labels, tuple[float, float]] = {}

    def set(self, value: float, *labels: str) -> None:
        """It is `value` now, under `labels`, one value for each of the meter's labels."""
        # A new dict each time: whoever reads has the old one whole.
        self._values = {**self._values, labels: (value, time.time())}

    def numbers(self) -> Mapping[Labels, Numbers]:
        return self._values

    def merged(self, numbers: Iterable[Numbers]) -> Numbers:
        return max(numbers, key=lambda pair: pair[1])


class Histogram:
    """How long something took, in buckets up to `bounds` seconds."""

    labels: Labels = ()

    def __init__(self, name: str, sentence: str, bounds: Sequence[float]) -> None:
        self.name = name
        self.sentence = sentence
        self.bounds = bounds
        self._lock = threading.Lock()
        self._numbers = [0.0] * (len(bounds) + 2)

    def observe(self, duration_s: float) -> None:
        """It took `duration_s` this time."""
        bucket = 1 + bisect.bisect_left(self.bounds, duration_s)
        with self._lock:
            self._numbers[0] += duration_s
            self._numbers[bucket] += 1

    def numbers(self) -> Mapping[Labels, Numbers]:
        with self._lock:
            return {(): tuple(self._numbers)}

    def merged(self, numbers: Iterable[Numbers]) -> Numbers:
        return [sum(column) for column in zip(*numbers, strict=True)]
