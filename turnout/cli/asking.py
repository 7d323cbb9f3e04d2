"""Work that only the holder of the warehouse can do: asked of the running app, or done here."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from rich.progress import (
    BarColumn,
    Progress,
    ProgressColumn,
    Task,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
)
from rich.text import Text

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


def ask(
    config: Config, job: str, parameters: Mapping[str, Any] | None = None, *, counted: str = ""
) -> Outcome:
    """Have `job` done, with a progress bar while it takes its time.

    `counted` is what its progress counts, such as rows: then each thing done has a bar of its
    own, with its speed.
    """
    if is_running(config, "app"):
        return _ask_there(config, job, parameters or {}, counted)
    return _do_here(config, job, parameters or {}, counted)


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


def _do_here(config: Config, job: str, parameters: Mapping[str, Any], counted: str) -> Outcome:
    from turnout.state.request import Outcome

    with opened_desk(config) as desk, _bar(counted) as bar:
        report = desk.do(job, parameters, bar.show)
    return Outcome(report.failed, report.sentence, report.result)


def _ask_there(config: Config, job: str, parameters: Mapping[str, Any], counted: str) -> Outcome:
    """Ctrl-C asks the app to stop, and waits until it has."""
    from turnout.state.request import Requests

    requests = Requests(open_home_state(config))
    number = requests.ask(job, parameters)
    try:
        return _wait(config, requests, number, counted=counted)
    except KeyboardInterrupt:
        requests.stop(number)
        console.print("Stopping where nothing is left half done …")
        _wait(config, requests, number, within_s=STOP_WITHIN_S)
        raise


def _wait(
    config: Config,
    requests: Requests,
    number: int,
    *,
    within_s: float = float("inf"),
    counted: str = "",
) -> Outcome:
    deadline = time.monotonic() + within_s
    gone_since = None
    with _bar(counted) as bar:
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
    """What is being done and how far it is; nothing where nobody looks."""

    def __init__(self, progress: Progress, *, keeps_done: bool) -> None:
        self._progress = progress
        self._keeps_done = keeps_done
        self._tasks: dict[str, TaskID] = {}

    def show(self, doing: str, done: int, total: int) -> None:
        """`total` is 0 while nobody knows."""
        if doing not in self._tasks:
            self._end_others()
            self._tasks[doing] = self._progress.add_task(doing, total=None)
        self._progress.update(self._tasks[doing], completed=done, total=total or None)

    def show_standing(self, standing: Standing) -> None:
        if standing.doing:
            self.show(standing.doing, standing.done, standing.total)

    def _end_others(self) -> None:
        """What was done before is done; where it was only a step, nobody wants to see it."""
        for task in self._progress.tasks:
            if self._keeps_done:
                self._progress.update(task.id, completed=task.total or task.completed)
                self._progress.stop_task(task.id)
            else:
                self._progress.remove_task(task.id)
        if not self._keeps_done:
            self._tasks.clear()


class Speed(ProgressColumn):
    """How many are done, of how many, and how many a second."""

    def __init__(self, counted: str) -> None:
        self._counted = counted
        super().__init__()

    def render(self, task: Task) -> Text:
        done = f"{int(task.completed):,} {self._counted}"
        speed = task.finished_speed or task.speed
        return Text(f"{done}, {speed:,.0f}/s" if speed else done, style="progress.data.speed")


@contextlib.contextmanager
def _bar(counted: str = "") -> Iterator[Bar]:
    columns: tuple[ProgressColumn, ...] = (TextColumn("{task.description}"), BarColumn())
    if counted:
        columns += (Speed(counted),)
    with Progress(
        *columns,
        TimeRemainingColumn(),
        console=console,
        transient=True,
        disable=not console.is_terminal,
    ) as progress:
        yield Bar(progress, keeps_done=bool(counted))
