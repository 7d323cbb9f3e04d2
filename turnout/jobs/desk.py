"""The desk: does what is asked of whoever holds the warehouse, and says how far it is.

The running app answers requests from its state database; a command that finds no app running
opens the warehouse itself and does the same work here.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

import structlog

from turnout import sync
from turnout.clips.follower import Follower
from turnout.config import Config
from turnout.errors import BadRequest, Stopped, TurnoutError
from turnout.events.loading.load import Loader
from turnout.events.upkeep.forget import forget
from turnout.events.upkeep.importing import load_imported
from turnout.events.upkeep.replay import replay
from turnout.events.upkeep.retype import retype
from turnout.events.upkeep.trial import find_trial, remove_trial
from turnout.events.upkeep.upkeep import Report, Tell, Upkeep
from turnout.jobs.compaction import compact_if_due, note_compacted
from turnout.jobs.dumps import load_files
from turnout.jobs.listing import list_sources
from turnout.jobs.privacy import forget as forget_people
from turnout.jobs.privacy import plan_forgetting, sources_meant
from turnout.jobs.privacy import report as privacy_report
from turnout.jobs.source import SourceCopy
from turnout.jobs.turns import Turns
from turnout.state.request import Outcome, Request, Requests
from turnout.sync.turn import alone
from turnout.warehouse import Warehouse

# How far it is, is written down this often.
NOTE_EVERY_S = 0.2
# Whoever asked for other settings has the answer before the process that gives it ends.
RENEW_AFTER_S = 0.5
# What can be done about events, by its word.
WORKS: Mapping[str, Callable[[Upkeep, Mapping[str, Any]], Report]] = {
    "imported": load_imported,
    "replay": replay,
    "forget": forget,
    "retype": retype,
    "find trial": find_trial,
    "remove trial": remove_trial,
}

log = structlog.get_logger()


class Desk:
    """Does one thing after the other; `close` ends what runs where nothing is left half done."""

    def __init__(
        self,
        config: Config,
        warehouse: Warehouse,
        loader: Loader,
        follower: Follower,
        copies: Mapping[str, SourceCopy],
    ) -> None:
        self.turns = Turns()
        self.forget_answers: Callable[[], int] = lambda: 0
        # Have another process take this one's place; None where nobody would start it.
        self.renew: Callable[[], None] | None = None
        self._config = config
        self._warehouse = warehouse
        self._loader = loader
        self._follower = follower
        self._copies = copies
        self._closing = threading.Event()

    def serve(self, requests: Requests, forget_answers: Callable[[], int]) -> None:
        """Answer `requests` from now on, with a way to drop the answers that pages hold."""
        self._requests = requests
        self.forget_answers = forget_answers

    def close(self) -> None:
        """End what runs. A request cut off is begun again by the next app."""
        self._closing.set()

    def answer_all(self) -> None:
        """Do all that waits."""
        for request in self._requests.waiting():
            if self._closing.is_set():
                return
            outcome = self._answered(request)
            if outcome is None:
                return
            self._requests.finish(request.number, outcome)

    def do(self, job: str, parameters: Mapping[str, Any], tell: Tell) -> Report:
        """Do `job`. Raises what goes wrong, and what `tell` raises."""
        word, _, rest = job.partition(" ")
        if word == "sync":
            return self._sync(rest, tell, whole=bool(parameters.get("whole")))
        if word == "source":
            return self._source(rest, parameters, tell)
        if job == "renew":
            return self._renewed()
        if word != "events":
            raise BadRequest(f"This Turnout knows no job '{job}'.")
        return self._keep_up(rest, parameters, tell)

    def compact(self) -> None:
        """Write the warehouse anew if it is time, so that what was deleted leaves its file."""
        with self.turns.upkeep():
            compact_if_due(self._config, self._warehouse, self._follower, now=datetime.now(UTC))

    def _source(self, work: str, parameters: Mapping[str, Any], tell: Tell) -> Report:
        if work.startswith("load "):
            return self._load(work.removeprefix("load "), parameters, tell)
        if work == "list":
            standings = {name: copy.standing for name, copy in self._copies.items()}
            return list_sources(self._config, self._warehouse, standings)
        if work == "forget":
            return self._forget(parameters, tell)
        if work == "report":
            return privacy_report(self._config, self._warehouse, parameters)
        raise BadRequest(f"This Turnout knows no work '{work}' on sources.")

    def _answered(self, request: Request) -> Outcome | None:
        """None when it was cut off by `close`."""
        try:
            report = self.do(request.job, request.parameters, self._teller(request.number))
        except Stopped as stop:
            return None if self._closing.is_set() else Outcome(True, str(stop), {})
        except TurnoutError as error:
            return Outcome(True, str(error), {})
        except Exception:
            # What it was asked with may name a person, and never reaches a log.
            log.exception("request failed", job=request.job)
            return Outcome(True, "It failed inside; the log says more.", {})
        return Outcome(report.failed, report.sentence, report.result)

    def _renewed(self) -> Report:
        if self.renew is None:
            return Report("The settings are read at the next start.")
        threading.Timer(RENEW_AFTER_S, self.renew).start()
        return Report("Turnout reads its settings anew.")

    def _sync(self, name: str, tell: Tell, *, whole: bool) -> Report:
        run = self._copy(name).copy(_progress(name, tell), whole=whole)
        self._follower.publish(now=datetime.now(UTC))
        return Report(run.sentence, failed=bool(run.problems))

    def _load(self, name: str, parameters: Mapping[str, Any], tell: Tell) -> Report:
        report = load_files(self._copy(name), self._warehouse, parameters, _progress(name, tell))
        self._follower.publish(now=datetime.now(UTC))
        return report

    def _copy(self, name: str) -> SourceCopy:
        if name not in self._copies:
            raise BadRequest(f"There is no source '{name}' in turnout.toml.")
        return self._copies[name]

    def _forget(self, parameters: Mapping[str, Any], tell: Tell) -> Report:
        """Forget people in copied tables and in events, while no copy runs."""
        if parameters.get("is_plan"):
            return self._upkeep(lambda work: plan_forgetting(self._config, work, parameters), tell)
        sources = sources_meant(self._config, parameters.get("source"))
        with alone(
            self._warehouse, sources, lambda name: tell(f"Waiting for the copy of {name}", 0, 0)
        ):
            return self._upkeep(lambda work: forget_people(self._config, work, parameters), tell)

    def _keep_up(self, word: str, parameters: Mapping[str, Any], tell: Tell) -> Report:
        if word not in WORKS:
            raise BadRequest(f"This Turnout knows no work '{word}' on events.")
        return self._upkeep(lambda work: WORKS[word](work, parameters), tell)

    def _upkeep(self, do: Callable[[Upkeep], Report], tell: Tell) -> Report:
        """Do it while no load runs; what is erased is gone from every file afterwards."""
        work = Upkeep(
            self._config.journal_folder,
            self._config.data_folder / "receipts",
            self._warehouse,
            self._loader,
            self._config.identity.membership,
            tell,
        )
        with self.turns.upkeep():
            report = do(work)
            if report.erased:
                with suppress(Stopped):  # too late for that
                    tell("Writing the warehouse anew", 0, 0)
                self._warehouse.compact()
                note_compacted(self._config.data_folder, datetime.now(UTC))
        if report.changed:
            self._follower.publish(now=datetime.now(UTC))
        if report.erased:
            self.forget_answers()
        return report

    def _teller(self, number: int) -> Tell:
        noted_at = 0.0

        def tell(doing: str, done: int, total: int) -> None:
            nonlocal noted_at
            if self._closing.is_set():
                raise Stopped
            now = time.monotonic()
            if now - noted_at < NOTE_EVERY_S:
                return
            noted_at = now
            if self._requests.note(number, doing, done, total):
                raise Stopped

        return tell


def _progress(name: str, tell: Tell) -> Callable[[sync.Progress], None]:
    """Tells of a copy as of any other work."""

    def progress(at: sync.Progress) -> None:
        tell(f"{name}.{at.table}", at.rows, max(at.rows_estimated, at.rows))

    return progress
