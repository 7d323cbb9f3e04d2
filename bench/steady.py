"""The whole product under a steady stream: how soon an event is visible, and what memory it takes.

`BENCH_LONG=1` watches the memory for ten minutes instead of half of one.
"""

from __future__ import annotations

import json
import os
import statistics
import tempfile
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.request import Request

import psutil

from bench.figure import Figure
from bench.messages import track_calls
from tests.running import Turnout, answer

BATCH_EVENTS = 50
VISIBLE_RATE, VISIBLE_S = 1_000, 20
# An eager reader; one who never pauses would keep a core from those who load and publish.
LOOK_EVERY_S = 0.1
MEMORY_RATE = 5_000
MEMORY_S = 600 if os.environ.get("BENCH_LONG") else 30
MIB = 1024 * 1024
# As much as a measurement of this length can tell.
FLAT = "flat: ≤ 1.05 x"


def measure() -> list[Figure]:
    """From the answer to the event, to a clip that has it; and resident memory."""
    with _running() as turnout:
        delays = _delays(turnout)
    with _running() as turnout:
        early, late = _memory(turnout)
    return [
        Figure("event to clip, p50", statistics.median(delays), "s"),
        Figure("event to clip, p95", statistics.quantiles(delays, n=20)[-1], "s", aim="≤ 2 s"),
        Figure(
            "memory of collector and app", late / MIB, "MiB", late / early, "a quarter in", FLAT
        ),
    ]


class Stream(threading.Thread):
    """Sends batches at a rate; when each was answered, by its number."""

    def __init__(self, turnout: Turnout, rate: int, seconds: float) -> None:
        super().__init__()
        self.answered: dict[int, float] = {}
        self._turnout = turnout
        self._every_s = BATCH_EVENTS / rate
        self._count = int(seconds / self._every_s)
        self._calls = track_calls(1_000)

    def run(self) -> None:
        began = time.perf_counter()
        for number in range(self._count):
            time.sleep(max(0.0, began + number * self._every_s - time.perf_counter()))
            if self._turnout.send(self._batch(number)) == 200:  # noqa: PLR2004 -- success
                self.answered[number] = time.perf_counter()

    def _batch(self, number: int) -> list[dict[str, Any]]:
        start = number * BATCH_EVENTS % len(self._calls)
        batch = [
            {**call, "messageId": str(uuid.uuid4())}
            for call in self._calls[start : start + BATCH_EVENTS]
        ]
        return [*batch[1:], self._turnout.track(f"number {number}", "Steady", number=number)]


@contextmanager
def _running() -> Iterator[Turnout]:
    with tempfile.TemporaryDirectory() as name:
        turnout = Turnout(Path(name) / "home")
        try:
            turnout.start()
            turnout.send([turnout.track("first", "Steady", number=-1)])
            turnout.wait_loaded()
            yield turnout
        finally:
            turnout.end()


def _delays(turnout: Turnout) -> list[float]:
    """Seconds from each batch's answer until a clip shows its last event."""
    clip = turnout.clip("SELECT max(number) AS last FROM analytics.steady") + ".json"
    stream = Stream(turnout, VISIBLE_RATE, VISIBLE_S)
    stream.start()
    delays: dict[int, float] = {}
    while stream.is_alive() or len(delays) < len(stream.answered):
        time.sleep(LOOK_EVERY_S)
        _, body = answer(Request(clip))
        seen = time.perf_counter()
        [[last]] = json.loads(body)["values"]
        for number, at in list(stream.answered.items()):
            if number <= last:
                delays.setdefault(number, seen - at)
    return list(delays.values())


def _memory(turnout: Turnout) -> tuple[float, float]:
    """Bytes of collector and app, in the second quarter of the time and in the last."""
    processes = [turnout.child("collector"), turnout.child("app")]
    stream = Stream(turnout, MEMORY_RATE, MEMORY_S)
    stream.start()
    sizes: list[int] = []
    while stream.is_alive():
        sizes.append(sum(_resident(process) for process in processes))
        time.sleep(0.5)
    quarter = len(sizes) // 4
    return (
        statistics.median(sizes[quarter : 2 * quarter]),
        statistics.median(sizes[-quarter:]),
    )


def _resident(process: psutil.Process) -> int:
    """Bytes that are the process's own: mapped files are the system's to keep or drop."""
    memory = process.memory_info()
    return int(memory.rss - memory.shared)
