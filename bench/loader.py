"""Journal → DuckDB: 20 event tables of 10 properties, against one Python loop over events."""

from __future__ import annotations

import asyncio
import json
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from pathlib import Path

from bench import plain_loader
from bench.figure import Figure
from bench.messages import track_calls
from turnout.events.door.line import Arrival, Clock, Sender
from turnout.events.door.message import Limits, judge_batch, parse_batch
from turnout.events.journal.journal import Journal
from turnout.events.loading.load import Loader
from turnout.warehouse import Warehouse
from turnout.warehouse.duckdb import DuckDB

EVENTS = 300_000
BATCH_EVENTS = 100
ROUNDS = 2
LIMITS = Limits(512 * 1024, 10_000)


def measure() -> list[Figure]:
    """Rounds take turns between both loaders, so that a busy machine slows both."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        asyncio.run(_fill(folder / "journal"))
        rounds = [(_rate(folder, _plain), _rate(folder, _ours)) for _ in range(ROUNDS)]
    plain = statistics.median(each[0] for each in rounds)
    ours = statistics.median(each[1] for each in rounds)
    ratio = statistics.median(each[1] / each[0] for each in rounds)
    return [
        Figure("plain loader", plain, "events/s"),
        Figure("loader", ours, "events/s", ratio, "plain loader", "≥ 100,000 and ≥ 4 x"),
    ]


async def _fill(folder: Path) -> None:
    """A journal as the collector writes it."""
    journal = Journal(folder, segment_bytes_max=64 * 1024**2, name="bench")
    sender, clock = Sender("bench-key", "bench", "analytics"), Clock()
    calls = track_calls(EVENTS)
    for start in range(0, EVENTS, BATCH_EVENTS):
        body = {"batch": calls[start : start + BATCH_EVENTS], "sentAt": "2026-11-21T10:00:00Z"}
        batch = parse_batch(json.dumps(body, separators=(",", ":")).encode())
        await journal.append(judge_batch(batch, Arrival(sender, *clock.now()), LIMITS).lines)
    await journal.close()


@contextmanager
def _ours(folder: Path, warehouse: Warehouse) -> Iterator[Callable[[], int]]:
    """Opened once for all, as in the app: what is measured is loading."""
    with closing(Loader(folder, warehouse)) as loader:
        yield lambda: sum(load.stored for load in iter(loader.load, None))


@contextmanager
def _plain(folder: Path, warehouse: Warehouse) -> Iterator[Callable[[], int]]:
    yield lambda: plain_loader.load_all(folder, warehouse)


def _rate(
    folder: Path, opened: Callable[[Path, Warehouse], AbstractContextManager[Callable[[], int]]]
) -> float:
    """Events per second into a new warehouse."""
    path = folder / "warehouse.duckdb"
    warehouse = DuckDB(path, memory_bytes_max=2 * 1024**3, threads=2)
    try:
        with opened(folder / "journal", warehouse) as load_all:
            started = time.perf_counter()
            stored = load_all()
            duration_s = time.perf_counter() - started
        [rows] = warehouse.query("SELECT count(*) AS n FROM analytics.tracks")["n"].to_pylist()
    finally:
        warehouse.close()
        path.unlink()
    if not stored == rows == EVENTS:
        raise RuntimeError(f"{stored} of {EVENTS} events were stored as {rows} rows.")
    return stored / duration_s
