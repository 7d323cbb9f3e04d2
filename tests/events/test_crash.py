"""Pulling the plug on a real collector while events flow in."""

from __future__ import annotations

import json
import random
import threading
from dataclasses import dataclass, field

import httpx
import pytest

from tests.events.house import House, RunningCollector, start_collector

SENDERS = 4
KILLS = 3


@dataclass
class Ledger:
    """What was sent, and what of it was acknowledged."""

    sent: set[str] = field(default_factory=set)
    acknowledged: set[str] = field(default_factory=set)
    enough: threading.Event = field(default_factory=threading.Event)


def send(running: RunningCollector, ledger: Ledger, sender: str, wanted: int) -> None:
    """Send batches until the connection breaks; each acknowledged only by its 200."""
    with httpx.Client(base_url=running.url, auth=("alice-key", "")) as client:
        for number in range(10_000):
            ids = [f"{sender}-{number}-{place}" for place in range(7)]
            batch = [
                {"type": "track", "event": "Flowed", "userId": "alice", "messageId": id_}
                for id_ in ids
            ]
            ledger.sent.update(ids)
            try:
                answer = client.post("/v1/batch", content=json.dumps({"batch": batch}))
            except httpx.HTTPError:
                return
            if answer.status_code == 200:
                ledger.acknowledged.update(ids)
            if len(ledger.acknowledged) >= wanted:
                ledger.enough.set()


@pytest.mark.timeout(120)
def test_every_acknowledged_event_is_loaded_exactly_once_whenever_the_collector_is_killed(
    house: House,
) -> None:
    chance = random.Random(7)
    ledger = Ledger()
    for kill in range(KILLS):
        running = start_collector(house.journal_folder, f"c{kill}")
        ledger.enough.clear()
        wanted = len(ledger.acknowledged) + chance.randrange(200, 800)
        threads = [
            threading.Thread(target=send, args=(running, ledger, f"{kill}-{sender}", wanted))
            for sender in range(SENDERS)
        ]
        for thread in threads:
            thread.start()
        reached = ledger.enough.wait(60)
        running.kill()
        for thread in threads:
            thread.join(30)
        assert reached, "the collector acknowledged too little to prove anything"
        house.load()  # while a torn tail may be there
    while house.loader.load():
        pass
    rows = house.rows("SELECT id FROM analytics.flowed")
    stored = [row["id"] for row in rows]
    assert len(stored) == len(set(stored))
    assert ledger.acknowledged <= set(stored) <= ledger.sent
    assert house.value("SELECT count(*) FROM analytics.tracks") == len(stored)
