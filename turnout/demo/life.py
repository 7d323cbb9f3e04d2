"""One run of the demo: everything starts, the past is sent, and then life goes on."""

from __future__ import annotations

import contextlib
import time
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from pathlib import Path
from typing import Never

from rich.console import Console

from turnout.demo import database
from turnout.demo.clock import midnight
from turnout.demo.delivery import deliveries
from turnout.demo.notebook import Notebook
from turnout.demo.notice import notice_of
from turnout.demo.present import Present
from turnout.demo.screen import bar, welcome
from turnout.demo.sender import Sender
from turnout.demo.stage import Stage, fetch, stage
from turnout.demo.world import FUTURE_DAYS, World, build

# The clip whose share link is printed: it needs no event, only the first copy of the tables.
SHARED_CLIP = "signups"
FIRST_ANSWER_WITHIN_S = 5.0
LOOK_EVERY_S = 0.5


class Demo:
    """The demo in its home. `run` ends by Ctrl-C, or by an error worth a sentence."""

    def __init__(self, home: Path, book: Notebook, console: Console) -> None:
        self._home = home
        self._book = book
        self._console = console

    def run(self) -> Never:
        """Start everything, send the past, live on."""
        with contextlib.ExitStack() as running:
            with self._console.status("Starting PostgreSQL, its follower, and Turnout …"):
                world = build(self._book.seed, self._book.today)
                on = running.enter_context(stage(self._home, world, self._book.filled_until))
                _await_first_answer(on)
            self._welcome(on)
            sender = Sender(on.write_key, on.config.collector.url)
            running.callback(sender.close)
            self._send_past(on, world, sender)
            self._live(on, world, sender)

    def _welcome(self, on: Stage) -> None:
        share_link = on.share_link(SHARED_CLIP)
        self._console.print(
            welcome(on.sign_in_link(), share_link, on.config.collector.url, on.write_key)
        )
        if datetime.now(UTC).date() > self._book.today + timedelta(days=FUTURE_DAYS):
            self._console.print("This company has grown old. make demo FRESH=1 begins anew.")

    def _send_past(self, on: Stage, world: World, sender: Sender) -> None:
        """Send what arrives until now and was not sent yet; bring the database to now."""
        start, end = self._book.sent_until, _now()
        database.catch_up(on.database, world, self._book.filled_until, end)
        self._save(filled_until=end)
        days = max((end.date() - start.date()).days, 1)
        text = f"Sending {days} days of the pretend company's life"
        began = time.monotonic()
        with bar(self._console, text, days) as show, notice_of(on.state, text, days) as tell:
            day = start.date()
            for delivery in deliveries(world, start, end):
                if delivery.at.date() > day:
                    day = delivery.at.date()
                    done = (day - start.date()).days
                    show(done, f"{day:%a %d %b} · {sender.ledger.sent:,} events")
                    tell(done)
                    sender.mark(midnight(day))
                    self._save_confirmed(sender)
                    on.refuse_dead()
                sender.send(delivery)
            sender.flush()
        self._save(sent_until=end)
        took_s = time.monotonic() - began
        self._console.print(
            f"[green]✓[/green] {_caught_up(sender.ledger.sent, took_s)} "
            "From now on the company lives: watch the pages."
        )

    def _live(self, on: Stage, world: World, sender: Sender) -> Never:
        """Second by second, as time goes by."""
        present = Present(on.database, world, sender, since=self._book.sent_until)
        past = sender.ledger.sent
        with self._console.status("") as line:
            while True:
                on.refuse_dead()
                present.live_until(_now())
                self._save_confirmed(sender)
                line.update(
                    f"[dim]Living: {sender.ledger.sent - past:,} events since. Ctrl-C ends."
                )
                time.sleep(LOOK_EVERY_S)

    def _save(self, **changes: datetime) -> None:
        self._book = self._book.save(self._home, **changes)

    def _save_confirmed(self, sender: Sender) -> None:
        until = sender.confirmed()
        if until is not None:
            self._save(sent_until=until, filled_until=max(until, self._book.filled_until))


def _await_first_answer(on: Stage) -> None:
    """What is printed next shall work at once; a slow machine is not waited for much longer."""
    deadline = time.monotonic() + FIRST_ANSWER_WITHIN_S
    while fetch(on.share_link(SHARED_CLIP, "csv"))[0] != HTTPStatus.OK:
        if time.monotonic() > deadline:
            return
        time.sleep(0.1)


def _caught_up(sent: int, took_s: float) -> str:
    return f"{sent:,} events sent in {took_s:.0f} s." if sent else "Everything was sent already."


def _now() -> datetime:
    return datetime.now(UTC).replace(microsecond=0)
