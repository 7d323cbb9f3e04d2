"""Listening sockets that outlive the process behind them.

The supervisor opens them and its children inherit them. So a port is never without a listener while
a child is replaced or started again: connections wait in the socket's queue, and the next process
takes them from there.
"""

from __future__ import annotations

import errno
import os
import resource
import select
import socket
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from granian._granian import SocketHolder
from granian.constants import Interfaces
from granian.server.embed import Server

from turnout.errors import PortInUse

# Connections that may wait while no process takes them; the system may allow fewer.
QUEUE_MAX = 4096
# Connections of one process at a time. Those that are kept without a request count too, so this is
# not how much work there may be; beyond it others wait in the queue.
CONNECTIONS_MAX = 10_000
# Files that a process opens beside its connections.
FILES_MAX = 500
# A process that was just killed keeps its port a moment longer than its locks.
FREE_WITHIN_S = 1.0
DESCRIPTORS = Path("/proc/self/fd")


def listen(host: str, port: int, *, setting: str) -> socket.socket:
    """A listening socket; `PortInUse` names the `setting` to change when there cannot be one."""
    deadline = time.monotonic() + FREE_WITHIN_S
    while True:
        try:
            return _listen(host, port)
        except OSError as error:
            if error.errno == errno.EADDRINUSE and time.monotonic() < deadline:
                time.sleep(0.05)
                continue
            raise PortInUse(
                f"{host}:{port} cannot be listened on: {os.strerror(error.errno or 0)}.",
                hint=f"Choose another port: set {setting} in turnout.toml.",
            ) from None


class HeldServer(Server):
    """Granian on a socket it was given, which goes on in the other processes that hold it."""

    def __init__(self, application: Any, listener: int, interface: Interfaces) -> None:
        """Takes the descriptor `listener` over."""
        super().__init__(
            application,
            interface=interface,
            websockets=False,
            backpressure=_connections_max(),
            log_enabled=False,
        )
        self._listener = listener

    def _init_shared_socket(self) -> None:
        """Where granian would open a socket of its own, with SO_REUSEPORT.

        Of two such sockets the closing one resets the connections that wait in its queue.
        """
        # Granian's own types say None and no arguments, its code says these.
        holder: Any = SocketHolder
        held = {"_ssp": None, "_shd": holder(self._listener, False, QUEUE_MAX)}
        vars(self).update(held)

    def stop(self) -> None:
        """Close what is idle, let end what is in flight."""
        self.signal_handler_interrupt()  # type: ignore[no-untyped-call]

    def stop_accepting(self) -> None:
        """Leave new connections to the other processes; those there are go on.

        Granian has no word for this, so its event queue is made to forget the socket. Where the
        system does not show the queue, new connections are accepted until the end.
        """
        if not DESCRIPTORS.is_dir():
            return
        for entry in DESCRIPTORS.iterdir():
            with suppress(OSError):
                if entry.readlink().name == "anon_inode:[eventpoll]":
                    with select.epoll.fromfd(os.dup(int(entry.name))) as queue:
                        queue.unregister(self._listener)


def _connections_max() -> int:
    """As many as the system lets this process have: the soft limit on open files is often 1,024."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = CONNECTIONS_MAX + FILES_MAX
    if resource.RLIM_INFINITY != soft < wanted:
        soft = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        with suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    free = CONNECTIONS_MAX if soft == resource.RLIM_INFINITY else soft - FILES_MAX
    return max(1, min(free, CONNECTIONS_MAX))


def _listen(host: str, port: int) -> socket.socket:
    listener = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    try:
        # Not SO_REUSEPORT: two installations could share a port by mistake.
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        listener.listen(QUEUE_MAX)
    except BaseException:
        listener.close()
        raise
    listener.setblocking(False)
    return listener
