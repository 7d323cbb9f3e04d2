"""Alarms: what is told to a webhook, when again, and that it is over."""

from __future__ import annotations

import http.server
import json
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast

import pytest

from tests.running import free_port
from turnout.config import Alarm, Config, Source
from turnout.errors import LogLost
from turnout.jobs.alarm import FAILED, FINDINGS, RECOVERED, STALE, Bell, Trouble
from turnout.jobs.source import SourceCopy
from turnout.jobs.watch import AGAIN_S, Watch
from turnout.jobs.webhook import SIGNATURE, NotDelivered, send, signature
from turnout.sync.privacy.scan import Finding, record
from turnout.sync.run import record_failure
from turnout.sync.selection import SelectedTable
from turnout.sync.standing import Standing
from turnout.sync.state import SYNC_TABLES, TableState, write_states
from turnout.warehouse import Warehouse
from turnout.warehouse.duckdb import DuckDB

NOON = datetime(2026, 11, 1, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
FAILURE = Trouble(FAILED, "app: The source cannot be reached.", NOON - HOUR)


class Receiver:
    """A real HTTP server that keeps what it is sent, and answers as told."""

    def __init__(self) -> None:
        self.status = 200
        self.requests: list[tuple[dict[str, str], bytes]] = []
        receiver = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                receiver.requests.append((dict(self.headers), body))
                self.send_response(receiver.status)
                self.send_header("Location", "/elsewhere")
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                """Be quiet."""

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}/hook?token=secret"
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(0.02,), daemon=True
        )
        self._thread.start()

    @property
    def kinds(self) -> list[str]:
        return [json.loads(body)["kind"] for _, body in self.requests]

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    receiver = Receiver()
    yield receiver
    receiver.close()


@pytest.fixture
def warehouse(tmp_path: Path) -> Iterator[Warehouse]:
    warehouse = DuckDB(tmp_path / "warehouse.duckdb", memory_bytes_max=256 * 1024**2, threads=1)
    yield warehouse
    warehouse.close()


class Copying:
    """A source as `Watch` sees it: what it stands at is what the test says."""

    name = "app"

    def __init__(self, source: Source, warehouse: Warehouse) -> None:
        self.source = source
        self.warehouse = warehouse
        self.standing = Standing()


def bell(home: Path, **settings: Any) -> Bell:
    return Bell("app", Alarm(webhook="https://x.example", **settings), home / "app.json", "/page")


def watched(home: Path, warehouse: Warehouse, **alarm: Any) -> tuple[Watch, Copying]:
    source = Source("postgresql://turnout@db/app", alarm=Alarm(**alarm))
    copying = Copying(source, warehouse)
    return Watch(Config(home=home), cast("SourceCopy", copying)), copying


def copied(warehouse: Warehouse, as_of: datetime) -> None:
    state = TableState("app", "userdata", "company", rows=2, as_of=as_of, copied_whole_at=as_of)
    with warehouse.transaction() as transaction:
        transaction.prepare(SYNC_TABLES)
        write_states(transaction, [state])


def test_a_trouble_is_told_once_then_again_after_its_pause(tmp_path: Path) -> None:
    ringing = bell(tmp_path, again_after_s=4 * 3600)
    (first,) = ringing.due([FAILURE], NOON)
    ringing.told(first)
    assert not list(ringing.due([FAILURE], NOON + 3 * HOUR))
    (again,) = ringing.due([FAILURE], NOON + 4 * HOUR)
    assert (again.kind, again.since) == (FAILED, NOON - HOUR)


def test_a_message_that_was_not_delivered_is_still_due(tmp_path: Path) -> None:
    ringing = bell(tmp_path)
    assert list(ringing.due([FAILURE], NOON)) == list(ringing.due([FAILURE], NOON))


def test_what_was_told_and_is_over_is_told_once(tmp_path: Path) -> None:
    ringing = bell(tmp_path)
    assert not list(ringing.due([], NOON))
    (first,) = ringing.due([FAILURE], NOON)
    ringing.told(first)
    (over,) = ringing.due([], NOON + HOUR)
    assert (over.kind, over.of, over.since) == (RECOVERED, FAILED, NOON - HOUR)
    ringing.told(over)
    assert not list(ringing.due([], NOON + 2 * HOUR))


def test_a_restart_rings_nobody_again(tmp_path: Path) -> None:
    (first,) = bell(tmp_path).due([FAILURE], NOON)
    bell(tmp_path).told(first)
    assert not list(bell(tmp_path).due([FAILURE], NOON + HOUR))


def test_a_process_that_has_not_copied_yet_says_nothing_is_over(tmp_path: Path) -> None:
    (first,) = bell(tmp_path).due([FAILURE], NOON)
    bell(tmp_path).told(first)
    assert not list(bell(tmp_path).due([], NOON + HOUR, over=()))


def test_a_finding_is_told_once_and_a_newer_one_after_the_pause(tmp_path: Path) -> None:
    ringing = bell(tmp_path, again_after_s=3600)
    found = Trouble(FINDINGS, "person.role looks personal", NOON, ("person",))
    (first,) = ringing.due([found], NOON)
    ringing.told(first)
    assert not list(ringing.due([found], NOON + 48 * HOUR))
    newer = Trouble(FINDINGS, found.text, NOON + HOUR, found.tables)
    assert [each.tables for each in ringing.due([newer], NOON + HOUR)] == [("person",)]


