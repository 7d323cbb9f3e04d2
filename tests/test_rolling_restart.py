"""New processes take over from the old ones, and nobody who sends events notices."""

from __future__ import annotations

import contextlib
import signal
import socket
import threading
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import httpx
import psutil
import pytest

from tests.running import Turnout, eventually, status

RESTARTS = 3
CLIENTS = 6


@dataclass
class Stream:
    """Steady clients; the even ones keep their connections, the odd ones open one a request."""

    turnout: Turnout
    ended: threading.Event = field(default_factory=threading.Event)
    statuses: Counter[str] = field(default_factory=Counter)

    def run(self, client: int) -> None:
        url = self.turnout.config.collector.url
        # The keys of one installation are known to every collector.
        with httpx.Client(base_url=url, auth=(self.turnout.key, ""), timeout=30) as kept:
            for number in range(1_000_000):
                if self.ended.is_set():
                    return
                call = self.turnout.track(f"{client}-{number}")
                headers = {"connection": "close"} if client % 2 else {}
                try:
                    answered = kept.post("/v1/track", json=call, headers=headers)
                    self.statuses[str(answered.status_code)] += 1
                except httpx.HTTPError as error:
                    self.statuses[repr(error)] += 1
                time.sleep(client / 1_000)


def collectors(turnout: Turnout) -> set[int]:
    found = set()
    for process in turnout.supervisor.children():
        with contextlib.suppress(psutil.Error):  # it may end while we look
            if "collector" in process.cmdline():
                found.add(process.pid)
    return found


def _all_left(turnout: Turnout, those: set[int]) -> bool:
    return not collectors(turnout) & those


def _replaced_often(turnout: Turnout, times: int) -> bool:
    return turnout.log.read_text().count('"replaced"') >= times


@pytest.fixture
def turnout(tmp_path: Path) -> Iterator[Turnout]:
    running = Turnout(tmp_path / "home")
    yield running
    running.end()


def test_no_request_fails_while_collectors_are_replaced_under_load(turnout: Turnout) -> None:
    turnout.start()
    stream = Stream(turnout)
    threads = [threading.Thread(target=stream.run, args=(n,)) for n in range(CLIENTS)]
    for thread in threads:
        thread.start()
    try:
        first = collectors(turnout)
        for number in range(RESTARTS):
            turnout.supervisor.send_signal(signal.SIGHUP)
            eventually("another one took over", partial(_replaced_often, turnout, number + 1))
        eventually("the first one has left", partial(_all_left, turnout, first))
        eventually("only one is left", lambda: len(collectors(turnout)) == 1)
    finally:
        stream.ended.set()
        for thread in threads:
            thread.join(30)
    assert stream.statuses.pop("200") > 200
    assert not stream.statuses


def test_what_cannot_become_ready_does_not_take_the_place_of_what_works(turnout: Turnout) -> None:
    turnout.start()
    before = collectors(turnout)
    # The next collector will not understand its settings.
    with (turnout.home / "turnout.toml").open("a") as file:
        file.write("\n[journal]\nkeep_days = -1\n")
    turnout.supervisor.send_signal(signal.SIGHUP)
    eventually("it says so", lambda: "nothing is replaced" in turnout.log.read_text())
    assert collectors(turnout) == before
    assert turnout.send([turnout.track("still here")]) == 200


def test_the_app_alone_reads_its_settings_anew_when_it_is_asked(turnout: Turnout) -> None:
    turnout.start()
    collector, app = turnout.child("collector"), turnout.child("app")
    # An app asks for this itself after a page has written the settings.
    turnout.supervisor.send_signal(signal.SIGUSR1)
    app.wait(20)
    # Whoever asks meanwhile waits in the socket's queue.
    assert httpx.get(f"{turnout.config.web.url}/healthz", timeout=60).status_code == 200
    assert turnout.child("app").pid != app.pid
    assert turnout.child("collector").pid == collector.pid
    assert "child died" not in turnout.log.read_text()


def test_a_killed_collector_costs_no_connection(turnout: Turnout) -> None:
    """Whoever connects meanwhile waits in the socket's queue for the next process."""
    turnout.start()
    victim = turnout.child("collector")
    turnout.kill(victim)
    victim.wait(10)
    assert turnout.send([turnout.track("meanwhile")]) == 200


def test_several_collectors_share_one_port(tmp_path: Path) -> None:
    turnout = Turnout(tmp_path / "home")
    path = turnout.home / "turnout.toml"
    path.write_text(path.read_text().replace("[collector]", "[collector]\nprocesses = 2"))
    files = turnout.config.journal_folder.glob
    try:
        turnout.start()
        eventually(
            "both have taken events",
            lambda: turnout.send([turnout.track("x")]) == 200 and len(list(files("*.ndjson"))) == 2,
        )
        victim = psutil.Process(collectors(turnout).pop())
        turnout.kill(victim)
        victim.wait(10)
        assert turnout.send([turnout.track("to the other")]) == 200
    finally:
        turnout.end()


def test_the_port_is_free_again_when_all_has_ended(turnout: Turnout) -> None:
    turnout.start()
    assert turnout.stop() == 0
    port = turnout.config.collector.port
    assert status(turnout.config.collector.url + "/healthz") == 0
    socket.create_server(("127.0.0.1", port)).close()
