"""A whole Turnout in a folder, started as a user starts it, and the ways to break it."""

from __future__ import annotations

import base64
import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psutil

from turnout.access.keys import WriteKeys
from turnout.access.links import Links
from turnout.access.secret import secret_key
from turnout.clips.clip import Clips
from turnout.config import Config, load_config
from turnout.serve import prepare_state
from turnout.state import State, open_state


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def eventually(what: str, is_so: Callable[[], Any], *, within_s: float = 30) -> Any:
    """The first true answer of `is_so`; an assertion error that names `what` when none comes."""
    deadline = time.monotonic() + within_s
    while time.monotonic() < deadline:
        answer = is_so()
        if answer:
            return answer
        time.sleep(0.05)
    raise AssertionError(f"not within {within_s} s: {what}")


class Turnout:
    """`turnout serve` in a home folder of its own, on free ports."""

    def __init__(self, home: Path, toml: str = "") -> None:
        self.home = home
        home.mkdir(parents=True, exist_ok=True)
        (home / "turnout.toml").write_text(
            f"[web]\nport = {free_port()}\n[collector]\nport = {free_port()}\n"
            f"[warehouse]\nload_every_s = 0.1\n[clips]\nfresh_for_s = 0\nworkers = 2\n{toml}"
        )
        self.config: Config = load_config(home, {})
        prepare_state(self.config)
        self.state: State = open_state(self.config.state_url)
        self.key = WriteKeys(self.state).create("tests").key
        self.log = home / "log.txt"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self, *, wait: bool = True) -> None:
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "turnout", "serve", "--home", str(self.home)],
                stdout=log,
                stderr=log,
                env={**os.environ, "PYTHONWARNINGS": "default"},
            )
        if wait:
            self.wait_ready()

    def wait_ready(self) -> None:
        assert self.exit_code is None, self.log.read_text()
        collector, web = self.config.collector.url, self.config.web.url
        eventually("the collector answers", lambda: status(f"{collector}/healthz") == 200)
        eventually("the pages answer", lambda: status(f"{web}/healthz") == 200)
        eventually("the collector knows its keys", lambda: self.send([self.track("ready")]) == 200)

    def stop(self) -> int:
        """SIGTERM; the exit code."""
        assert self._process is not None
        self._process.terminate()
        return self._process.wait(20)

    def end(self) -> None:
        """Whatever happened in the test, leave no process behind."""
        if self._process is None:
            return
        if self._process.poll() is None:
            self._process.terminate()
        try:
            self._process.wait(20)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self.state.dispose()

    @property
    def exit_code(self) -> int | None:
        """Of the supervisor; None while it runs."""
        return self._process.poll() if self._process else None

    @property
    def supervisor(self) -> psutil.Process:
        assert self._process is not None
        return psutil.Process(self._process.pid)

    def child(self, name: str) -> psutil.Process:
        """The running 'collector' or 'app'."""

        def find() -> psutil.Process | None:
            for process in self.supervisor.children():
                with contextlib.suppress(psutil.Error):  # it may end while we look
                    if name in process.cmdline():
                        return process
            return None

        found = eventually(f"{name} runs", find)
        assert isinstance(found, psutil.Process)
        return found

    def workers(self) -> list[psutil.Process]:
        return list(self.child("app").children())

    def kill(self, process: psutil.Process) -> None:
        process.send_signal(signal.SIGKILL)

    def kill_supervisor(self) -> None:
        assert self._process is not None
        self._process.kill()
        self._process.wait(10)

    def track(self, message_id: str, event: str = "Tested", **properties: Any) -> dict[str, Any]:
        return {
            "type": "track",
            "messageId": message_id,
            "userId": "alice",
            "event": event,
            "properties": properties,
            "timestamp": datetime.now(UTC).isoformat(),
        }

    def send(self, batch: Sequence[Any], *, key: str | None = None) -> int:
        """Post one batch; the status, or 0 when nobody answered."""
        body = {"batch": list(batch), "sentAt": datetime.now(UTC).isoformat()}
        return self.post("/v1/batch", json.dumps(body).encode(), key=key)[0]

    def post(self, path: str, body: bytes, *, key: str | None = None) -> tuple[int, bytes]:
        basic = base64.b64encode(f"{key or self.key}:".encode()).decode()
        request = urllib.request.Request(
            self.config.collector.url + path, body, {"Authorization": f"Basic {basic}"}
        )
        return answer(request)

    def clip(self, sql: str, title: str = "Test") -> str:
        """A clip with a link to anyone; the link's address without an ending."""
        now = datetime.now(UTC)
        made = Clips(self.state).create(title, sql, author="alice", now=now)
        links = Links(self.state, secret_key(self.config.data_folder))
        _, token = links.create(made.id, "alice", expires_at=now + timedelta(days=1), now=now)
        return f"{self.config.web.url}/s/{token}"

    def rows(self, sql: str) -> list[list[Any]]:
        """The rows a stranger gets for `sql` through a share link."""
        code, body = answer(urllib.request.Request(self.clip(sql) + ".json"))
        assert code == 200, (code, body)
        values: list[list[Any]] = json.loads(body)["values"]
        return values

    def wait_loaded(self) -> None:
        """Until everything the journal holds can be seen by a clip."""

        def is_loaded() -> bool:
            code, body = answer(urllib.request.Request(f"{self.config.web.url}/readyz"))
            return code == 200 and bool(json.loads(body)["is_level"])

        eventually("everything accepted can be queried", is_loaded)


def answer(request: urllib.request.Request, *, timeout_s: float = 30) -> tuple[int, bytes]:
    """(status, body); (0, b"") when nobody answered."""
    try:
        with urllib.request.urlopen(request, timeout=timeout_s) as response:
            return response.status, response.read()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read()
    except (urllib.error.URLError, OSError):
        return 0, b""


def status(url: str) -> int:
    return answer(urllib.request.Request(url), timeout_s=5)[0]
