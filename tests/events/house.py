"""A journal and a warehouse as collector and app share them, and a real collector process."""

from __future__ import annotations

import asyncio
import json
import signal
import socket
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from turnout.events.door.line import Arrival, Clock, Sender
from turnout.events.door.message import Limits, judge_batch, parse_batch
from turnout.events.journal.journal import Journal
from turnout.events.loading.load import Load, Loader
from turnout.warehouse.duckdb import DuckDB

ACME = Sender("alice-key", "web", "analytics")
LIMITS = Limits(event_bytes_max=50_000, batch_events_max=1_000)
CLOCK = Clock()


class House:
    """A journal and a warehouse, as collector and app share them."""

    def __init__(self, folder: Path) -> None:
        self.journal_folder = folder / "journal"
        self.warehouse = DuckDB(folder / "warehouse.duckdb", memory_bytes_max=2**29, threads=1)
        self.loader = Loader(self.journal_folder, self.warehouse)

    def receive(
        self, *events: Any, sender: Sender = ACME, received_at: str | None = None, **envelope: Any
    ) -> None:
        """Take a batch in as the collector does, at a time of the test's choosing."""
        batch = parse_batch(json.dumps({"batch": events, **envelope}).encode())
        ms, text = CLOCK.now()
        arrival = Arrival(sender, ms, received_at.encode() if received_at else text)
        self.keep(judge_batch(batch, arrival, LIMITS).lines)

    def keep(self, lines: list[bytes]) -> None:
        async def append() -> None:
            journal = Journal(self.journal_folder, segment_bytes_max=10_000, name="test")
            await journal.append(lines)
            await journal.close()

        asyncio.run(append())

    def load(self) -> Load:
        load = self.loader.load()
        assert load is not None
        assert load.received == load.stored + load.duplicates + load.rejected
        return load

    def rows(self, sql: str) -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = self.warehouse.query(sql).to_pylist()
        return rows

    def row(self, sql: str) -> dict[str, Any]:
        [row] = self.rows(sql)
        return row

    def value(self, sql: str) -> Any:
        [value] = self.row(sql).values()
        return value

    def types(self, table: str) -> dict[str, str]:
        [found] = [t for t in self.warehouse.tables("analytics") if t.name == table]
        return {column.name: column.type.value for column in found.columns}


@dataclass
class RunningCollector:
    """A collector process and where to reach it."""

    process: subprocess.Popen[bytes]
    port: int
    journal_folder: Path

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def kill(self) -> None:
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(10)


def start_collector(folder: Path, name: str = "test") -> RunningCollector:
    """A collector that answers; whoever starts it ends it."""
    port = free_port()
    script = Path(__file__).with_name("collector_process.py")
    process = subprocess.Popen([sys.executable, str(script), str(port), str(folder), name])
    running = RunningCollector(process, port, folder)
    wait_until_healthy(running)
    return running


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def wait_until_healthy(running: RunningCollector) -> None:
    deadline = time.monotonic() + 20
    while True:
        try:
            httpx.get(f"{running.url}/healthz").raise_for_status()
        except httpx.HTTPError:
            assert running.process.poll() is None, "the collector ended"
            assert time.monotonic() < deadline, "the collector did not start"
            time.sleep(0.05)
        else:
            return
