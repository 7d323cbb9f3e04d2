"""The server under load, in a process of its own: the collector, or the same server doing nothing.

`python -m bench.server collector|empty PORT JOURNAL_FOLDER`
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
from turnout.events.collector import Collector
from turnout.events.journal import Journal

KEY = "bench-key"
START = {
    "type": "http.response.start",
    "status": 200,
    "headers": [(b"content-type", b"application/json"), (b"content-length", b"16")],
}
BODY = {"type": "http.response.body", "body": b'{"success":true}'}


async def empty(
    _scope: dict[str, Any],
    receive: Callable[[], Awaitable[Any]],
    send: Callable[[Any], Awaitable[None]],
) -> None:
    """Takes the body, looks at nothing, answers."""
    await receive()
    await send(START)
    await send(BODY)


async def serve(kind: str, port: int, folder: Path) -> None:
    """Until SIGTERM."""
    app: Any = empty
    if kind == "collector":
        journal = Journal(folder, segment_bytes_max=64 * 1024**2, name="bench")
        app = Collector(journal, config.Collector())
        app.keys = {KEY: WriteKey(KEY, "bench", "analytics", datetime.now(UTC), None)}
    server = Server(
        app,
        address="127.0.0.1",
        port=port,
        interface=Interfaces.RSGI,
        websockets=False,
        log_enabled=False,
    )
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, server.stop)
    await server.serve()


if __name__ == "__main__":
    uvloop.run(serve(sys.argv[1], int(sys.argv[2]), Path(sys.argv[3])))
    # The server's threads may outlive the interpreter and abort; nothing is left to close.
    os._exit(0)
