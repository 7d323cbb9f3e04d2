"""An installation whose processes are started and killed here, without the supervisor's pauses."""

from __future__ import annotations

import functools
import os
import socket
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from tests.running import eventually, status
from turnout.access.keys import WriteKeys
from turnout.config import load_config
from turnout.listening import listen
from turnout.serve import prepare_state
from turnout.state import open_state

TOML = """
[collector]
port = {collector}
[web]
port = {web}
[journal]
segment_bytes_max = 300000
[warehouse]
load_every_s = 0.05
[clips]
workers = 1
{more}
"""


class Stage:
    """A home with its two listening sockets; `start` and `kill` name a child."""

    def __init__(self, home: Path, *, more: str = "", module: str = "turnout.app") -> None:
        """`module` is what is run: the product's own, or a test's around it."""
        self.home = home
        home.mkdir(parents=True, exist_ok=True)
        self._module = module
        self._listeners = {name: _listener() for name in ("collector", "app")}
        ports = {name: held.getsockname()[1] for name, held in self._listeners.items()}
        (home / "turnout.toml").write_text(
            TOML.format(collector=ports["collector"], web=ports["app"], more=more)
        )
        self.config = load_config(home, {})
        prepare_state(self.config)
        state = open_state(self.config.state_url)
        self.key = WriteKeys(state).create("web").key
        state.dispose()
        self.port = self.config.collector.port
        self.log = home / "log.txt"
        self._running: dict[str, subprocess.Popen[bytes]] = {}

    def start(self, *children: str) -> None:
        for child in children:
            listener = self._listeners[child].fileno()
            with self.log.open("ab") as log:
                self._running[child] = subprocess.Popen(
                    [
                        sys.executable, "-m", self._module, child,
                        str(self.home), str(os.getpid()), str(listener),
                    ],
                    pass_fds=(listener,),
                    stdout=log,
                    stderr=log,
                )  # fmt: skip

    def is_running(self, child: str) -> bool:
        return self._running[child].poll() is None

    def process_id(self, child: str) -> int:
        return self._running[child].pid

    def wait_until_answering(self, *children: str) -> None:
        urls = {"collector": self.config.collector.url, "app": self.config.web.url}
        for child in children:
            address = f"{urls[child]}/healthz"
            eventually(f"the {child} answers", functools.partial(_answers, address), within_s=60)

    def kill(self, children: Sequence[str]) -> None:
        """kill -9, all at the same moment."""
        for child in children:
            self._running[child].kill()
        for child in children:
            self._running[child].wait(30)

    def stop(self) -> None:
        """SIGTERM to whatever runs; the sockets stay."""
        for process in self._running.values():
            process.terminate()
        for process in self._running.values():
            process.wait(30)

    def close(self) -> None:
        for process in self._running.values():
            if process.poll() is None:
                process.kill()
            process.wait(30)
        for held in self._listeners.values():
            held.close()


def _answers(url: str) -> bool:
    return status(url) == 200


def _listener() -> socket.socket:
    return listen("127.0.0.1", 0, setting="collector.port")
