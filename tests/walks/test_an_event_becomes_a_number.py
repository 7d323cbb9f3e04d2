"""From an SDK's call to a number on a page, with the plug pulled on the way."""

import json
import random
import threading
import time
import urllib.request
import uuid
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
from segment.analytics.client import Client

from tests.running import Turnout, answer, eventually


@pytest.fixture
def turnout(tmp_path: Path) -> Iterator[Turnout]:
    running = Turnout(tmp_path / "home")
    yield running
    running.end()


def test_the_official_sdk_sends_and_a_stranger_reads_the_number(turnout: Turnout) -> None:
    turnout.start()
    problems: list[object] = []
    client = Client(
        turnout.key,
        host=turnout.config.collector.url,
        on_error=lambda error, _: problems.append(error),
    )
    client.identify("alice", {"city": "Oslo"})
    client.group("alice", "acme", {"plan": "pro"})
    for presses in range(3):
        client.track("alice", "Pressed Big Button", {"presses": presses})
    client.page("alice", "docs", "Start")
    client.shutdown()
    assert problems == []
    turnout.wait_loaded()
    rows = turnout.rows(
        "SELECT count(*), sum(presses), max(city) FROM analytics.pressed_big_button "
        "JOIN analytics.users AS person ON person.id = user_id"
    )
    assert rows == [[3, 3, "Oslo"]]
    assert turnout.rows("SELECT name, category FROM analytics.pages") == [["Start", "docs"]]


def test_one_bad_event_in_a_hundred_is_kept_with_its_reason(turnout: Turnout) -> None:
    turnout.start()
    batch = [turnout.track(f"good-{n}", "Counted") for n in range(99)]
    batch.insert(50, {"type": "track", "messageId": "bad", "event": "Counted"})
    assert turnout.send(batch) == 200
    turnout.wait_loaded()
    assert turnout.rows("SELECT count(*) FROM analytics.counted") == [[99]]
    assert turnout.rows("SELECT id, reason FROM _turnout.rejected_events") == [
        ["bad", "no_user_anon_id"]
    ]


class Sender(threading.Thread):
    """Sends batches as an SDK does: again and again until acknowledged, with the same ids."""

    def __init__(self, turnout: Turnout) -> None:
        super().__init__()
        self._turnout = turnout
        self._stop_asked = threading.Event()
        self.acknowledged: set[str] = set()

    def run(self) -> None:
        while not self._stop_asked.is_set():
            ids = [str(uuid.uuid4()) for _ in range(random.randint(1, 40))]
            batch = [self._turnout.track(id_, "Survived") for id_ in ids]
            while self._turnout.send(batch) != 200:
                if self._stop_asked.is_set():
                    return
                time.sleep(0.02)
            self.acknowledged.update(ids)

    def finish(self) -> None:
        self._stop_asked.set()
        self.join()


def flows(sender: Sender, past: int) -> bool:
    return len(sender.acknowledged) > past + 20


def loaded(turnout: Turnout) -> dict[str, int]:
    turnout.wait_loaded()
    rows = turnout.rows("SELECT id, count(*) FROM analytics.survived GROUP BY id")
    return {str(id_): int(count) for id_, count in rows}


@pytest.mark.timeout(180)
def test_every_acknowledged_event_is_stored_once_whatever_is_killed(turnout: Turnout) -> None:
    turnout.start()
    senders = [Sender(turnout) for _ in range(2)]
    for sender in senders:
        sender.start()
    for victim in ("collector", "app", "worker", "collector", "app", "supervisor", "app"):
        acknowledged = len(senders[0].acknowledged)
        eventually("events flow", partial(flows, senders[0], acknowledged))
        if victim == "supervisor":
            turnout.kill_supervisor()
            turnout.start()
        elif victim == "worker":
            for worker in eventually("workers wait", turnout.workers):
                turnout.kill(worker)
        else:
            turnout.kill(turnout.child(victim))
        turnout.wait_ready()
    for sender in senders:
        sender.finish()
    stored = loaded(turnout)
    acknowledged_ids = senders[0].acknowledged | senders[1].acknowledged
    assert acknowledged_ids
    assert acknowledged_ids - stored.keys() == set()
    assert {id_: count for id_, count in stored.items() if count != 1} == {}
    totals = turnout.rows(
        "SELECT sum(received) = sum(stored) + sum(duplicates) + sum(rejected) FROM _turnout.loads"
    )
    assert totals == [[True]]


def test_an_unchanged_answer_is_a_304(turnout: Turnout) -> None:
    turnout.start()
    turnout.wait_loaded()
    address = turnout.clip("SELECT 42 AS answer") + ".csv"
    with urllib.request.urlopen(address) as first:
        assert first.read() == b"answer\r\n42\r\n"
        tag = first.headers["ETag"]
    again = urllib.request.Request(address, headers={"If-None-Match": tag})
    assert answer(again) == (304, b"")


def test_an_endless_query_and_a_memory_bomb_leave_the_next_query_unharmed(tmp_path: Path) -> None:
    turnout = Turnout(tmp_path / "home", toml="timeout_s = 1\n")
    try:
        turnout.start()
        turnout.wait_loaded()
        for bomb in (
            "SELECT count(*) FROM range(1000000000) a, range(1000000000) b",
            "SELECT list(repeat('x', 1000000)) FROM range(1000000)",
        ):
            code, body = answer(urllib.request.Request(turnout.clip(bomb) + ".json"))
            assert code >= 400
            assert "Traceback" not in body.decode()
            assert "error" in json.loads(body)
            assert turnout.rows("SELECT 1") == [[1]]
    finally:
        turnout.end()
