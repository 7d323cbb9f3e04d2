"""A real collector in a process of its own: `collector_process.py PORT FOLDER NAME`.

Its one write key is `alice-key`. SIGTERM drains it as the product does.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from datetime import UTC, datetime
from pathlib import Path

from granian.constants import Interfaces
from granian.server.embed import Server

from turnout import config
from turnout.access.keys import WriteKey
from turnout.events.door.collector import Collector
from turnout.events.journal.journal import Journal


async def main(port: int, folder: Path, name: str) -> None:
    journal = Journal(folder, segment_bytes_max=200_000, name=name)
    settings = config.Collector(body_bytes_max=1_000_000, event_bytes_max=50_000)
    collector = Collector(journal, settings)
    collector.keys = {
        "alice-key": WriteKey("alice-key", "web", "analytics", datetime.now(UTC), None)
    }
    server = Server(
        collector,
        address="127.0.0.1",
        port=port,
        interface=Interfaces.RSGI,
        websockets=False,
        log_enabled=False,
    )
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    serving = asyncio.create_task(server.serve())
    await stop.wait()
    await collector.drain()
    await journal.close()
    server.stop()  # type: ignore[no-untyped-call]  # granian types it no further
    await serving


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), Path(sys.argv[2]), sys.argv[3]))
    # The server's own threads may still call into an interpreter that is being taken down, and
    # abort the process; everything of ours is closed, so end here.
    os._exit(0)
