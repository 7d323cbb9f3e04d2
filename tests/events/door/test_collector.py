from __future__ import annotations

import asyncio
import gzip
import json
import signal
import socket
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest

from tests.events.house import RunningCollector, start_collector
from tests.events.rsgi import ask
from turnout import config
from turnout.access.keys import WriteKey
from turnout.errors import JournalUnavailable
from turnout.events.door.collector import Collector
from turnout.events.journal.journal import pending

AUTH = httpx.BasicAuth("alice-key", "")
EVENT = {"type": "track", "event": "Signed Up", "userId": "alice"}
SINGLES = ["track", "identify", "group", "page", "screen", "alias"]


@pytest.fixture(scope="module")
def client(collector: RunningCollector) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=collector.url, auth=AUTH) as client:
        yield client


def stored(collector: RunningCollector) -> list[dict[str, Any]]:
    """Every event line in the journal."""
    found = pending(collector.journal_folder, {}, bytes_max=2**30)
    return [json.loads(line) for line in b"".join(found.blocks).splitlines()]


@pytest.mark.parametrize("path", ["/v1/batch", "/v1/import", "/v1/b", "/v1/batch/", "/v1/import/"])
def test_a_batch_is_durable_when_it_is_answered(
    client: httpx.Client, collector: RunningCollector, path: str
) -> None:
    id_ = f"batch by {path}"
    answer = client.post(path, json={"batch": [{**EVENT, "messageId": id_}]})
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/json"
    assert answer.text == '{"success":true,"accepted":1,"duplicates":0,"rejected":0}'
    assert [line["id"] for line in stored(collector)].count(id_) == 1


@pytest.mark.parametrize("slash", ["", "/"])
@pytest.mark.parametrize("spelling", ["word", "letter"])
@pytest.mark.parametrize("type_", SINGLES)
def test_the_path_of_a_single_call_decides_its_type(
    client: httpx.Client, collector: RunningCollector, type_: str, spelling: str, slash: str
) -> None:
    path = f"/v1/{type_ if spelling == 'word' else type_[0]}{slash}"
    event = {**EVENT, "type": "nonsense", "groupId": "acme", "previousId": "x", "messageId": path}
    answer = client.post(path, json=event)
    assert (answer.status_code, answer.text) == (200, '{"success":true}')
    assert [line["type"] for line in stored(collector) if line["id"] == path] == [type_]


def test_one_bad_event_in_a_hundred_is_refused_alone(
    client: httpx.Client, collector: RunningCollector
) -> None:
    before = len(stored(collector))
    batch: list[Any] = [EVENT] * 99
    answer = client.post("/v1/batch", json={"batch": [*batch[:50], {"bad": 1}, *batch[50:]]})
    assert answer.json() == {"success": True, "accepted": 99, "duplicates": 0, "rejected": 1}
    lines = stored(collector)[before:]
    assert [line["reason"] for line in lines if "reason" in line] == ["missing_type"]
    assert len(lines) == 100


def test_strict_mode_says_what_was_refused(client: httpx.Client) -> None:
    batch = {"batch": [EVENT, {**EVENT, "event": None, "messageId": "m"}]}
    answer = client.post("/v1/batch", json=batch, headers={"x-strict-mode": "1"})
    assert answer.status_code == 400
    assert answer.json()["errors"] == [{"index": 1, "messageId": "m", "reason": "missing_event"}]
    good = client.post("/v1/track", json=EVENT, headers={"x-strict-mode": "1"})
    assert good.status_code == 200


def test_a_body_of_any_announced_size_is_answered_413(client: httpx.Client) -> None:
    answer = client.post("/v1/batch", content=b" " * 17_000_000)
    assert answer.status_code == 413


def test_strict_mode_says_no_more_than_a_hundred_problems(client: httpx.Client) -> None:
    answer = client.post("/v1/batch", json={"batch": [{}] * 150}, headers={"x-strict-mode": "1"})
    assert [problem["index"] for problem in answer.json()["errors"]] == [*range(100)]


def test_a_batch_of_too_many_events_is_413_and_leaves_nothing(
    client: httpx.Client, collector: RunningCollector
) -> None:
    before = len(stored(collector))
    hostile = b'{"batch":[' + b"NaN," * 200_000 + b"1]}"
    answer = client.post("/v1/batch", content=hostile)
    assert (answer.status_code, "events; send at most" in answer.json()["error"]) == (413, True)
    assert len(stored(collector)) == before


