"""The server under load, in a process of its own: the collector, or the same server doing nothing.

`python -m bench.server collector|empty|empty-asgi PORT JOURNAL_FOLDER`
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import uvloop
from granian.constants import Interfaces
from granian.server.embed import Server

from turnout import config
from turnout.access.keys import WriteKey
from turnout.events.door import pace
from turnout.events.door.collector import Collector
from turnout.events.journal.journal import Journal
from turnout.events.journal.seen import Seen

KEY = "bench-key"
HEADERS = [("content-type", "application/json")]
START = {
    "type": "http.response.start",
    "status": 200,
    "headers": [(b"content-type", b"application/json"), (b"content-length", b"16")],
}
BODY = {"type": "http.response.body", "body": b'{"success":true}'}


async def empty(_scope: Any, exchange: Any) -> None:
    """Takes the body, looks at nothing, answers: by the protocol the collector speaks."""
    await exchange()
    exchange.response_bytes(200, HEADERS, b'{"success":true}')


async def empty_asgi(
    _scope: dict[str, Any],
    receive: Callable[[], Awaitable[Any]],
    send: Callable[[Any], Awaitable[None]],
) -> None:
    """The same by ASGI."""
    await receive()
    await send(START)
    await send(BODY)


async def serve(kind: str, port: int, folder: Path) -> None:
    """Until SIGTERM."""
    tending: set[asyncio.Task[None]] = set()
    app: Any = empty_asgi if kind == "empty-asgi" else empty
    if kind == "collector":
        seen = Seen(folder / "seen", b"bench")
        journal = Journal(folder, segment_bytes_max=64 * 1024**2, name="bench", seen=seen)
        app = Collector(journal, config.Collector(), seen)
        tending.add(asyncio.create_task(tend(journal, seen)))
        app.keys = {KEY: WriteKey(KEY, "bench", "analytics", datetime.now(UTC), None)}
    server = Server(
        app,
        address="127.0.0.1",
        port=port,
        interface=Interfaces.ASGINL if kind == "empty-asgi" else Interfaces.RSGI,
        websockets=False,
        log_enabled=False,
    )
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, server.stop)
    pace.quicken()
    await server.serve()


async def tend(journal: Journal, seen: Seen) -> None:
    """What the product does once a second beside taking requests."""
    while True:
        await journal.tend()
        await asyncio.to_thread(seen.tend)
        await asyncio.sleep(1)


if __name__ == "__main__":
    uvloop.run(serve(sys.argv[1], int(sys.argv[2]), Path(sys.argv[3])))
    # The server's threads may outlive the interpreter and abort; nothing is left to close.
    os._exit(0)
