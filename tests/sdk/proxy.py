"""A hostile network: an HTTP proxy that harms the requests that carry events, after a plan.

It forwards bytes as they came and keeps the count of what the server has acknowledged, which is
more than what the client knows of.
"""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import json
import threading
from collections.abc import Coroutine, Iterable
from dataclasses import dataclass
from ssl import SSLContext
from types import TracebackType
from typing import Any, Self

from tests.sdk.mishap import Mishap

DELAY_S = 0.3
# How long a request that is to be overtaken waits for one to pass.
OVERTAKEN_S = 0.3
# Longer than any answer, shorter than a client's patience.
PATIENCE_S = 10
REFUSALS = {
    Mishap.REFUSED: ("503 Service Unavailable",),
    Mishap.REFUSED_FOR_A_SECOND: ("503 Service Unavailable", "1"),
    Mishap.LIMITED_FOR_A_SECOND: ("429 Too Many Requests", "1"),
}
# Bytes of the answer that reach the client before its connection is cut.
LEFT_OF_ANSWER = {Mishap.CUT_AFTER_COMMIT: 0, Mishap.CUT_IN_ANSWER: 20}


@dataclass(frozen=True)
class Message:
    """One request or answer: its head as it came, its header fields in lower case, its body."""

    head: bytes
    fields: dict[str, str]
    body: bytes

    @property
    def start(self) -> list[str]:
        return self.head.split(b"\r\n", 1)[0].decode("latin-1").split(" ", 2)

    @property
    def raw(self) -> bytes:
        return self.head + self.body