BASICS = ["YWxpY2Uta2V5Og==", "YWxpY2Uta2V5", " YWxpY2Uta2V5Og=="]


@pytest.mark.parametrize("packed", BASICS)
def test_the_key_may_come_as_basic_user_with_or_without_a_colon(
    collector: RunningCollector, packed: str
) -> None:
    headers = {"authorization": f"Basic {packed}"}
    answer = httpx.post(f"{collector.url}/v1/track", json=EVENT, headers=headers)
    assert answer.status_code == 200


def test_the_key_may_come_in_the_body_or_the_query(collector: RunningCollector) -> None:
    inside = {"batch": [EVENT], "writeKey": "alice-key"}
    assert httpx.post(f"{collector.url}/v1/b", json=inside).status_code == 200
    single = {**EVENT, "writeKey": "alice-key"}
    assert httpx.post(f"{collector.url}/v1/t", json=single).status_code == 200
    asked = httpx.post(f"{collector.url}/v1/t?writeKey=alice-key", json=EVENT)
    assert asked.status_code == 200


@pytest.mark.parametrize(
    "headers", [{}, {"authorization": "Basic Ym9iOg=="}, {"authorization": "x"}]
)
def test_an_unknown_key_is_401(collector: RunningCollector, headers: dict[str, str]) -> None:
    answer = httpx.post(f"{collector.url}/v1/track", json=EVENT, headers=headers)
    assert answer.status_code == 401
    assert answer.json()["success"] is False
    assert "key" in answer.json()["error"]


def test_an_unknown_key_in_the_header_is_401_whatever_the_body_is(
    collector: RunningCollector,
) -> None:
    answer = httpx.post(f"{collector.url}/v1/batch", content=b"nope", auth=("stranger", ""))
    assert answer.status_code == 401


@pytest.mark.parametrize("body", [b"", b"nope", b"[]", b"5", b'{"batch":5}', b'{"batch":'])
def test_what_is_no_batch_is_400(client: httpx.Client, body: bytes) -> None:
    answer = client.post("/v1/batch", content=body)
    assert answer.status_code == 400
    assert answer.json()["success"] is False


def test_the_content_type_does_not_matter(client: httpx.Client) -> None:
    body = json.dumps(EVENT).encode()
    for kind in ("text/plain", "application/json; charset=utf-8", "x/y"):
        answer = client.post("/v1/track", content=body, headers={"content-type": kind})
        assert answer.status_code == 200


def pieces(body: bytes) -> Iterator[bytes]:
    for start in range(0, len(body), 50_000):
        yield body[start : start + 50_000]


def test_gzip_and_chunks_are_understood(client: httpx.Client) -> None:
    body = gzip.compress(json.dumps({"batch": [EVENT] * 500}).encode())
    for content in (body, pieces(body)):
        answer = client.post("/v1/b", content=content, headers={"content-encoding": "gzip"})
        assert answer.json()["accepted"] == 500


@pytest.mark.parametrize("way", ["announced", "chunked", "packed"])
def test_a_body_over_the_limit_is_413_however_it_comes(client: httpx.Client, way: str) -> None:
    body = b" " * 1_500_000
    headers = {}
    content: bytes | Iterator[bytes] = body
    if way == "chunked":
        content = pieces(body)
    if way == "packed":
        content, headers = gzip.compress(b" " * 50_000_000), {"content-encoding": "gzip"}
    answer = client.post("/v1/batch", content=content, headers=headers)
    assert answer.status_code == 413
    assert client.post("/v1/track", json=EVENT).status_code == 200


def test_other_paths_and_methods_have_their_own_answers(client: httpx.Client) -> None:
    assert client.post("/v2/batch", json=EVENT).status_code == 404
    assert client.get("/").status_code == 404
    wrong = client.get("/v1/batch")
    assert (wrong.status_code, wrong.headers["allow"]) == (405, "POST, OPTIONS")
    assert client.post("/healthz", json={}).status_code == 405
    assert client.get("/healthz").json() == {"healthy": True}


