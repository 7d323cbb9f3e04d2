"""The journal's disk is full, has room again, is full again, while clients send."""

from __future__ import annotations

import contextlib
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from tests.crash.kills import Campaign
from tests.crash.ledger import Ledger, settle
from tests.crash.sender import senders
from tests.crash.stage import Stage
from tests.running import eventually

CLIENTS = 3
TMPFS_BYTES = 16 * 1024**2


class SmallDisk(Protocol):
    """Full until `make_room`."""

    name: str

    def fill(self) -> None: ...

    def make_room(self) -> None: ...


def fill_again_and_again(
    folder: Path, fillings: int, tell: Callable[[int], None], *, mount: bool = True
) -> Campaign:
    """With `mount`, on a small disk of its own where this user may mount one."""
    began_s = time.monotonic()
    ledger = Ledger()
    stage = Stage(folder)
    journal = stage.config.journal_folder
    journal.mkdir(parents=True, exist_ok=True)
    with contextlib.ExitStack() as closing:
        mounted = mount and _mount(journal)
        if mounted:
            closing.callback(lambda: subprocess.run(["umount", "-l", journal], check=True))
        closing.callback(stage.close)
        stage.start("collector")
        stage.wait_until_answering("collector")
        disk: SmallDisk = Tmpfs(journal) if mounted else Limit(stage)
        with senders(CLIENTS, stage.port, stage.key, ledger, name="f"):
            for number in range(fillings):
                _one_filling(disk, ledger)
                tell(number + 1)
        stage.stop()
        verdict = settle(stage.config, ledger)
    remark = f"{disk.name}, {ledger.retries} times told to come again"
    return Campaign("full disk", fillings, verdict, time.monotonic() - began_s, remark)


def _one_filling(disk: SmallDisk, ledger: Ledger) -> None:
    disk.fill()
    refused = ledger.retries
    try:
        eventually("clients are told to come again", lambda: ledger.retries > refused + 10)
    finally:
        disk.make_room()
    taken = len(ledger.acknowledged)
    eventually("events are taken again", lambda: len(ledger.acknowledged) > taken + 100)


class Tmpfs:
    """A real disk of a few megabytes, full but for a few pages."""

    name = "a tmpfs of 16 MiB"

    def __init__(self, folder: Path) -> None:
        self._ballast = folder / "ballast"

    def fill(self) -> None:
        with self._ballast.open("wb", buffering=0) as file, contextlib.suppress(OSError):
            while True:
                file.write(bytes(4096))

    def make_room(self) -> None:
        self._ballast.unlink()


class Limit:
    """The collector's own limit on the size of a file: its writes fail as on a full disk."""

    name = "a limit on files (no right to mount)"

    def __init__(self, stage: Stage) -> None:
        self._process_id = stage.process_id("collector")
        self._free = resource.prlimit(self._process_id, resource.RLIMIT_FSIZE)

    def fill(self) -> None:
        self._limit(0)

    def make_room(self) -> None:
        self._limit(self._free[0])

    def _limit(self, size: int) -> None:
        resource.prlimit(self._process_id, resource.RLIMIT_FSIZE, (size, self._free[1]))


def _mount(folder: Path) -> bool:
    """Whether a small disk now lies at `folder`; it takes root."""
    command = ["mount", "-t", "tmpfs", "-o", f"size={TMPFS_BYTES}", "tmpfs", str(folder)]
    if sys.platform != "linux":
        return False
    try:
        return subprocess.run(command, check=False, capture_output=True).returncode == 0
    except FileNotFoundError:
        return False