def test_a_message_has_the_documented_shape_and_its_signature_fits(
    tmp_path: Path, warehouse: Warehouse, receiver: Receiver
) -> None:
    watch, copying = watched(tmp_path, warehouse, webhook=receiver.url, secret="shared")
    copying.standing = Standing(
        problem="The source cannot be reached.", failed_at=NOON, needs_somebody=True
    )
    watch.look(NOON + timedelta(minutes=5))
    ((headers, body),) = receiver.requests
    assert json.loads(body) == {
        "version": 1,
        "kind": "failed",
        "source": "app",
        "text": "app: The source cannot be reached.",
        "since": "2026-11-01T12:00:00Z",
        "at": "2026-11-01T12:05:00Z",
        "tables": [],
        "page": "http://127.0.0.1:8100/databases/app",
        "of": "",
    }
    assert headers["Content-Type"] == "application/json"
    assert headers[SIGNATURE] == f"sha256={signature(body, 'shared')}"


def test_a_source_that_will_be_tried_again_by_itself_is_no_alarm(
    tmp_path: Path, warehouse: Warehouse, receiver: Receiver
) -> None:
    watch, copying = watched(tmp_path, warehouse, webhook=receiver.url)
    copying.standing = Standing(problem="It cannot be reached.", failed_at=NOON, tries=1)
    watch.look(NOON)
    assert not receiver.requests


def test_an_old_copy_is_told_and_a_fresh_one_too(
    tmp_path: Path, warehouse: Warehouse, receiver: Receiver
) -> None:
    watch, _ = watched(tmp_path, warehouse, webhook=receiver.url, stale_after_s=3600)
    copied(warehouse, NOON)
    watch.look(NOON + timedelta(minutes=59))
    assert not receiver.requests
    watch.look(NOON + timedelta(minutes=61))
    assert json.loads(receiver.requests[0][1])["text"] == "The copy of app is 61 minutes old."
    copied(warehouse, NOON + HOUR)
    watch.look(NOON + timedelta(minutes=62))
    assert receiver.kinds == [STALE, RECOVERED]


def test_a_webhook_that_does_not_answer_is_tried_again_later_and_hears_it_then(
    tmp_path: Path, warehouse: Warehouse, receiver: Receiver
) -> None:
    watch, _ = watched(tmp_path, warehouse, webhook=receiver.url, stale_after_s=60)
    copied(warehouse, NOON)
    receiver.status = 500
    watch.look(NOON + HOUR)
    watch.look(NOON + HOUR + timedelta(seconds=AGAIN_S - 1))
    assert len(receiver.requests) == 1
    receiver.status = 204
    watch.look(NOON + HOUR + timedelta(seconds=AGAIN_S))
    assert receiver.kinds == [STALE, STALE]


def test_lost_changes_and_what_looks_personal_are_told_without_a_value(
    tmp_path: Path, warehouse: Warehouse, receiver: Receiver
) -> None:
    watch, _ = watched(tmp_path, warehouse, webhook=receiver.url, stale_after_s=10**7)
    selected = SelectedTable("public", "person", ("role",))
    with warehouse.transaction() as transaction:
        record_failure(transaction, "app", NOON, LogLost("The replication slot x is gone."))
        record_failure(transaction, "other", NOON, LogLost("Another source's."))
        finding = Finding("person", "role", "email", 0.25)
        record(transaction, "app", selected, [finding], NOON, whole=True)
    now = datetime.now(UTC)
    watch.look(now)
    watch.look(now + HOUR)
    told = [json.loads(body) for _, body in receiver.requests]
    assert [(each["kind"], each["text"], each["tables"]) for each in told] == [
        ("slot_lost", "Changes of app were lost: The replication slot x is gone.", []),
        ("findings", "Copied columns of app look personal: person.role (email, 25%).", ["person"]),
    ]


def test_a_table_that_cannot_be_copied_is_a_failure_of_that_table(
    tmp_path: Path, warehouse: Warehouse, receiver: Receiver
) -> None:
    watch, _ = watched(tmp_path, warehouse, webhook=receiver.url, stale_after_s=10**7)
    wrong = TableState(
        "app", "userdata", "plan", as_of=NOON, problem="It has no column 'x'.", problem_at=NOON
    )
    with warehouse.transaction() as transaction:
        transaction.prepare(SYNC_TABLES)
        write_states(transaction, [wrong])
    watch.look(NOON)
    (told,) = [json.loads(body) for _, body in receiver.requests]
    assert (told["kind"], told["tables"]) == ("failed", ["plan"])
    assert told["text"] == "app is not copied whole. plan: It has no column 'x'."


@pytest.mark.parametrize("status", [302, 404, 500])
def test_only_a_success_is_a_delivery_and_no_redirect_is_followed(
    receiver: Receiver, status: int
) -> None:
    receiver.status = status
    with pytest.raises(NotDelivered) as caught:
        send(receiver.url, b"{}")
    assert str(status) in str(caught.value)
    assert "token" not in str(caught.value)
    assert len(receiver.requests) == 1


def test_an_address_where_nobody_listens_is_said_without_the_address() -> None:
    with pytest.raises(NotDelivered) as caught:
        send(f"http://127.0.0.1:{free_port()}/hook?token=secret", b"{}")
    assert "token" not in str(caught.value)
