from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from turnout.demo.delivery import Delivery
from turnout.demo.sender import BATCH_MAX, Sender
from turnout.errors import TurnoutError


class Collector(BaseHTTPRequestHandler):
    """A small collector: keeps each batch with the time it came, or answers `status`."""

    protocol_version = "HTTP/1.1"
    batches: list[tuple[datetime, dict[str, Any]]]
    statuses: list[int]

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        status = self.statuses.pop() if self.statuses else 200
        if status == 200:
            self.batches.append((datetime.now(UTC), body))
        answer = b'{"success":true}'
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def collector() -> Iterator[tuple[str, type[Collector]]]:
    kind = type("OneCollector", (Collector,), {"batches": [], "statuses": []})
    server = ThreadingHTTPServer(("127.0.0.1", 0), kind)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}", kind
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def sender(collector: tuple[str, type[Collector]]) -> Iterator[Sender]:
    sender = Sender("write-key", collector[0])
    yield sender
    sender.close()


def messages(kind: type[Collector]) -> list[dict[str, Any]]:
    return [message for _, body in kind.batches for message in body["batch"]]


def test_everything_arrives_once_as_the_ledger_says(
    collector: tuple[str, type[Collector]], sender: Sender, history: list[Delivery]
) -> None:
    sent = history[:3000]
    for delivery in sent:
        sender.send(delivery)
    sender.flush()
    arrived = messages(collector[1])
    ids = [message["messageId"] for message in arrived]
    assert sorted(ids) == sorted(delivery.event.message_id for delivery in sent)
    ledger = sender.ledger
    assert ledger.sent == len(ids) == ledger.stored + ledger.repeats + ledger.rejected.total()
    assert ledger.stored == len({d.event.message_id for d in sent if d.event.reason is None})
    assert {message["type"] for message in arrived} == {"track", "page", "identify", "group"}
    assert all(len(body["batch"]) <= BATCH_MAX for _, body in collector[1].batches)


def test_a_wrong_clock_is_wrong_by_as_much_in_the_event_as_in_its_sending(
    collector: tuple[str, type[Collector]], sender: Sender, history: list[Delivery]
) -> None:
    wrong = [delivery for delivery in history if delivery.event.skew_s][:50]
    for delivery in wrong:
        sender.send(delivery)
    sender.flush()
    true = {delivery.event.message_id: delivery.event.at for delivery in wrong}
    assert len(messages(collector[1])) == 50
    for received_at, body in collector[1].batches:
        sent_at = datetime.fromisoformat(body["sentAt"])
        assert abs(received_at - sent_at) > timedelta(seconds=30)
        for message in body["batch"]:
            # What a collector computes: received_at - (sent_at - timestamp).
            corrected = received_at - (sent_at - datetime.fromisoformat(message["timestamp"]))
            assert abs(corrected - true[message["messageId"]]) < timedelta(seconds=5)


def test_a_collector_that_is_away_for_a_moment_loses_nothing(
    collector: tuple[str, type[Collector]], sender: Sender, history: list[Delivery]
) -> None:
    collector[1].statuses += [503, 503]
    for delivery in history[:500]:
        sender.send(delivery)
    sender.flush()
    assert len(messages(collector[1])) == 500


def test_refused_events_are_an_error_and_never_confirmed(
    collector: tuple[str, type[Collector]], sender: Sender, history: list[Delivery]
) -> None:
    collector[1].statuses += [401]
    sender.send(next(delivery for delivery in history if not delivery.event.skew_s))
    sender.mark(history[0].at)
    with pytest.raises(TurnoutError, match="were not accepted"):
        sender.flush()
    with pytest.raises(TurnoutError, match="were not accepted"):
        sender.confirmed()


def test_a_mark_is_confirmed_only_when_all_before_it_was_answered(
    collector: tuple[str, type[Collector]], sender: Sender, history: list[Delivery]
) -> None:
    assert sender.confirmed() is None
    for delivery in history[:300]:
        sender.send(delivery)
    sender.mark(history[300].at)
    sender.flush()
    assert sender.confirmed() == history[300].at
    assert len(messages(collector[1])) == 300
