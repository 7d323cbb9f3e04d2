"""The collector with its full contract, against the same server answering without looking.

The server does nothing in two ways: by the protocol that the collector speaks, and by ASGI.
"""

from __future__ import annotations

import base64
import json
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from bench.client import MARK
from bench.figure import Figure
from bench.messages import track_calls
from bench.server import KEY

CONNECTIONS = 64
SECONDS = 3.0
ROUNDS = 3
# What the collector should reach of the empty handler's requests a second.
SINGLE_AIM, BATCH_AIM = "≥ 0.85 x", "≥ 0.25 x"
BATCH_EVENTS = 100
HEADERS = {
    "authorization": "Basic " + base64.b64encode(f"{KEY}:".encode()).decode(),
    "content-type": "application/json",
}
Request = tuple[str, dict[str, str], str]


def measure() -> list[Figure]:
    """Rounds take turns between both servers, so that a busy machine slows both."""
    with (
        tempfile.TemporaryDirectory() as folder,
        _serving("empty", folder) as empty,
        _serving("empty-asgi", folder) as asgi,
        _serving("collector", folder) as full,
    ):
        return [
            *_figures("single", 1, _singles(), (empty, asgi, full), SINGLE_AIM),
            _wait(full, _singles()),
            *_figures("batch of 100", BATCH_EVENTS, _batches(), (empty, asgi, full), BATCH_AIM),
        ]


def _wait(port: int, requests: Sequence[Request]) -> Figure:
    """How long all but one in a hundred wait for their answer, at half of what there could be."""
    most = statistics.median(_rate(port, requests) for _ in range(ROUNDS))
    waits_s = _load(port, requests, rate=most / 2)["waits_s"]
    p99_s = statistics.quantiles(waits_s, n=100)[-1]
    return Figure("collector, p99 at half its maximum", p99_s * 1000, "ms", aim="≤ 50 ms")


def _figures(
    name: str, events: int, requests: Sequence[Request], ports: Sequence[int], aim: str
) -> Iterator[Figure]:
    rounds = [[_rate(port, requests) for port in ports] for _ in range(ROUNDS)]
    bare, asgi, ours = (statistics.median(column) for column in zip(*rounds, strict=True))
    over_bare = statistics.median(full / empty for empty, _, full in rounds)
    over_asgi = statistics.median(full / empty for _, empty, full in rounds)
    yield Figure(f"empty handler, {name}", bare, "requests/s")
    yield Figure(f"empty ASGI handler, {name}", asgi, "requests/s")
    yield Figure(f"collector, {name}", ours, "requests/s", over_bare, "empty handler", aim)
    yield Figure(f"collector, {name} again", ours, "requests/s", over_asgi, "empty ASGI handler")
    if events > 1:
        yield Figure(f"collector, events in {name}", ours * events, "events/s", aim="≥ 150,000")


def _rate(port: int, requests: Sequence[Request]) -> float:
    """Requests per second that the load generator gets answered."""
    counted = _load(port, requests)
    return float(counted["requests"] / counted["duration_s"])


def _load(port: int, requests: Sequence[Request], rate: float = 0) -> dict[str, Any]:
    """What the load generator says; it sends as much as it can unless there is a `rate`."""
    numbers = map(str, (port, CONNECTIONS, SECONDS, rate))
    done = subprocess.run(
        [sys.executable, "-m", "bench.client", *numbers],
        input=json.dumps(requests),
        capture_output=True,
        text=True,
        check=True,
    )
    counted: dict[str, Any] = json.loads(done.stdout)
    if counted["failed"]:
        raise RuntimeError(f"{counted['failed']} requests were not answered with 200.")
    return counted


def _singles() -> list[Request]:
    return [("/v1/track", HEADERS, json.dumps(call)) for call in _calls(2_000)]


def _calls(count: int) -> list[dict[str, Any]]:
    """Calls whose ids the client makes new with every request, or all would be repeats."""
    return [
        {**call, "messageId": MARK + call["messageId"][len(MARK) :]} for call in track_calls(count)
    ]


def _batches() -> list[Request]:
    calls = _calls(100 * BATCH_EVENTS)
    return [
        (
            "/v1/batch",
            HEADERS,
            json.dumps(
                {
                    "batch": calls[start : start + BATCH_EVENTS],
                    "sentAt": "2026-11-21T10:00:00.000Z",
                }
            ),
        )
        for start in range(0, len(calls), BATCH_EVENTS)
    ]


@contextmanager
def _serving(kind: str, folder: str) -> Iterator[int]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    journal = str(Path(folder) / "journal")
    process = subprocess.Popen([sys.executable, "-m", "bench.server", kind, str(port), journal])
    try:
        _wait_for(port)
        yield port
    finally:
        process.terminate()
        process.wait(10)


def _wait_for(port: int) -> None:
    deadline = time.monotonic() + 10
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)
        else:
            return
