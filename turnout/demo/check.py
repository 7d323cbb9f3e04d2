"""`turnout demo --check`: everything once, in a home of its own, and every answer compared.

The clips are read as a stranger reads them, through share links as CSV and JSON; what they must
say comes from `turnout.demo.truth`.
"""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from http import HTTPStatus
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from turnout.demo.clips import IDS, DemoClip
from turnout.demo.comparison import csv_agrees, json_agrees
from turnout.demo.delivery import deliveries
from turnout.demo.rows import COLUMNS, rows_at
from turnout.demo.screen import bar
from turnout.demo.sender import Sender
from turnout.demo.stage import Stage, fetch, stage, sync_now
from turnout.demo.truth import Truth
from turnout.demo.world import World, build
from turnout.errors import TurnoutError

ANSWERED_WITHIN_S = 60.0
LOADED_WITHIN_S = 180.0
LOOK_EVERY_S = 0.2
# Needs only the copied tables, so it answers first.
FIRST_CLIP = "paidshare"

# What Turnout says of its own work, read through links like everything else.
EVENTS = DemoClip(
    "checkevents",
    "Every event accounted for",
    "Received = stored + duplicates + rejected.",
    "SELECT sum(received)::BIGINT AS received, sum(stored)::BIGINT AS stored, "
    "sum(duplicates)::BIGINT AS duplicates, sum(rejected)::BIGINT AS rejected "
    "FROM _turnout.loads\n",
)
REASONS = DemoClip(
    "checkreasons",
    "Why events were rejected",
    "Each rejected event has a reason.",
    "SELECT reason, count(*) AS events FROM _turnout.rejected_events GROUP BY reason\n",
)
ROWS = DemoClip(
    "checkrows",
    "Rows copied",
    "All tables of the selection together.",
    f"SELECT {' + '.join(f'(SELECT count(*) FROM userdata.{name})' for name in COLUMNS)} AS rows\n",
)


@dataclass(slots=True)
class Report:
    """What was found: figures, and for each comparison whether it agrees."""

    events_sent: int = 0
    events_stored: int = 0
    duplicates: int = 0
    rejected: int = 0
    rows_copied: int = 0
    clips: dict[str, bool] = field(default_factory=dict)
    # Whether Turnout's own counts are those of the sender and of the database.
    counts: dict[str, bool] = field(default_factory=dict)
    first_answer_s: float | None = None

    @property
    def is_ok(self) -> bool:
        return set(self.clips) == set(IDS) and all((*self.clips.values(), *self.counts.values()))

    def as_json(self) -> str:
        names = (name for name in self.__slots__)
        return json.dumps({"ok": self.is_ok} | {name: getattr(self, name) for name in names})


def run_check(console: Console, *, seed: int, today: date, companies: int = 300) -> int:
    """Print a table and, as the last line, one JSON object; 0 when everything agrees, else 1."""
    check = Check(build(seed, today, companies=companies), console)
    with tempfile.TemporaryDirectory(prefix="turnout-check-") as folder:
        check.run(Path(folder))
    console.print(check.table())
    # Neither wrapped nor coloured: a program reads it.
    console.file.write(f"{check.report.as_json()}\n")
    return 0 if check.report.is_ok else 1


