"""What an event costs as work grows: stored events, event tables, columns of a table.

`BENCH_LONG=1` goes on to fifty million stored events; that takes minutes and some gigabytes.
"""

from __future__ import annotations

import asyncio
import json
import os
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bench.figure import Figure
from bench.messages import EVENTS as NAMES
from bench.messages import track_calls
from turnout.events.door.line import Arrival, Clock, Sender
from turnout.events.door.message import Limits, judge_batch, parse_batch
from turnout.events.journal.journal import Journal
from turnout.events.loading.load import Loader
from turnout.warehouse.duckdb import DuckDB

CALLS = 100_000
SIZES = (1_000_000, 10_000_000)
LONG_SIZES = (*SIZES, 50_000_000)
AIM = "≤ 1.5 x"
TABLES = 1_000
COLUMNS = 480
COLUMNS_EACH = 50
BATCH_EVENTS = 100
LIMITS = Limits(512 * 1024, 10_000)


def measure() -> list[Figure]:
    """Each as the time of one event, beside that of an event among a million stored ones."""
    sizes = LONG_SIZES if os.environ.get("BENCH_LONG") else SIZES
    with tempfile.TemporaryDirectory() as name:
        stored = _among_stored(Path(name), sizes)
    base = stored[0]
    figures = [
        Figure(f"load among {size:,} stored", cost, "us/event", cost / base, "among 1,000,000", AIM)
        for size, cost in zip(sizes, stored, strict=True)
    ]
    for label, calls in (
        (f"load into {TABLES:,} event tables", _many_tables()),
        (f"load {COLUMNS_EACH} of {COLUMNS} columns", _many_columns()),
    ):
        with tempfile.TemporaryDirectory() as name:
            cost = _second_half(Path(name), calls)
        figures.append(Figure(label, cost, "us/event", cost / base, "among 1,000,000", AIM))
    return figures


def _among_stored(folder: Path, sizes: Sequence[int]) -> list[float]:
    """Microseconds of one event, with so many stored before."""
    warehouse = _opened(folder)
    _timed(folder / "first", warehouse, track_calls(1_000, seed=0))
    costs, there = [], 1_000
    for seed, size in enumerate(sizes, 1):
        _store(warehouse, there, size)
        there = size + CALLS
        costs.append(_timed(folder / f"journal-{seed}", warehouse, track_calls(CALLS, seed=seed)))
    warehouse.close()
    return costs


def _store(warehouse: DuckDB, there: int, size: int) -> None:
    """Events as if they had been loaded 50,000 at a time, in the years before."""
    common = (
        "uuid()::VARCHAR AS id, 'user-' || (n % 5000) AS user_id, moment AS received_at, "
        'moment AS "timestamp", moment AS uuid_ts, moment AS loaded_at, '
        "'bench' AS _source"
    )
    rows = (
        f"(SELECT n, TIMESTAMP '2020-01-01' + to_seconds(n // 50000) AS moment "
        f"FROM range({there}, {size}) AS numbers(n))"
    )
    with warehouse.transaction() as transaction:
        transaction.execute(
            f"INSERT INTO analytics.tracks BY NAME SELECT {common}, "
            f"'event_number_' || (n % {NAMES}) AS event, '{{}}' AS _properties FROM {rows}"
        )
        for number in range(NAMES):
            transaction.execute(
                f"INSERT INTO analytics.event_number_{number} BY NAME SELECT {common}, "
                f"n AS property_0_{number} FROM {rows} WHERE n % {NAMES} = {number}"
            )
    with tempfile.NamedTemporaryFile() as copy:
        warehouse.publish(Path(copy.name))


def _many_tables() -> list[dict[str, Any]]:
    calls = track_calls(CALLS, seed=7)
    return [
        {**call, "event": f"Many {number % TABLES}", "properties": {"a": number, "b": "text"}}
        for number, call in enumerate(calls)
    ]


def _many_columns() -> list[dict[str, Any]]:
    calls = track_calls(CALLS // 5, seed=8)
    return [
        {
            **call,
            "event": "Wide",
            "properties": {
                f"column_{(number * 37 + place * 91) % COLUMNS}": place
                for place in range(COLUMNS_EACH)
            },
        }
        for number, call in enumerate(calls)
    ]


def _second_half(folder: Path, calls: list[dict[str, Any]]) -> float:
    """The first half makes tables and columns; the second is measured."""
    warehouse = _opened(folder)
    middle = len(calls) // 2
    _timed(folder / "first", warehouse, calls[:middle])
    cost = _timed(folder / "second", warehouse, calls[middle:])
    warehouse.close()
    return cost


def _opened(folder: Path) -> DuckDB:
    return DuckDB(folder / "warehouse.duckdb", memory_bytes_max=2 * 1024**3, threads=2)


def _timed(journal: Path, warehouse: DuckDB, calls: list[dict[str, Any]]) -> float:
    """Microseconds an event takes from the journal into the warehouse."""
    asyncio.run(_fill(journal, calls))
    loader = Loader(journal, warehouse)
    started = time.perf_counter()
    stored = 0
    while load := loader.load():
        stored += load.stored
    duration_s = time.perf_counter() - started
    loader.close()
    if stored != len(calls):
        raise RuntimeError(f"{stored} of {len(calls)} events were stored.")
    return duration_s / stored * 1e6


async def _fill(folder: Path, calls: list[dict[str, Any]]) -> None:
    journal = Journal(folder, segment_bytes_max=64 * 1024**2, name="bench")
    sender, clock = Sender("bench-key", "bench", "analytics"), Clock()
    for start in range(0, len(calls), BATCH_EVENTS):
        body = {"batch": calls[start : start + BATCH_EVENTS], "sentAt": "2026-11-21T10:00:00Z"}
        batch = parse_batch(json.dumps(body, separators=(",", ":")).encode())
        await journal.append(judge_batch(batch, Arrival(sender, *clock.now()), LIMITS).lines)
    await journal.close()
