"""Work that only the holder of the warehouse can do: asked of the running app, or done here."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from turnout.cli.terminal import console, open_home_state
from turnout.config import Config
from turnout.home import is_running, make_folders

if TYPE_CHECKING:
    from turnout.jobs import Desk
    from turnout.state.request import Outcome, Requests, Standing

# How often the running app is looked at.
LOOK_EVERY_S = 0.1
# A job that was asked to stop gets so long to do it.
STOP_WITHIN_S = 60.0
# Longer than a child that died takes to be there again.
APP_AWAY_MAX_S = 30.0


def ask(config: Config, job: str, parameters: Mapping[str, Any] | None = None) -> Outcome:
    """Have `job` done, with a progress bar while it takes its time."""
    if is_running(config, "app"):
        return _ask_there(config, job, parameters or {})
    return _do_here(config, job, parameters or {})


@contextlib.contextmanager
def opened_desk(config: Config) -> Iterator[Desk]:
    """The warehouse opened in this process, with what works on it.

    Raises `AlreadyRunning` when another process holds it.
    """
    from turnout.clips.follower import Follower
    from turnout.clips.shelf import clear
    from turnout.events.loading.load import Loader
    from turnout.jobs import Desk, sources_of
    from turnout.sync import drop_staging
    from turnout.warehouse import open_warehouse

    make_folders(config)
    with contextlib.ExitStack() as closing:
        warehouse = open_warehouse(config)
        closing.callback(warehouse.close)
        drop_staging(warehouse)
        loader = Loader(config.journal_folder, warehouse, config.identity.membership)
        closing.callback(loader.close)
        follower = Follower(config.follower_folder, warehouse)
        desk = Desk(config, warehouse, loader, follower, sources_of(config, warehouse, follower))
        desk.forget_answers = lambda: clear(config.cache_folder)
        yield desk


def _do_here(config: Config, job: str, parameters: Mapping[str, Any]) -> Outcome:
    from turnout.state.request import Outcome

    with opened_desk(config) as desk, _bar() as bar:
        report = desk.do(job, parameters, bar.show)
    return Outcome(report.failed, report.sentence, report.result)


def _ask_there(config: Config, job: str, parameters: Mapping[str, Any]) -> Outcome:
    """Ctrl-C asks the app to stop, and waits until it has."""
    from turnout.state.request import Requests

    requests = Requests(open_home_state(config))
    number = requests.ask(job, parameters)
    try:
        return _wait(config, requests, number)
    except KeyboardInterrupt:
        requests.stop(number)
        console.print("Stopping where nothing is left half done …")
        _wait(config, requests, number, within_s=STOP_WITHIN_S)
        raise


def _wait(
    config: Config, requests: Requests, number: int, *, within_s: float = float("inf")
) -> Outcome:
    deadline = time.monotonic() + within_s
    gone_since = None
    with _bar() as bar:
        while True:
            standing = requests.standing(number)
            if standing.outcome:
                return standing.outcome
            bar.show_standing(standing)
            # A child that died is started again, and begins the work again.
            gone_since = None if is_running(config, "app") else gone_since or time.monotonic()
            if _is_hopeless(deadline, gone_since):
                return _unanswered()
            time.sleep(LOOK_EVERY_S)


def _is_hopeless(deadline: float, gone_since: float | None) -> bool:
    now = time.monotonic()
    return now > deadline or (gone_since is not None and now - gone_since > APP_AWAY_MAX_S)


def _unanswered() -> Outcome:
    from turnout.state.request import Outcome

    sentence = "Turnout stopped meanwhile. The work goes on when it starts again."
    return Outcome(True, sentence, {})


class Bar:
    """One line that says what is being done and how far it is; nothing where nobody looks."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._task: TaskID | None = None

    def show(self, doing: str, done: int, total: int) -> None:
        if self._task is None:
            self._task = self._progress.add_task(doing, total=None)
        self._progress.update(self._task, description=doing, completed=done, total=total or None)

    def show_standing(self, standing: Standing) -> None:
        if standing.doing:
            self.show(standing.doing, standing.done, standing.total)


@contextlib.contextmanager
def _bar() -> Iterator[Bar]:
    columns = (TextColumn("{task.description}"), BarColumn(), TimeRemainingColumn())
    with Progress(
        *columns, console=console, transient=True, disable=not console.is_terminal
    ) as progress:
        yield Bar(progress)
