"""The door stays open to the next one, however many are in it already."""

from __future__ import annotations

import socket
import subprocess
import sys

from turnout.listening import listen

# More than a server's usual limit, and fewer than a process may open.
VISITORS = 400
SERVER = """
import asyncio, sys
from granian.constants import Interfaces
from turnout.listening import HeldServer

class Application:
    async def __rsgi__(self, scope, exchange):
        exchange.response_str(200, [], "here")

asyncio.run(HeldServer(Application(), int(sys.argv[1]), Interfaces.RSGI).serve())
"""


def test_connections_that_are_kept_close_the_door_to_nobody() -> None:
    with listen("127.0.0.1", 0, setting="a port") as listener:
        place = listener.getsockname()
        server = subprocess.Popen(
            [sys.executable, "-c", SERVER, str(listener.fileno())], pass_fds=[listener.fileno()]
        )
        visitors: list[socket.socket] = []
        try:
            for _ in range(VISITORS):
                visitor = socket.create_connection(place, timeout=10)
                visitors.append(visitor)
                visitor.sendall(b"GET / HTTP/1.1\r\nHost: here\r\n\r\n")
                assert visitor.recv(1_000).startswith(b"HTTP/1.1 200")
        finally:
            for visitor in visitors:
                visitor.close()
            server.kill()
            server.wait(10)
