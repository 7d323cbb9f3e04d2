"""A load generator in a process of its own: keep-alive connections, one request on each at a time.

`python -m bench.client PORT CONNECTIONS SECONDS` reads requests as JSON from standard input, a list
of [path, headers, body] in which `MARK` stands for eight digits that are new each time, and prints
{"requests": …, "duration_s": …, "failed": …}.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import sys
import time
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
        transport.write(next(self._requests))

    def data_received(self, data: bytes) -> None:
        # Every answer is a JSON object, and only one is under way.
        self._answer += data
        if not self._answer.endswith(b"}"):
            return
        self._count.requests += 1
        self._count.failed += not self._answer.startswith(b"HTTP/1.1 200")
        self._answer = b""
        if self._transport is not None:
            self._transport.write(next(self._requests))


class Count:
    """What all connections have done."""

    def __init__(self) -> None:
        self.requests = 0
        self.failed = 0


async def run(port: int, connections: int, seconds: float, requests: list[bytes]) -> None:
    """Keep all connections busy for `seconds`."""
    loop = asyncio.get_running_loop()
    count = Count()
    mark = MARK.encode()
    endless = (
        request.replace(mark, b"%08x" % (number & 0xFFFFFFFF))
        for number, request in enumerate(itertools.cycle(requests), time.time_ns())
    )
    opened = [
        await loop.create_connection(lambda: Connection(endless, count), "127.0.0.1", port)
        for _ in range(connections)
    ]
    await asyncio.sleep(seconds / 5)  # warm up before counting
    count.requests = 0
    started = time.perf_counter()
    await asyncio.sleep(seconds)
    print(
        json.dumps(
            {
                "requests": count.requests,
                "failed": count.failed,
                "duration_s": time.perf_counter() - started,
            }
        )
    )
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
            [encode(*each) for each in json.load(sys.stdin)],
        )
    )
