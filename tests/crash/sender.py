"""Clients that behave as SDKs do: what was not acknowledged is sent again, under the same ids."""

from __future__ import annotations

import base64
import http.client
import json
import random
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from tests.crash.ledger import Ledger

BATCH_MAX = 20
RETRY_PAUSE_S = 0.05
# One event in so many has no name, and must be rejected alone.
NAMELESS_EVERY = 40
# One batch in so many is sent again although it was acknowledged.
REPEAT_EVERY = 10


class Sender:
    """One client with one connection, until `stop`; then it goes on until all is acknowledged."""

    def __init__(self, name: str, port: int, key: str, ledger: Ledger, seed: int) -> None:
        self._name = name
        self._port = port
        basic = base64.b64encode(f"{key}:".encode()).decode()
        self._headers = {"authorization": f"Basic {basic}"}
        self._ledger = ledger
        self._chance = random.Random(seed)
        self._connection: http.client.HTTPConnection | None = None
        self.stopped = threading.Event()
        # Set when even the last event need not arrive: the disk is full on purpose.
        self.given_up = threading.Event()

    def run(self) -> None:
        for number in range(10_000_000):
            if self.stopped.is_set():
                break
            self._send_batch(number)
        self._hang_up()

    def _send_batch(self, number: int) -> None:
        ids = [
            f"{self._name}-{number}-{place}" for place in range(self._chance.randint(1, BATCH_MAX))
        ]
        batch = [_event(id_) for id_ in ids]
        nameless = number % NAMELESS_EVERY == 0
        if nameless:
            batch.append({"type": "track", "userId": "alice"})
        body = json.dumps({"batch": batch}).encode()
        self._ledger.note_sent(ids)
        for _ in range(2 if number % REPEAT_EVERY == 0 else 1):
            if self._until_acknowledged(body):
                self._ledger.note_acknowledged(ids, int(nameless))

    def _until_acknowledged(self, body: bytes) -> bool:
        while not self.given_up.is_set():
            if self._post(body) == http.client.OK:
                return True
            self._ledger.note_retry()
            time.sleep(RETRY_PAUSE_S)
        return False

    def _post(self, body: bytes) -> int:
        """The status, or 0 when the connection broke."""
        if self._connection is None:
            self._connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=10)
        try:
            self._connection.request("POST", "/v1/batch", body, self._headers)
            answer = self._connection.getresponse()
            answer.read()
        except (OSError, http.client.HTTPException):
            self._hang_up()
            return 0
        return answer.status

    def _hang_up(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None


@contextmanager
def senders(
    count: int, port: int, key: str, ledger: Ledger, *, name: str
) -> Iterator[list[Sender]]:
    """`count` clients at work; at the end each has had its last batch acknowledged."""
    clients = [Sender(f"{name}{n}", port, key, ledger, seed=n) for n in range(count)]
    threads = [threading.Thread(target=client.run) for client in clients]
    for thread in threads:
        thread.start()
    try:
        yield clients
    except BaseException:
        for client in clients:
            client.given_up.set()
        raise
    finally:
        for client in clients:
            client.stopped.set()
        for thread in threads:
            thread.join()


def _event(id_: str) -> dict[str, object]:
    return {
        "type": "track",
        "event": "Flowed",
        "userId": "alice",
        "messageId": id_,
        "properties": {"number": len(id_), "note": "x" * 40},
    }
