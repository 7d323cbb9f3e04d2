"""What anybody can send costs no more than what was sent, and takes nothing from others."""

from __future__ import annotations

import asyncio
import base64
import gzip
import json
import tracemalloc
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

import pytest

from tests.events.door.conftest import Door
from tests.events.rsgi import Exchange, Headers, ask
from turnout.events.door import address, patience, route
from turnout.events.door.patience import Late, Patience
from turnout.events.door.request import Request

LONG = 100_000
EVENT = {"type": "track", "event": "Signed In", "userId": "alice"}


@contextmanager
def kept_bytes_at_most(bytes_max: int) -> Iterator[None]:
    """What is done inside leaves no more than that in memory."""
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        yield
        after, _ = tracemalloc.get_traced_memory()
        assert after - before < bytes_max
    finally:
        tracemalloc.stop()


def basic(number: int) -> str:
    return "Basic " + base64.b64encode(b"alice-key:%0*d" % (LONG, number)).decode()


def ask_with_long_headers(door: Door, number: int) -> None:
    door.post("/v1/track", EVENT, authorization=basic(number))
    door.lines()


def ask_at_long_paths(_door: Door, number: int) -> None:
    assert route.find(f"/{number:0{LONG}}/v1/batch").takes_events


def bring_long_addresses(_door: Door, number: int) -> None:
    assert address.kept(f"{number:0{LONG}}", address.TRUNCATE) is None


def bring_long_keys(door: Door, number: int) -> None:
    door.collector.strangers.refuse(f"{number:0{LONG}}")


@pytest.mark.parametrize(
    "send", [ask_with_long_headers, ask_at_long_paths, bring_long_addresses, bring_long_keys]
)
def test_nothing_long_is_remembered(door: Door, send: Callable[[Door, int], None]) -> None:
    send(door, 0)
    with kept_bytes_at_most(20 * LONG):
        for number in range(1, 100):
            send(door, number)


def test_a_key_too_long_to_be_ours_is_refused_at_once(door: Door) -> None:
    async def scene() -> Exchange:
        door.collector.strangers.take()
        body = json.dumps({**EVENT, "writeKey": "k" * LONG}).encode()
        return await asyncio.wait_for(ask(door.collector, "POST", "/v1/track", content=body), 1)

    assert asyncio.run(scene()).status == 401


class Waiting(Exchange):
    """Sends a body and never says that it was all."""

    async def __aiter__(self) -> AsyncIterator[bytes]:
        yield self.content
        await asyncio.sleep(3600)


def scope(**headers: str) -> Any:
    return SimpleNamespace(
        headers=Headers({name.replace("_", "-"): value for name, value in headers.items()}),
        method="POST",
        path="/v1/track",
        query_string="",
        client="127.0.0.1:50000",
        scheme="http",
        authority=None,
    )


def test_a_packed_body_takes_little_room_until_all_of_it_is_there() -> None:
    packed = gzip.compress(b" " * 4_000_000)[:-8]

    async def scene() -> None:
        reading = asyncio.ensure_future(
            Request(scope(content_encoding="gzip"), Waiting(packed)).reading(4_194_304)
        )
        for _ in range(10):
            await asyncio.sleep(0)
        assert not reading.done()
        reading.cancel()

    with kept_bytes_at_most(2**30):
        asyncio.run(scene())
        _, peak = tracemalloc.get_traced_memory()
    assert peak < 2_000_000


def test_a_body_that_does_not_come_is_asked_for_again_on_another_connection(
    door: Door, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(patience, "LOOK_EVERY_S", 0.01)
    monkeypatch.setattr(door.collector, "_patience", Patience(0.01))
    exchange = Waiting(b"{")
    asyncio.run(door.collector.__rsgi__(scope(authorization=basic(1)), exchange))
    assert exchange.status == 503
    assert exchange.headers["connection"] == "close"
    assert exchange.headers["retry-after"] == "1"


def test_only_those_who_are_late_are_sent_away(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(patience, "LOOK_EVERY_S", 0.01)

    async def scene() -> tuple[object, object]:
        waiting = Patience(0.05)
        late = asyncio.create_task(waiting.wait(asyncio.sleep(3600)))
        await asyncio.wait({late}, timeout=0.04)
        soon = asyncio.create_task(waiting.wait(asyncio.sleep(0.02, "here")))
        return tuple(await asyncio.gather(late, soon, return_exceptions=True))  # type: ignore[return-value]

    late, soon = asyncio.run(scene())
    assert isinstance(late, Late)
    assert soon == "here"


@pytest.mark.parametrize("path", ["/v1/track", "/v1/batch"])
@pytest.mark.parametrize(
    "body", [b'{"a":' + b"[" * 5_000, b'{"a":' + b'{"a":[' * 5_000, b"[" * 5_000 + b"NaN"]
)
def test_brackets_without_end_are_a_bad_request(door: Door, path: str, body: bytes) -> None:
    assert door.post(path, body, authorization=basic(1)).status == 400
    data = base64.urlsafe_b64encode(body).decode()
    answer = door.ask("GET", f"/v1/pixel/track?writeKey=alice-key&data={data}")
    assert (answer.status, answer.headers["content-type"]) == (200, "image/gif")


def test_what_a_batch_says_for_all_its_events_stays_in_proportion(door: Door) -> None:
    context = {"context": {"note": "x" * LONG}}
    many = door.post("/v1/batch", {"batch": [EVENT] * 1_000, **context}, authorization=basic(1))
    assert (many.status, door.lines()) == (413, [])
    few = door.post("/v1/batch", {"batch": [EVENT] * 3, **context}, authorization=basic(1))
    assert few.json["accepted"] == 3
    assert {len(line["event"]["context"]["note"]) for line in door.lines()} == {LONG}


def test_what_is_no_time_and_no_name_of_a_program_is_not_repeated(door: Door) -> None:
    door.open(kind="browser")
    body = {"batch": [EVENT] * 2, "sentAt": "9" * LONG}
    door.post("/v1/batch", body, authorization=basic(1), user_agent="A" * LONG)
    assert all(len(json.dumps(line)) < 3_000 for line in door.lines())


def test_an_id_beyond_all_numbers_is_as_good_as_absent(door: Door) -> None:
    answer = door.post("/v1/track", b'{"event":"a","userId":1e999}', authorization=basic(1))
    assert (answer.status, door.line()["reason"]) == (200, "no_user_anon_id")
    batch = b'{"batch":[{"type":"track","event":"a","anonymousId":"x","messageId":-1e999}]}'
    assert door.post("/v1/batch", batch, authorization=basic(1)).json["accepted"] == 1
