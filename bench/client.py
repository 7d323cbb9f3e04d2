"""A load generator in a process of its own: keep-alive connections, one request on each at a time.

`python -m bench.client PORT CONNECTIONS SECONDS [RATE]` reads requests as JSON from standard input,
a list of [path, headers, body] in which `MARK` stands for eight digits that are new each time, and
prints {"requests": …, "duration_s": …, "failed": …, "waits_s": […]}.

Without a rate each connection sends as fast as it is answered. With one, requests fall due at so
many a second whether or not others are answered, and `waits_s` has for each how long after that its
answer came.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import sys
import time
from collections import deque
from collections.abc import Iterator

MARK = "@@@@@@@@"


class Connection(asyncio.Protocol):
    """Sends the next request as soon as the last is answered."""

    def __init__(self, requests: Iterator[bytes], count: Count) -> None:
        self._requests = requests
        self._count = count
        self._transport: asyncio.Transport | None = None
        self._answer = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self.go_on()

    def go_on(self) -> None:
        """When there is nothing under way."""
        self.send()

    def send(self) -> None:
        """The next request."""
        if self._transport is not None:
            self._transport.write(next(self._requests))

    def data_received(self, data: bytes) -> None:
        # Every answer is a JSON object, and only one is under way.
        self._answer += data
        if not self._answer.endswith(b"}"):
            return
        self._count.requests += 1
        self._count.failed += not self._answer.startswith(b"HTTP/1.1 200")
        self._answer = b""
        self.go_on()


class PacedConnection(Connection):
    """Sends when a request is due."""

    def __init__(self, requests: Iterator[bytes], count: Count, pace: Pace) -> None:
        super().__init__(requests, count)
        self._pace = pace
        self._due_s: float | None = None

    def go_on(self) -> None:
        if self._due_s is not None:
            self._count.waits_s.append(time.perf_counter() - self._due_s)
        self._pace.idle.append(self)
        self._pace.send()

    def send_due(self, due_s: float) -> None:
        self._due_s = due_s
        self.send()


class Pace:
    """Requests that fall due at a steady rate; each is for whichever connection is idle."""

    LOOK_EVERY_S = 0.0005

    def __init__(self, rate: float) -> None:
        self.idle: deque[PacedConnection] = deque()
        self._every_s = 1 / rate
        self._due_s = time.perf_counter()

    async def run(self) -> None:
        while True:
            self.send()
            await asyncio.sleep(self.LOOK_EVERY_S)

    def send(self) -> None:
        """All that is due, as far as connections are idle."""
        while self.idle and self._due_s <= time.perf_counter():
            self.idle.popleft().send_due(self._due_s)
            self._due_s += self._every_s


class Count:
    """What all connections have done."""

    def __init__(self) -> None:
        self.clear()

    def clear(self) -> None:
        self.requests = self.failed = 0
        self.waits_s: list[float] = []


async def run(
    port: int, connections: int, seconds: float, rate: float, requests: list[bytes]
) -> None:
    """Keep all connections busy for `seconds`, or busy enough for `rate` unless it is 0."""
    loop = asyncio.get_running_loop()
    count = Count()
    pace = Pace(rate or 1)
    mark = MARK.encode()
    endless = (
        request.replace(mark, b"%08x" % (number & 0xFFFFFFFF))
        for number, request in enumerate(itertools.cycle(requests), time.time_ns())
    )

    def connection() -> Connection:
        return PacedConnection(endless, count, pace) if rate else Connection(endless, count)

    opened = [
        await loop.create_connection(connection, "127.0.0.1", port) for _ in range(connections)
    ]
    pacing = asyncio.create_task(pace.run())
    await asyncio.sleep(seconds / 5)  # warm up before counting
    count.clear()
    started = time.perf_counter()
    await asyncio.sleep(seconds)
    print(
        json.dumps(
            {
                "requests": count.requests,
                "failed": count.failed,
                "duration_s": time.perf_counter() - started,
                "waits_s": count.waits_s,
            }
        )
    )
    pacing.cancel()
    for transport, _ in opened:
        transport.abort()


def encode(path: str, headers: dict[str, str], body: str) -> bytes:
    """The bytes of one request."""
    content = body.encode()
    lines = [f"POST {path} HTTP/1.1", "host: 127.0.0.1", f"content-length: {len(content)}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode() + content


if __name__ == "__main__":
    asyncio.run(
        run(
            int(sys.argv[1]),
            int(sys.argv[2]),
            float(sys.argv[3]),
            float(sys.argv[4]) if sys.argv[4:] else 0,
            [encode(*each) for each in json.load(sys.stdin)],
        )
    )