class Check:
    """One comparison of a whole installation with a world's truth."""

    def __init__(self, world: World, console: Console) -> None:
        self.report = Report()
        self._world = world
        self._console = console
        self._began = time.monotonic()

    def run(self, home: Path) -> None:
        """Start everything in the empty folder `home`, fill it, compare, end everything."""
        at = self._world.history_end
        with stage(
            home,
            self._world,
            at,
            clips=(EVENTS, REASONS, ROWS),
            ports=(0, 0),
            # The counts are asked again and again while events arrive.
            environ={"TURNOUT_CLIPS_FRESH_FOR_S": "0"},
        ) as on:
            self._wait_for_first_answer(on)
            sender = self._send(on)
            self._compare_counts(on, sender)
            sync_now(home)
            self._compare_clips(on)

    def _wait_for_first_answer(self, on: Stage) -> None:
        address = on.share_link(FIRST_CLIP, "csv")
        deadline = time.monotonic() + ANSWERED_WITHIN_S
        while fetch(address)[0] != HTTPStatus.OK:
            on.refuse_dead()
            if time.monotonic() > deadline:
                raise TurnoutError(f"No clip answered within {ANSWERED_WITHIN_S:.0f} s.")
            time.sleep(LOOK_EVERY_S)
        self.report.first_answer_s = round(time.monotonic() - self._began, 1)

    def _send(self, on: Stage) -> Sender:
        world = self._world
        start, end = world.history_start, world.history_end
        days = (end - start).days
        sender = Sender(on.write_key, on.config.collector.url)
        try:
            with bar(self._console, f"Sending {days} days of events", days) as show:
                for delivery in deliveries(world, start, end):
                    sender.send(delivery)
                    if sender.ledger.sent % 1000 == 0:
                        show((delivery.at - start).days, f"{sender.ledger.sent:,} events")
                sender.flush()
        finally:
            sender.close()
        return sender

    def _compare_counts(self, on: Stage, sender: Sender) -> None:
        """Wait until all is loaded; then events by what became of them, and rows, must agree."""
        ledger = sender.ledger
        wanted = [ledger.sent, ledger.stored, ledger.repeats, ledger.rejected.total()]
        with self._console.status("Loading …"):
            received, stored, duplicates, rejected = _wait_for_events(on, ledger.sent)
        self.report.events_sent = ledger.sent
        self.report.events_stored = stored
        self.report.duplicates = duplicates
        self.report.rejected = rejected
        self.report.counts["events"] = [received, stored, duplicates, rejected] == wanted
        self.report.counts["reasons"] = dict(_values(on, REASONS)) == dict(ledger.rejected)
        rows = sum(map(len, rows_at(self._world, self._world.history_end).values()))
        self.report.rows_copied = _values(on, ROWS)[0][0]
        self.report.counts["rows"] = self.report.rows_copied == rows

    def _compare_clips(self, on: Stage) -> None:
        world = self._world
        arrived = deliveries(world, world.history_start, world.history_end)
        truth = Truth(world, world.history_end, (delivery.event for delivery in arrived))
        for clip in IDS:
            _, as_json = fetch(on.share_link(clip, "json"))
            status, as_csv = fetch(on.share_link(clip, "csv"))
            if status != HTTPStatus.OK:
                self.report.clips[clip] = False
                continue
            # The day on which the clip ran decides what "last month" was.
            today = datetime.fromisoformat(json.loads(as_json)["ran_at"]).date()
            answer = truth.answers(today)[clip]
            self.report.clips[clip] = csv_agrees(as_csv, answer) and json_agrees(as_json, answer)

    def table(self) -> Table:
        """The report for people."""
        table = Table("", "", box=None, show_header=False)
        report = self.report
        for name, is_right in {**report.clips, **report.counts}.items():
            mark = "[green]✓ agrees[/green]" if is_right else "[red]✗ differs[/red]"
            table.add_row(name, mark)
        what_became = (
            f"{report.events_sent:,} sent = {report.events_stored:,} stored "
            f"+ {report.duplicates:,} duplicates + {report.rejected:,} rejected"
        )
        table.add_row("events", what_became)
        table.add_row("rows copied", f"{report.rows_copied:,}")
        table.add_row("first answer", f"{report.first_answer_s} s after the start")
        return table


def _wait_for_events(on: Stage, sent: int) -> Sequence[int]:
    """Counts of received, stored, duplicates, rejected, once as many arrived as were sent."""
    deadline = time.monotonic() + LOADED_WITHIN_S
    counts: Sequence[int] = (0, 0, 0, 0)
    while True:
        rows = _values(on, EVENTS)
        counts = rows[0] if rows and rows[0][0] is not None else counts
        if counts[0] >= sent or time.monotonic() > deadline:
            return counts
        on.refuse_dead()
        time.sleep(LOOK_EVERY_S)


def _values(on: Stage, clip: DemoClip) -> list[list[Any]]:
    """The rows of a clip through its share link; none while it cannot answer."""
    status, body = fetch(on.share_link(clip.id, "json"))
    return list(json.loads(body)["values"]) if status == HTTPStatus.OK else []
