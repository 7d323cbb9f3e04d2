"""A cached clip's CSV against bytes in memory from the same server; 304s; runs; streaming.

`python -m bench.clip serve PORT FOLDER` and `… load PORT PATH SECONDS ETAG` are its processes.
"""

from __future__ import annotations

import asyncio
import json
import re
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.csv
import uvloop
from granian.constants import Interfaces
from granian.server.embed import Server

from bench.figure import Figure
from turnout import config
from turnout.clips import formats
from turnout.clips.cache import Answers
from turnout.clips.follower import Follower
from turnout.clips.result import Result, open_rows
from turnout.clips.runner import Runner
from turnout.warehouse.duckdb import DuckDB

CONNECTIONS = 32
SECONDS = 2.0
ROUNDS = 3
RUNS = 20
STREAMED_ROWS = 1_000_000
ROWS_SQL = (
    "SELECT i AS id, 'person-' || i AS person, TIMESTAMP '2026-01-01' + to_minutes(i::INTEGER) "
    "AS at, i / 7 AS share, i % 3 = 0 AS is_admin FROM range({rows}) AS t(i)"
)
Send = Callable[[dict[str, Any]], Awaitable[None]]


def measure() -> list[Figure]:
    """Rounds take turns, so that a busy machine slows all of them alike."""
    with tempfile.TemporaryDirectory() as name, _serving(Path(name)) as port:
        tag = _tag(port)
        rounds = [
            (
                _rate(port, "/static.csv"),
                _rate(port, "/clip.csv"),
                _rate(port, "/empty"),
                _rate(port, "/clip.csv", tag),
            )
            for _ in range(ROUNDS)
        ]
    static, clip, empty, unchanged = (statistics.median(each) for each in zip(*rounds, strict=True))
    return [
        Figure("static answer, 1,000 rows", static, "requests/s"),
        Figure(
            "clip, cached CSV of 1,000 rows",
            clip,
            "requests/s",
            statistics.median(r[1] / r[0] for r in rounds),
            "static answer",
        ),
        Figure("empty handler, GET", empty, "requests/s"),
        Figure(
            "clip, unchanged (304)",
            unchanged,
            "requests/s",
            statistics.median(r[3] / r[2] for r in rounds),
            "empty handler",
        ),
        *asyncio.run(_runs()),
        *_streams(),
    ]


async def _runs() -> list[Figure]:
    """How long the smallest query takes from request to answer, its worker warm."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        warehouse, follower = _warehouse(folder)
        runner = Runner(config.Clips(), folder)
        await runner.start()
        taken_s = []
        for _ in range(RUNS):
            await asyncio.sleep(0.4)  # the next worker warms up meanwhile
            began = time.perf_counter()
            await runner.run("SELECT 1", follower.current(), folder / "answer.arrow")
            taken_s.append(time.perf_counter() - began)
        await runner.close()
        warehouse.close()
    return [Figure("clip, uncached SELECT 1, median", statistics.median(taken_s) * 1000, "ms")]


def _streams() -> Iterator[Figure]:
    """A million rows as CSV and JSON, against Arrow's own CSV writer."""
    with tempfile.TemporaryDirectory() as name:
        result = _million(Path(name) / "rows.arrow")
        began = time.perf_counter()
        with pa.csv.CSVWriter(Path(name) / "rows.csv", next(result.batches()).schema) as writer:
            for batch in result.batches():
                writer.write_batch(batch)
        arrow = STREAMED_ROWS / (time.perf_counter() - began)
        yield Figure("Arrow's CSV writer, to a file", arrow, "rows/s")
        faces: dict[str, Callable[[], Iterator[bytes]]] = {
            "CSV": lambda: formats.as_csv(result),
            "JSON": lambda: formats.as_json(result, title="bench", version=1),
        }
        for face, render in faces.items():
            began = time.perf_counter()
            for _ in render():
                pass
            rate = STREAMED_ROWS / (time.perf_counter() - began)
            yield Figure(f"clip, streamed {face}", rate, "rows/s", rate / arrow, "Arrow's writer")


def _million(path: Path) -> Result:
    warehouse = DuckDB(path.with_suffix(".duckdb"), memory_bytes_max=1024**3, threads=2)
    table = warehouse.query(ROWS_SQL.format(rows=STREAMED_ROWS))
    warehouse.close()
    table = table.rename_columns([f"c{place}" for place in range(table.num_columns)])
    with pa.ipc.new_file(str(path), table.schema) as writer:
        for batch in table.to_batches(max_chunksize=2048):
            writer.write_batch(batch)
    return Result(
        fields=["id", "person", "at", "share", "is_admin"],
        types=["integer", "text", "time", "float", "boolean"],
        row_count=table.num_rows,
        truncated=False,
        as_of=datetime.now(UTC),
        ran_at=datetime.now(UTC),
        duration_ms=0,
        etag="bench",
        snapshot=1,
        bytes=table.nbytes,
        rows_file=open_rows(path),
    )


