"""Sends deliveries to a collector through the official Segment SDK, and keeps the books.

Devices whose clock is wrong are told apart: their calls are made by the SDK too, but posted with
the `sentAt` such a device would claim.
"""

from __future__ import annotations

import logging
import time
from collections import Counter, defaultdict, deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from segment.analytics import Client
from segment.analytics.request import APIError, post

from turnout.demo.activity import Event
from turnout.demo.delivery import Delivery
from turnout.errors import TurnoutError

CLIENTS = 2
QUEUE_MAX = 2000
BATCH_MAX = 100
UPLOAD_EVERY_S = 0.25
REQUEST_TIMEOUT_S = 30
POST_TRIES = 8
# A collector on this machine is never behind a proxy, whatever the environment says.
NO_PROXY = {"no_proxy": "127.0.0.1,localhost"}

# The SDK reports its failures through `on_error`, which we count; nobody reads its log.
logging.getLogger("segment").addHandler(logging.NullHandler())


@dataclass(slots=True)
class Ledger:
    """What was sent, and what a collector must have made of it."""

    sent: int = 0
    repeats: int = 0
    rejected: Counter[str] = field(default_factory=Counter)

    @property
    def stored(self) -> int:
        return self.sent - self.repeats - self.rejected.total()

    def enter(self, delivery: Delivery) -> None:
        self.sent += 1
        if delivery.event.reason is not None:
            self.rejected[delivery.event.reason] += 1
        elif delivery.is_repeat:
            self.repeats += 1


class Sender:
    """Several SDK clients taking turns. Not for use by several threads."""

    def __init__(self, write_key: str, collector_url: str) -> None:
        self.ledger = Ledger()
        self._key = write_key
        self._url = collector_url
        self._failure: str | None = None
        self._clients = [self._client() for _ in range(CLIENTS)]
        self._queued = [0] * CLIENTS
        # Makes calls without sending them: for devices whose clock is wrong.
        self._scribe = Client(write_key, send=False)
        self._wrong: dict[int, list[dict[str, Any]]] = defaultdict(list)
        self._marks: deque[tuple[datetime, tuple[int, ...]]] = deque()

    def send(self, delivery: Delivery) -> None:
        """Hand one delivery to the SDK, waiting while its queue is full.

        Raises `TurnoutError` when earlier ones could not be sent.
        """
        self.ledger.enter(delivery)
        if delivery.event.skew_s:
            self._send_wrong(delivery.event)
            return
        number = self.ledger.sent % CLIENTS
        client = self._clients[number]
        # The SDK drops what does not fit its queue.
        while client.queue.full():
            self._raise_failure()
            time.sleep(0.01)
        call(client, delivery.event)
        self._queued[number] += 1

    def mark(self, until: datetime) -> None:
        """Everything that arrives before `until` has been handed over."""
        for skew_s in list(self._wrong):
            self._post_wrong(skew_s)
        self._marks.append((until, tuple(self._queued)))

    def confirmed(self) -> datetime | None:
        """The newest mark up to which the collector has acknowledged all; None = no news."""
        self._raise_failure()
        answered = [
            queued - client.queue.unfinished_tasks
            for queued, client in zip(self._queued, self._clients, strict=True)
        ]
        until = None
        while self._marks and all(
            done >= needed for done, needed in zip(answered, self._marks[0][1], strict=True)
        ):
            until = self._marks.popleft()[0]
        # A batch that failed is "answered" too: the failure is told before anybody believes it.
        self._raise_failure()
        return until

    def flush(self, *, timeout_s: float = 60.0) -> None:
        """Return when everything was acknowledged; raises `TurnoutError` when it was not."""
        deadline = time.monotonic() + timeout_s
        for skew_s in list(self._wrong):
            self._post_wrong(skew_s)
        while any(client.queue.unfinished_tasks for client in self._clients):
            self._raise_failure()
            if time.monotonic() > deadline:
                raise TurnoutError(f"The last events took the collector over {timeout_s:.0f} s.")
            time.sleep(0.02)
        self._raise_failure()

    def close(self) -> None:
        """End the SDK's threads; what is still queued is not waited for."""
        for client in self._clients:
            client.join()

    def _client(self) -> Client:
        return Client(
            self._key,
            host=self._url,
            on_error=self._note_failure,
            max_queue_size=QUEUE_MAX,
            upload_size=BATCH_MAX,
            upload_interval=UPLOAD_EVERY_S,
            timeout=REQUEST_TIMEOUT_S,
            proxies=NO_PROXY,
        )

    def _send_wrong(self, event: Event) -> None:
        _, message = call(self._scribe, event)
        batch = self._wrong[event.skew_s]
        batch.append(message)
        if len(batch) >= BATCH_MAX:
            self._post_wrong(event.skew_s)

    def _post_wrong(self, skew_s: int) -> None:
        batch = self._wrong.pop(skew_s, [])
        for number in range(1, POST_TRIES + 1 if batch else 0):
            try:
                sent_at = datetime.now(UTC) + timedelta(seconds=skew_s)
                post(
                    self._key, self._url, timeout=REQUEST_TIMEOUT_S, proxies=NO_PROXY,
                    batch=batch, sentAt=sent_at.isoformat(),
                )  # fmt: skip
            except (APIError, OSError) as error:  # requests' errors are OSErrors
                if number == POST_TRIES:
                    self._note_failure(error, batch)
                    self._raise_failure()
                time.sleep(0.2 * number)
            else:
                return

    def _note_failure(self, error: Exception, batch: Sequence[object]) -> None:
        self._failure = f"{len(batch)} events were not accepted by {self._url}: {error}."

    def _raise_failure(self) -> None:
        if self._failure is not None:
            raise TurnoutError(self._failure)


def call(client: Client, event: Event) -> tuple[bool, dict[str, Any]]:
    """Make the SDK call that `event` is, at the time its device believes it is."""
    words = {
        "user_id": event.user_id,
        "anonymous_id": event.anonymous_id,
        "context": dict(event.context),  # the SDK writes into it
        "timestamp": event.at + timedelta(seconds=event.skew_s),
        "message_id": event.message_id,
    }
    properties = dict(event.properties)
    made: tuple[bool, dict[str, Any]]
    if event.type == "track":
        made = client.track(event=event.name, properties=properties, **words)
    elif event.type == "page":
        made = client.page(name=event.name, properties=properties, **words)
    elif event.type == "identify":
        made = client.identify(traits=properties, **words)
    else:
        made = client.group(group_id=event.group_id, traits=properties, **words)
    return made
