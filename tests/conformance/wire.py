"""A wire that is listened to: a TCP proxy before a server that keeps all that the server sends."""

from __future__ import annotations

import socket
import threading
from contextlib import suppress
from typing import Self

CHUNK_BYTES = 65_536


class Wire:
    """Listens on a port of its own while it is entered; `heard` is what the server has sent."""

    def __init__(self, port: int) -> None:
        """`port` is the server's, on loopback."""
        self._upstream = port
        self._parts: list[bytes] = []
        self._sockets: list[socket.socket] = []
        self._threads: list[threading.Thread] = []
        self._listener = socket.create_server(("127.0.0.1", 0))

    @property
    def port(self) -> int:
        return int(self._listener.getsockname()[1])

    @property
    def heard(self) -> bytes:
        return b"".join(self._parts)

    def __enter__(self) -> Self:
        self._start(self._accept)
        return self

    def __exit__(self, *_: object) -> None:
        # Closing alone does not wake who waits in `accept`.
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for each in self._sockets:
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(timeout=10)
        for each in self._sockets:
            each.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                server = socket.create_connection(("127.0.0.1", self._upstream))
                self._sockets += [client, server]
                self._start(self._pass, client, server, None)
                self._start(self._pass, server, client, self._parts)

    def _pass(self, giver: socket.socket, taker: socket.socket, parts: list[bytes] | None) -> None:
        with suppress(OSError):
            while data := giver.recv(CHUNK_BYTES):
                if parts is not None:
                    parts.append(data)
                taker.sendall(data)
        with suppress(OSError):
            taker.shutdown(socket.SHUT_WR)

    def _start(self, work: object, *arguments: object) -> None:
        thread = threading.Thread(target=work, args=arguments)  # type: ignore[arg-type] # one of ours
        self._threads.append(thread)
        thread.start()