class Proxy:
    """Listens on a port of its own; use it as a context manager, then ask `settled` what it saw.

    The plan is for requests that carry events; others pass. With `secure` it speaks https to its
    clients, and says so to the server.
    """

    def __init__(
        self,
        upstream_port: int,
        plan: Iterable[Mishap] = (),
        *,
        secure: SSLContext | None = None,
    ) -> None:
        self.port = 0
        self.plan = list(plan)
        # Of each event the server acknowledged, its message id, as often as it did.
        self.acknowledged: list[str] = []
        # What the clients say about their own tries.
        self.retry_counts: list[int] = []
        self._upstream_port = upstream_port
        self._secure = secure
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)
        self._open: set[asyncio.StreamWriter] = set()
        self._later: set[asyncio.Task[None]] = set()
        self._passed = asyncio.Event()

    @property
    def url(self) -> str:
        return f"{'https' if self._secure else 'http'}://127.0.0.1:{self.port}"

    def __enter__(self) -> Self:
        self._thread.start()
        self._run(self._listen())
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._run(self._close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def settled(self) -> Self:
        """Once nothing is on its way to the server any more."""
        self._run(self._settle())
        return self

    def vanish(self) -> None:
        """Break and refuse every connection, as a machine without network finds it."""
        self._run(self._shut())

    def come_back(self) -> None:
        """Listen on the same port again."""
        self._run(self._listen())

    def _run(self, work: Coroutine[Any, Any, None]) -> None:
        asyncio.run_coroutine_threadsafe(work, self._loop).result(PATIENCE_S * 3)

    async def _listen(self) -> None:
        self._server = await asyncio.start_server(
            self._serve, "127.0.0.1", self.port, ssl=self._secure
        )
        self.port = self._server.sockets[0].getsockname()[1]

    async def _settle(self) -> None:
        await asyncio.gather(*self._later)

    async def _shut(self) -> None:
        self._server.close()
        for writer in self._open:
            writer.transport.abort()
        await asyncio.sleep(0)

    async def _close(self) -> None:
        await self._settle()
        await self._shut()
        others = asyncio.all_tasks() - {asyncio.current_task()}
        await asyncio.gather(*others, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection of a client, request by request."""
        self._open.add(writer)
        try:
            while request := await read(reader):
                answer = await self._treat(request)
                writer.write(answer)
                await writer.drain()
                if b"\r\n\r\n" not in answer:
                    break
        except (OSError, asyncio.IncompleteReadError):
            pass  # the client went away, as it may
        finally:
            self._open.discard(writer)
            writer.close()

    async def _treat(self, request: Message) -> bytes:
        """What the client gets; anything that is no whole answer ends its connection."""
        if request.start[0] != "POST":
            return (await self._forward(request)).raw
        self.retry_counts.append(int(request.fields.get("x-retry-count", "0")))
        mishap = self.plan.pop(0) if self.plan else Mishap.NONE
        answer = await self._harm(request, mishap)
        if mishap is not Mishap.OVERTAKEN:
            self._passed.set()
        return answer

    async def _harm(self, request: Message, mishap: Mishap) -> bytes:
        if mishap in REFUSALS:
            return refusal(request, *REFUSALS[mishap])
        if mishap is Mishap.CUT_BEFORE:
            return b""
        if mishap is Mishap.OVERTAKEN:
            await self._next()
        if mishap is Mishap.AGAIN_LATER:
            self._repeat_later(request)
        if mishap is Mishap.TWICE:
            await self._forward(request)
        copies = 2 if mishap is Mishap.TWICE_AT_ONCE else 1
        answers = await asyncio.gather(*(self._forward(request) for _ in range(copies)))
        if mishap is Mishap.DELAYED:
            await asyncio.sleep(DELAY_S)
        return answers[0].raw[: LEFT_OF_ANSWER.get(mishap)]

    def _repeat_later(self, request: Message) -> None:
        async def again() -> None:
            await self._next()
            await self._forward(request)

        task = asyncio.create_task(again())
        self._later.add(task)
        task.add_done_callback(self._later.discard)

    async def _next(self) -> None:
        """Until another request has passed, or none comes."""
        self._passed.clear()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(OVERTAKEN_S):
                await self._passed.wait()

    async def _forward(self, request: Message) -> Message:
        """Over a connection of its own, so that one request's fate is not another's."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self._upstream_port)
        try:
            writer.write(request.raw if self._secure is None else from_https(request))
            async with asyncio.timeout(PATIENCE_S):
                answer = await read(reader)
        finally:
            writer.close()
        assert answer is not None, "the server closed without an answer"
        if request.start[0] == "POST" and answer.start[1] == "200":
            self.acknowledged += message_ids(request)
        return answer


async def read(reader: asyncio.StreamReader) -> Message | None:
    """The next request or answer, none of which is chunked; None at the connection's end."""
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError:
        return None
    lines = (line.partition(":") for line in head.decode("latin-1").split("\r\n")[1:])
    fields = {name.lower(): value.strip() for name, _, value in lines}
    assert "transfer-encoding" not in fields
    body = await reader.readexactly(int(fields.get("content-length", "0")))
    return Message(head, fields, body)


def from_https(request: Message) -> bytes:
    """With the header that says so, as proxies in front of a server add it."""
    return request.head[:-2] + b"X-Forwarded-Proto: https\r\n\r\n" + request.body


def refusal(request: Message, status: str, retry_after: str = "") -> bytes:
    """An answer as a proxy in between gives it; readable across origins."""
    lines = [f"HTTP/1.1 {status}", "content-length: 0"]
    if retry_after:
        lines.append(f"retry-after: {retry_after}")
    if "origin" in request.fields:
        lines.append(f"access-control-allow-origin: {request.fields['origin']}")
        lines.append("access-control-allow-credentials: true")
        lines.append("access-control-expose-headers: retry-after")
    return "\r\n".join([*lines, "", ""]).encode()


def message_ids(request: Message) -> list[str]:
    """The ids of the events in a request."""
    body = request.body
    if request.fields.get("content-encoding") == "gzip":
        body = gzip.decompress(body)
    sent = json.loads(body)
    if "series" in sent:
        return []
    return [event["messageId"] for event in sent.get("batch", [sent])]
