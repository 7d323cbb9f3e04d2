"""Copies of a PostgreSQL database: whole, what changed, what was deleted; beside the floor.

The floor is PostgreSQL's binary COPY of the same columns into nothing. `BENCH_LONG=1` measures
5 M wide and 20 M narrow rows, for growth beside a fifth of each. `BENCH_PEERS=1` installs other
copiers into a folder of their own outside the repository and measures them on the same rows.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from statistics import quantiles

import msgspec

from bench.company import company, fill, floor_s, selection
from bench.copied import MEMORY_BYTES_MAX, SECRET
from bench.figure import Figure
from bench.peers import peers
from turnout import sync
from turnout.clips.follower import Follower
from turnout.config import Source
from turnout.demo.cluster import Cluster
from turnout.sync.postgres.publication import log_statements
from turnout.sync.postgres.stream import slot_name
from turnout.warehouse.duckdb import DuckDB

IS_LONG = bool(os.environ.get("BENCH_LONG"))
# Per table: a smaller size, that memory is compared with, and the one that is measured.
SIZES = {
    "wide": (1_000_000, 5_000_000) if IS_LONG else (200_000, 1_000_000),
    "narrow": (4_000_000, 20_000_000) if IS_LONG else (400_000, 2_000_000),
}
CHANGES = 200_000
DELETED_PER_MILLE = 10
FRESH_PER_S = 500
FRESH_FOR_S = 20.0
IDLE_PASSES = 20
# The settings' own pause between two looks for changes.
LOOK_EVERY_S = 1.0
MIB = 1024**2


class Copied(msgspec.Struct):
    """What one copy said of itself."""

    took_s: float
    rows: int
    peak_bytes: int


def measure() -> list[Figure]:
    """Whole copies first, then changes."""
    with tempfile.TemporaryDirectory() as name, company(Path(name) / "cluster") as cluster:
        return [*_whole(cluster, Path(name)), *_changes(cluster, Path(name))]


def _whole(cluster: Cluster, folder: Path) -> Iterator[Figure]:
    for table, (small, large) in SIZES.items():
        fill(cluster, table, small)
        few = _copy(cluster, folder, table)
        fill(cluster, table, large)
        # Once for the server's own cache.
        floor_s(cluster.leader_url(), table)
        floor = floor_s(cluster.leader_url(), table)
        many = _copy(cluster, folder, table)
        yield Figure(f"floor of {large:,} {table} rows", large / floor, "rows/s")
        yield Figure(
            f"copy of {large:,} {table} rows",
            large / many.took_s,
            "rows/s",
            many.took_s / floor,
            "the floor's time",
        )
        yield Figure(
            f"memory of {large:,} {table} rows",
            many.peak_bytes / MIB,
            "MiB",
            many.peak_bytes / few.peak_bytes,
            f"{small:,} rows",
        )
        for peer, took_s in peers(cluster.leader_url(), table, large):
            yield Figure(
                f"{peer}, {large:,} {table} rows",
                large / took_s,
                "rows/s",
                took_s / floor,
                "the floor's time",
            )
        if table == "wide":
            yield _deletes(cluster, folder, large, floor)


def _copy(cluster: Cluster, folder: Path, table: str, mode: str = "full") -> Copied:
    tables = msgspec.json.encode({table: selection(table, mode)}).decode()
    path = folder / f"{table}-{mode}.duckdb"
    command = [sys.executable, "-m", "bench.copied", cluster.leader_url(), str(path), tables]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE)
    return msgspec.json.decode(done.stdout, type=Copied)


def _deletes(cluster: Cluster, folder: Path, rows: int, floor: float) -> Figure:
    """A run that finds deleted rows by comparing all keys, and hardly anything new."""
    _copy(cluster, folder, "wide", "xmin")
    with cluster.connect() as connection:
        connection.execute(f"DELETE FROM wide WHERE seats < {DELETED_PER_MILLE}")
    took_s = _copy(cluster, folder, "wide", "xmin").took_s
    label = f"deletes found among {rows:,} rows"
    return Figure(label, took_s, "s", took_s / floor, "the floor's time")


def _changes(cluster: Cluster, folder: Path) -> Iterator[Figure]:
    fill(cluster, "narrow", CHANGES)
    warehouse = DuckDB(folder / "log.duckdb", memory_bytes_max=MEMORY_BYTES_MAX, threads=2)
    try:
        with _following(cluster, warehouse) as capturing:
            yield _caught_up(cluster, capturing)
            yield _idle(capturing)
            yield from _freshness(cluster, capturing, Follower(folder / "follower", warehouse))
    finally:
        warehouse.close()


@contextmanager
def _following(cluster: Cluster, warehouse: DuckDB) -> Iterator[sync.Capturing]:
    """The capture of the narrow table, its whole copy made."""
    source = Source(
        cluster.leader_url(), tables={"narrow": selection("narrow", "log")}, accept_leader=True
    )
    slot = slot_name("bench", source)
    selected = sync.selected_tables("bench", source)
    with cluster.connect() as connection:
        for statement in log_statements(selected, "postgres", slot):
            connection.execute(statement)
        capturing = sync.Capturing("bench", source, warehouse, secret=SECRET)
        if problems := capturing.once().problems:
            raise RuntimeError(str(dict(problems)))
        try:
            yield capturing
        finally:
            capturing.close()


def _caught_up(cluster: Cluster, capturing: sync.Capturing) -> Figure:
    """As many updates as there are rows, in transactions of a thousand, all waiting."""
    with cluster.connect() as connection:
        connection.execute("CREATE INDEX ON narrow (not_selected)")
        for first in range(1, CHANGES, 1000):
            connection.execute(
                "UPDATE narrow SET role = 'later' WHERE not_selected BETWEEN %s AND %s",
                [first, first + 999],
            )
    began = time.perf_counter()
    changes = 0
    while changes < CHANGES:
        changes += capturing.once().changes
    return Figure("catch-up", changes / (time.perf_counter() - began), "changes/s")


def _idle(capturing: sync.Capturing) -> Figure:
    """A look for changes where there are none."""
    began = time.perf_counter()
    for _ in range(IDLE_PASSES):
        capturing.once()
    return Figure("idle look", (time.perf_counter() - began) / IDLE_PASSES * 1000, "ms")


def _freshness(cluster: Cluster, capturing: sync.Capturing, follower: Follower) -> Iterator[Figure]:
    """From commit to a published snapshot, at so many changes a second."""
    committed: list[float] = []
    writer = threading.Thread(target=_write, args=(cluster, committed))
    writer.start()
    waits: list[float] = []
    seen = 0
    while writer.is_alive() or seen < len(committed):
        began = time.perf_counter()
        # What is committed by now is in the log before the pass begins.
        known = len(committed)
        capturing.once()
        follower.publish(now=datetime.now(UTC))
        shown = time.perf_counter()
        waits += [shown - at for at in committed[seen:known]]
        seen = known
        time.sleep(max(0.0, LOOK_EVERY_S - (shown - began)))
    writer.join()
    label = f"commit to visible at {FRESH_PER_S}/s"
    yield Figure(f"{label}, median", _share(waits, 50), "s")
    yield Figure(f"{label}, p95", _share(waits, 95), "s")


def _write(cluster: Cluster, committed: list[float]) -> None:
    """Ten rows a transaction, half of them new; when each was committed."""
    pause_s = 10 / FRESH_PER_S
    until = time.perf_counter() + FRESH_FOR_S
    with cluster.connect() as connection:
        next_at = time.perf_counter()
        while next_at < until:
            connection.execute(
                "WITH new AS (INSERT INTO narrow SELECT gen_random_uuid(), gen_random_uuid(), "
                "'new' FROM generate_series(1, 5)) UPDATE narrow SET role = role || '.' "
                "WHERE person_uuid IN (SELECT person_uuid FROM narrow LIMIT 5)"
            )
            committed.append(time.perf_counter())
            next_at += pause_s
            time.sleep(max(0.0, next_at - time.perf_counter()))


def _share(values: Sequence[float], percent: int) -> float:
    return quantiles(values, n=100)[percent - 1]
