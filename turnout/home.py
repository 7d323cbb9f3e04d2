"""The home folder: made ready, and held so that no second Turnout runs in it.

Two locks per child process: the supervisor's, which refuses a second supervisor at once, and the
child's own, which a new supervisor waits for when the last one was killed.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from turnout.config import Config
from turnout.errors import AlreadyRunning, HomeUnusable

# The children of a supervisor that was killed notice it and finish in about this time.
PREDECESSOR_ENDS_WITHIN_S = 6.0


def make_folders(config: Config) -> None:
    """Create what is missing in the home; `HomeUnusable` when that cannot be done."""
    folders = (
        config.data_folder,
        config.journal_folder,
        config.follower_folder,
        config.cache_folder,
        config.warehouse_file.parent,
    )
    try:
        # What is inside concerns nobody else on this machine.
        config.data_folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        for folder in folders:
            folder.mkdir(parents=True, exist_ok=True)
            if not os.access(folder, os.W_OK | os.X_OK):
                raise PermissionError(13, os.strerror(13), str(folder))
    except OSError as error:
        raise HomeUnusable(
            f"The home folder cannot be used: {error.filename}: {error.strerror}.",
            hint="Choose a folder you may write to with --home.",
        ) from None


@contextlib.contextmanager
def supervisor_lock(config: Config, children: Sequence[str]) -> Iterator[None]:
    """Held by a supervisor for each of its `children`; begins when the last ones have ended."""
    with contextlib.ExitStack() as held:
        for child in children:
            held.enter_context(_lock(config.data_folder / f"{child}.supervisor.lock"))
        for child in children:
            _wait_until_free(config.data_folder / f"{child}.lock")
        yield


@contextlib.contextmanager
def child_lock(config: Config, child: str) -> Iterator[None]:
    """Held by a running child process; of collectors there may be several."""
    with _lock(config.data_folder / f"{child}.lock", shared=child == "collector"):
        yield


def is_running(config: Config, child: str) -> bool:
    """Whether that child process runs in this home."""
    if not config.data_folder.is_dir():
        return False
    try:
        with _lock(config.data_folder / f"{child}.lock"):
            return False
    except AlreadyRunning:
        return True


@contextlib.contextmanager
def _lock(path: Path, *, shared: bool = False) -> Iterator[None]:
    """An advisory lock the kernel lets go of when its process ends, however it ends."""
    with path.open("a") as file:
        try:
            fcntl.flock(file, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
        except BlockingIOError:
            raise AlreadyRunning(
                f"Turnout already runs in {path.parent.parent}.",
                hint="Stop it first, or choose another folder with --home.",
            ) from None
        yield


def _wait_until_free(path: Path) -> None:
    deadline = time.monotonic() + PREDECESSOR_ENDS_WITHIN_S
    while True:
        try:
            with _lock(path):
                return
        except AlreadyRunning:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)