def _warehouse(folder: Path) -> tuple[DuckDB, Follower]:
    warehouse = DuckDB(folder / "warehouse.duckdb", memory_bytes_max=1024**3, threads=2)
    with warehouse.transaction() as transaction:
        transaction.execute("CREATE SCHEMA analytics")
        transaction.execute(f"CREATE TABLE analytics.rows AS {ROWS_SQL.format(rows=1000)}")
    follower = Follower(folder / "follower", warehouse)
    follower.publish(now=datetime.now(UTC))
    return warehouse, follower


async def serve(port: int, folder: Path) -> None:
    """The smallest site with one clip in it, until SIGTERM."""
    warehouse, follower = _warehouse(folder)
    settings = config.Clips(workers=1)
    runner = Runner(settings, folder)
    await runner.start()
    answers = Answers(runner, follower, folder / "cache", settings)
    first = await answers.answer("SELECT * FROM analytics.rows", key="bench-1")
    static = b"".join(formats.as_csv(first))

    async def site(scope: dict[str, Any], _receive: object, send: Send) -> None:
        if scope["path"] == "/empty":
            await _answer(send, 200, b"ok")
            return
        if scope["path"] == "/static.csv":
            await _answer(send, 200, static)
            return
        result = await answers.answer("SELECT * FROM analytics.rows", key="bench-1")
        tag = f'"{result.etag}-csv"'.encode()
        if dict(scope["headers"]).get(b"if-none-match") == tag:
            await _answer(send, 304, b"", tag)
        else:
            await _answer(send, 200, b"".join(formats.as_csv(result)), tag)

    server = Server(
        site,
        address="127.0.0.1",
        port=port,
        interface=Interfaces.ASGINL,
        websockets=False,
        log_enabled=False,
    )
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, server.stop)
    await server.serve()
    await runner.close()
    warehouse.close()


async def _answer(send: Send, status: int, body: bytes, tag: bytes = b"") -> None:
    headers = [(b"content-type", b"text/csv"), (b"content-length", str(len(body)).encode())]
    headers += [(b"etag", tag)] if tag else []
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


class Reader(asyncio.Protocol):
    """Asks again as soon as it is answered. Every answer is as long as the first."""

    answered = 0

    def __init__(self, request: bytes) -> None:
        self._request = request
        self._size = 0
        self._head = b""
        self._here = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        self._here += len(data)
        if not self._size:
            self._head += data
            self._size = _size(self._head)
        if self._size and self._here >= self._size:
            self._here -= self._size
            Reader.answered += 1
            self._transport.write(self._request)


def _size(head: bytes) -> int:
    """The length of the whole answer that begins with `head`; 0 while that cannot be told."""
    end = head.find(b"\r\n\r\n")
    found = re.search(rb"content-length: (\d+)", head[:end], re.IGNORECASE)
    is_empty = head.startswith(b"HTTP/1.1 304")
    return end + 4 + int(found[1] if found and not is_empty else 0) if end > 0 else 0


async def load(port: int, path: str, seconds: float, tag: str) -> None:
    """Print how many answers per second `CONNECTIONS` readers got."""
    lines = [f"GET {path} HTTP/1.1", "host: 127.0.0.1", *([f"if-none-match: {tag}"] if tag else [])]
    request = "\r\n".join([*lines, "", ""]).encode()
    loop = asyncio.get_running_loop()
    for _ in range(CONNECTIONS):
        await loop.create_connection(lambda: Reader(request), "127.0.0.1", port)
    await asyncio.sleep(seconds / 5)
    Reader.answered, began = 0, time.perf_counter()
    await asyncio.sleep(seconds)
    print(json.dumps(Reader.answered / (time.perf_counter() - began)))


def _rate(port: int, path: str, tag: str = "") -> float:
    command = [sys.executable, "-m", "bench.clip", "load", str(port), path, str(SECONDS), tag]
    return float(json.loads(subprocess.run(command, check=True, capture_output=True).stdout))


def _tag(port: int) -> str:
    with socket.create_connection(("127.0.0.1", port)) as connection:
        connection.sendall(b"GET /clip.csv HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n")
        found = re.search(rb'etag: ("[^"]+")', connection.recv(65536), re.IGNORECASE)
    assert found
    return found[1].decode()


@contextmanager
def _serving(folder: Path) -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = int(free.getsockname()[1])
    command = [sys.executable, "-m", "bench.clip", "serve", str(port), str(folder)]
    process = subprocess.Popen(command)
    try:
        _wait_for(port)
        yield port
    finally:
        process.terminate()
        process.wait(10)


def _wait_for(port: int, within_s: float = 20) -> None:
    deadline = time.monotonic() + within_s
    while True:
        try:
            socket.create_connection(("127.0.0.1", port)).close()
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)
        else:
            return


if __name__ == "__main__":
    if sys.argv[1] == "serve":
        uvloop.run(serve(int(sys.argv[2]), Path(sys.argv[3])))
    else:
        asyncio.run(load(int(sys.argv[2]), sys.argv[3], float(sys.argv[4]), sys.argv[5]))
