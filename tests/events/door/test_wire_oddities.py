"""Over real connections: what only a server can get wrong."""

from __future__ import annotations

import asyncio
import gzip
import json
import shutil
import socket
import subprocess
from collections.abc import Callable, Iterator
from typing import Any

import brotli
import httpx
import pytest

from tests.events.house import RunningCollector
from turnout.events.journal.journal import pending

AUTH = httpx.BasicAuth("alice-key", "")
EVENT = {"type": "track", "event": "Signed Up", "userId": "alice"}


@pytest.fixture(scope="module")
def client(collector: RunningCollector) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=collector.url, auth=AUTH) as client:
        yield client


def ids(collector: RunningCollector) -> list[str]:
    found = pending(collector.journal_folder, {}, bytes_max=2**30)
    return [json.loads(line)["id"] for line in b"".join(found.blocks).splitlines()]


def raw(collector: RunningCollector, request: bytes) -> bytes:
    """What comes back for these bytes."""
    with socket.create_connection(("127.0.0.1", collector.port), timeout=5) as connection:
        connection.sendall(request)
        answer = b""
        while piece := connection.recv(65_536):
            answer += piece
        return answer


@pytest.mark.parametrize(
    ("encoding", "pack"), [("gzip", gzip.compress), ("br", brotli.compress), (None, bytes)]
)
def test_bodies_come_in_chunks_without_a_length(
    client: httpx.Client,
    collector: RunningCollector,
    encoding: str | None,
    pack: Callable[[bytes], bytes],
) -> None:
    id_ = f"chunked {encoding}"
    packed = pack(json.dumps({"batch": [{**EVENT, "messageId": id_}]}).encode())
    pieces = (packed[start : start + 7] for start in range(0, len(packed), 7))
    headers = {"content-encoding": encoding} if encoding else {}
    answer = client.post("/x/v1/b/", content=pieces, headers=headers)
    assert (answer.status_code, answer.json()["accepted"]) == (200, 1)
    assert id_ in ids(collector)


def test_a_packed_bomb_is_413_and_the_connection_lives_on(client: httpx.Client) -> None:
    bomb = gzip.compress(b" " * 50_000_000)
    headers = {"content-encoding": "gzip"}
    assert client.post("/v1/batch", content=bomb, headers=headers).status_code == 413
    assert client.post("/v1/track", json=EVENT).status_code == 200


def test_a_body_in_chunks_that_never_ends_is_413(client: httpx.Client) -> None:
    pieces = (b" " * 100_000 for _ in range(30))
    assert client.post("/v1/batch", content=pieces).status_code == 413


def test_stacked_encodings_are_refused_in_a_sentence(client: httpx.Client) -> None:
    answer = client.post("/v1/t", json=EVENT, headers={"content-encoding": "gzip, br"})
    assert (answer.status_code, "gzip, deflate, br, zstd" in answer.json()["error"]) == (400, True)


@pytest.mark.parametrize(
    "content_type", [None, "", "text/plain", "application/json; charset=utf-8", "image/png", "é"]
)
def test_any_content_type_is_json(client: httpx.Client, content_type: str | None) -> None:
    headers: Any = {"content-type": content_type.encode()} if content_type is not None else {}
    assert client.post("/v1/t", content=json.dumps(EVENT), headers=headers).status_code == 200


def test_headers_of_any_bytes_do_no_harm(collector: RunningCollector) -> None:
    body = json.dumps({**EVENT, "writeKey": "alice-key"}).encode()
    for name in (b"user-agent", b"authorization", b"origin", b"x-retry-count", b"content-type"):
        answer = raw(
            collector,
            b"POST /v1/t HTTP/1.1\r\nhost: x\r\n%b: \xff\xc3\xa9\r\nconnection: close\r\n"
            b"content-length: %d\r\n\r\n%b" % (name, len(body), body),
        )
        assert answer.startswith(b"HTTP/1.1 200"), name


def test_a_sender_that_expects_100_continue_gets_it(collector: RunningCollector) -> None:
    body = json.dumps({**EVENT, "writeKey": "alice-key"}).encode()
    with socket.create_connection(("127.0.0.1", collector.port), timeout=5) as connection:
        connection.sendall(
            b"POST /v1/t HTTP/1.1\r\nhost: x\r\nexpect: 100-continue\r\n"
            b"content-length: %d\r\n\r\n" % len(body)
        )
        assert connection.recv(1_000).startswith(b"HTTP/1.1 100")
        connection.sendall(body)
        assert connection.recv(1_000).startswith(b"HTTP/1.1 200")


@pytest.mark.skipif(not shutil.which("curl"), reason="curl speaks HTTP/2 here")
def test_http_2_is_spoken(collector: RunningCollector) -> None:
    command = ["curl", "-s", "--http2-prior-knowledge", "-w", " %{http_version}"]
    data = json.dumps({**EVENT, "writeKey": "alice-key"})
    said = subprocess.run(
        [*command, "-d", data, f"{collector.url}/v1/t"], capture_output=True, text=True, check=True
    )
    assert said.stdout == '{"success":true} 2'


def test_what_pythons_encoder_writes_is_taken(
    client: httpx.Client, collector: RunningCollector
) -> None:
    body = (
        b'\xef\xbb\xbf{"type":"track","event":"e\\u0000\\ud800","userId":"a","messageId":"odd",'
        b'"properties":{"n":NaN,"i":-Infinity,"big":1208925819614629174706176,"f":1.0}}'
    )
    assert client.post("/v1/t", content=body).status_code == 200
    found = pending(collector.journal_folder, {}, bytes_max=2**30)
    [line] = [each for each in b"".join(found.blocks).splitlines() if b'"odd"' in each]
    assert b'"n":null,"i":null,"big":1208925819614629174706176,"f":1.0' in line
    assert json.loads(line)["event"]["event"] == "e\ufffd\ufffd"


def test_a_connection_cut_in_the_middle_leaves_nothing(
    client: httpx.Client, collector: RunningCollector
) -> None:
    before = ids(collector)
    body = json.dumps({**EVENT, "writeKey": "alice-key"}).encode()

    async def cut() -> None:
        for head in (b"content-length: 5000", b"content-length: 5000\r\ncontent-encoding: gzip"):
            _, writer = await asyncio.open_connection("127.0.0.1", collector.port)
            writer.write(b"POST /v1/t HTTP/1.1\r\nhost: x\r\n%b\r\n\r\n%b" % (head, body))
            await writer.drain()
            writer.close()

    asyncio.run(cut())
    assert client.post("/v1/t", json={**EVENT, "messageId": "after the cut"}).status_code == 200
    assert ids(collector) == [*before, "after the cut"]
