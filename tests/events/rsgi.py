"""A request as the server hands it to the collector, where a state must be held still."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

from turnout.events.door.collector import Collector


class Headers(dict[str, str]):
    """By small letters."""


@dataclass
class Exchange:
    """Hands out a body and takes the answer; `pieces` says how often it was read from."""

    content: bytes = b""
    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    pieces: int = 0

    async def __call__(self) -> bytes:
        self.pieces += 1
        return self.content

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for start in range(0, len(self.content), 1_000):
            self.pieces += 1
            yield self.content[start : start + 1_000]

    def response_bytes(self, status: int, headers: list[tuple[str, str]], body: bytes) -> None:
        assert not self.status, "answered twice"
        self.status, self.headers, self.body = status, dict(headers), body

    @property
    def json(self) -> Any:
        return json.loads(self.body)


async def ask(
    collector: Collector,
    method: str,
    path: str,
    *,
    content: bytes = b"",
    headers: Mapping[str, str] | None = None,
    client: str = "127.0.0.1:50000",
) -> Exchange:
    """The collector's answer to one request."""
    path, _, query = path.partition("?")
    given = {"content-length": str(len(content)), **(headers or {})}
    scope = SimpleNamespace(
        headers=Headers({name: value for name, value in given.items() if value is not None}),
        method=method,
        path=path,
        query_string=query,
        client=client,
        scheme="http",
        authority=None,
    )
    exchange = Exchange(content)
    await collector.__rsgi__(scope, exchange)
    return exchange