def test_browsers_of_any_origin_may_send_and_read(client: httpx.Client) -> None:
    asked = client.options(
        "/v1/t",
        headers={
            "origin": "https://acme.example",
            "access-control-request-headers": "authorization,x-retry-count",
        },
    )
    assert (asked.status_code, asked.content) == (204, b"")
    assert asked.headers["access-control-allow-headers"] == "authorization,x-retry-count"
    assert asked.headers["access-control-allow-origin"] == "https://acme.example"
    for answer in (
        client.post("/v1/t", json=EVENT, headers={"origin": "null"}),
        client.post("/v1/t", content=b"nope", headers={"origin": "null"}),
        client.post("/v9", headers={"origin": "null"}),
    ):
        assert answer.headers["access-control-allow-origin"] == "null"
        assert answer.headers["access-control-allow-credentials"] == "true"
        assert answer.headers["vary"] == "origin"
    assert "access-control-allow-origin" not in client.post("/v1/t", json=EVENT).headers


def test_a_client_that_leaves_midway_hurts_nobody(
    client: httpx.Client, collector: RunningCollector
) -> None:
    for _ in range(3):
        with socket.create_connection(("127.0.0.1", collector.port)) as connection:
            connection.sendall(b"POST /v1/t HTTP/1.1\r\nhost: x\r\ncontent-length: 100\r\n\r\n{")
    assert client.post("/v1/track", json=EVENT).status_code == 200


# The same callable without a server, where a state must be held still.


class HeldJournal:
    """A disk that takes as long as the test wants."""

    def __init__(self) -> None:
        self.gate = asyncio.Event()
        self.waiting = asyncio.Event()
        self.error: JournalUnavailable | None = None

    async def append(self, _lines: list[bytes], _fingerprints: list[int]) -> None:
        self.waiting.set()
        await self.gate.wait()
        if self.error:
            raise self.error


async def post(collector: Collector, path: str = "/v1/track") -> tuple[int, dict[str, Any]]:
    content = json.dumps(EVENT).encode()
    exchange = await ask(collector, "POST", f"{path}?writeKey=alice-key", content=content)
    return exchange.status, exchange.json


def make(journal: Any) -> Collector:
    collector = Collector(journal, config.Collector())
    key = WriteKey("alice-key", "web", "analytics", datetime.now(UTC), None)
    collector.keys = {"alice-key": key}
    return collector


def test_before_its_keys_are_loaded_the_answer_is_503_never_401() -> None:
    async def run() -> None:
        collector = make(HeldJournal())
        collector.keys = None
        status, body = await post(collector)
        assert (status, body["success"]) == (503, False)
        assert "starting" in body["error"]

    asyncio.run(run())


def test_a_full_disk_is_503() -> None:
    async def run() -> None:
        journal = HeldJournal()
        journal.error = JournalUnavailable("The journal cannot be written: No space left.")
        journal.gate.set()
        status, body = await post(make(journal))
        assert (status, body["error"]) == (503, "The journal cannot be written: No space left.")

    asyncio.run(run())


def test_draining_refuses_what_is_new_and_finishes_what_is_not() -> None:
    async def run() -> None:
        journal = HeldJournal()
        collector = make(journal)
        before = asyncio.create_task(post(collector))
        await journal.waiting.wait()
        draining = asyncio.create_task(collector.drain())
        await asyncio.sleep(0)
        assert (await post(collector))[0] == 503
        assert not draining.done()
        journal.gate.set()
        assert (await before)[0] == 200
        await asyncio.wait_for(draining, 5)

    asyncio.run(run())


def test_a_revoked_key_stops_at_the_next_load_of_keys() -> None:
    async def run() -> None:
        journal = HeldJournal()
        journal.gate.set()
        collector = make(journal)
        assert (await post(collector))[0] == 200
        collector.keys = {}
        assert (await post(collector))[0] == 401

    asyncio.run(run())


def test_a_stopped_collector_ends_in_peace(tmp_path_factory: pytest.TempPathFactory) -> None:
    running = start_collector(tmp_path_factory.mktemp("stopped"))
    try:
        httpx.post(f"{running.url}/v1/track", json=EVENT, auth=AUTH).raise_for_status()
        running.process.send_signal(signal.SIGTERM)
        assert running.process.wait(10) == 0
        assert len(stored(running)) == 1
    finally:
        if running.process.poll() is None:
            running.kill()
