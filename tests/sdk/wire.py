"""Requests as libraries write them that cannot be had here as packages: their bytes, no code.

What each does on the wire was read in its source; a library that changes needs a change here too.
"""

from __future__ import annotations

import base64
import gzip
import json
import socket
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from tests.sdk.clients.send import CALLS

TRACKS = 5
PATIENCE_S = 10
CHUNK_BYTES = 1000


@dataclass(frozen=True)
class Wire:
    """How a library writes a batch; `library` is what it says of itself in the context."""

    slug: str
    library: str
    write: Callable[[list[dict[str, Any]], str], bytes]
    # `time` writes a time as the library does.
    time: Callable[[datetime], str]


def millis(at: datetime) -> str:
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def nanos(at: datetime) -> str:
    return at.isoformat(timespec="microseconds").replace("+00:00", "417Z")


def events(wire: Wire) -> list[dict[str, Any]]:
    """All six calls and some tracks, as `wire` puts them into its batch."""
    calls = json.loads(CALLS.read_text())
    for n in range(TRACKS):
        calls.append(
            {"type": "track", "userId": "alice", "event": "Counted", "properties": {"n": n}}
        )
    now = datetime.now(UTC) - timedelta(seconds=1)
    own = {"library": {"name": wire.library, "version": "1"}}
    for call in calls:
        call |= {"messageId": str(uuid.uuid4()), "timestamp": wire.time(now)}
        if wire.slug not in ("go", "java"):
            call["context"] = own
    return calls  # type: ignore[no-any-return]  # JSON of our own


def now() -> str:
    return millis(datetime.now(UTC))


def body(batch: list[dict[str, Any]], **around: Any) -> bytes:
    return json.dumps({"batch": batch} | around, separators=(",", ":")).encode()


def basic(key: str) -> str:
    return "Authorization: Basic " + base64.b64encode(f"{key}:".encode()).decode()


def request(path: str, *fields: str, content: bytes) -> bytes:
    head = [f"POST {path} HTTP/1.1", "Host: turnout.example", *fields]
    return "\r\n".join([*head, f"Content-Length: {len(content)}", "", ""]).encode() + content


def chunked(path: str, *fields: str, content: bytes) -> bytes:
    head = [f"POST {path} HTTP/1.1", "Host: turnout.example", *fields]
    raw = "\r\n".join([*head, "Transfer-Encoding: chunked", "", ""]).encode()
    for start in range(0, len(content), CHUNK_BYTES):
        chunk = content[start : start + CHUNK_BYTES]
        raw += b"%x\r\n%b\r\n" % (len(chunk), chunk)
    return raw + b"0\r\n\r\n"


def ruby(batch: list[dict[str, Any]], key: str) -> bytes:
    return request(
        "/v1/import",
        "Content-Type: application/json",
        "Accept: application/json",
        "User-Agent: analytics-ruby/2.5.0",
        basic(key),
        content=json.dumps({"sentAt": now(), "batch": batch}).encode(),
    )


def java(batch: list[dict[str, Any]], key: str) -> bytes:
    context = {"library": {"name": "analytics-java", "version": "1"}}
    return request(
        "/v1/import/",
        "Content-Type: application/json; charset=UTF-8",
        "User-Agent: analytics-java/3.5.0",
        basic(key),
        content=body(batch, sentAt=now(), context=context, sequence=1, writeKey=key),
    )


def go(batch: list[dict[str, Any]], key: str) -> bytes:
    context = {"library": {"name": "analytics-go", "version": "1"}}
    envelope = {"messageId": str(uuid.uuid4()), "sentAt": nanos(datetime.now(UTC))}
    return request(
        "/v1/batch",
        "User-Agent: analytics-go (version: 3.0.0)",
        basic(key),
        "Content-Type: application/json",
        "Accept-Encoding: gzip",
        content=json.dumps({**envelope, "batch": batch, "context": context}).encode(),
    )


def php(batch: list[dict[str, Any]], key: str) -> bytes:
    return request(
        "/v1/batch",
        "Content-Type: application/json",
        basic(key),
        "Accept: application/json",
        "User-Agent: analytics-php/3.8.0",
        "Content-Encoding: gzip",
        content=gzip.compress(body(batch, sentAt=now())),
    )


def kotlin(batch: list[dict[str, Any]], key: str) -> bytes:
    return chunked(
        "/v1/b",
        "Content-Type: text/plain",
        "Content-Encoding: gzip",
        "User-Agent: analytics-kotlin/1.24.0",
        content=gzip.compress(body(batch, sentAt=now(), writeKey=key)),
    )


def swift(batch: list[dict[str, Any]], key: str) -> bytes:
    return request(
        "/v1/b",
        "Content-Type: application/json; charset=utf-8",
        "User-Agent: analytics-ios/1.8.0",
        "Accept-Encoding: gzip",
        content=body(batch, sentAt=now(), writeKey=key),
    )


def csharp(batch: list[dict[str, Any]], key: str) -> bytes:
    return request(
        "/v1/b",
        "Content-Encoding: gzip",
        content=gzip.compress(body(batch, sentAt=now(), writeKey=key)),
    )


WIRES = (
    Wire("ruby", "analytics-ruby", ruby, millis),
    Wire("java", "analytics-java", java, millis),
    Wire("go", "analytics-go", go, nanos),
    Wire("php", "analytics-php", php, millis),
    Wire("kotlin", "analytics-kotlin", kotlin, millis),
    Wire("swift", "analytics-swift", swift, millis),
    Wire("csharp", "analytics-csharp", csharp, millis),
)


@dataclass(frozen=True)
class Answer:
    """Its header fields have names in lower case."""

    status: int
    fields: dict[str, str]
    content: bytes


def send(port: int, raw: bytes) -> Answer:
    with socket.create_connection(("127.0.0.1", port), PATIENCE_S) as connection:
        connection.sendall(raw)
        answer = b""
        while b"\r\n\r\n" not in answer:
            answer += connection.recv(4096)
        head, _, content = answer.partition(b"\r\n\r\n")
        first, *lines = head.decode("latin-1").split("\r\n")
        fields = {name.lower(): value for name, _, value in (x.partition(": ") for x in lines)}
        while len(content) < int(fields["content-length"]):
            content += connection.recv(4096)
    return Answer(int(first.split(" ")[1]), fields, content)
