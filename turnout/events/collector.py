"""The door for events: a bare ASGI callable, the one route where every microsecond counts.

It reads a body under limits, finds the write key, judges each event and answers once the journal
has synced them. It imports no warehouse: it accepts while everything else is down.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Any, TypeAlias
from urllib.parse import parse_qs

from turnout.errors import BodyTooLarge, JournalUnavailable, TurnoutError, UnknownKey
from turnout.events import answer, message
from turnout.events.answer import Answer
from turnout.events.line import Arrival, Clock, Sender
from turnout.events.message import Judged, Limits
from turnout.events.wire import Unpacker

if TYPE_CHECKING:
    from turnout import config
    from turnout.access.keys import WriteKey
    from turnout.events.journal import Journal

Scope: TypeAlias = Mapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Mapping[str, Any]]]
Send: TypeAlias = Callable[[Mapping[str, Any]], Awaitable[None]]

BATCH = "batch"
HEALTH = "health"
# Every path the door knows, without a trailing slash; on single routes the path is the type.
ROUTES = {
    "/v1/batch": BATCH,
    "/v1/import": BATCH,
    "/v1/b": BATCH,
    **{f"/v1/{type_}": type_ for type_ in message.TYPES},
    **{f"/v1/{type_[0]}": type_ for type_ in message.TYPES},
    "/healthz": HEALTH,
}
# A refused body is still read so far, or its sender would see a broken connection, no answer.
DRAIN_BYTES_MAX = 64 * 1024 * 1024
# Authorization headers whose key is remembered; strangers may send any number of them.
REMEMBERED_MAX = 10_000

# In strict mode the first problems are told; a batch has no end of them.
PROBLEMS_SAID_MAX = 100

NOT_HERE = answer.refusal(404, "There is nothing at this address.")
POST_ONLY = answer.refusal(405, "Send events with POST.", (b"allow", b"POST, OPTIONS"))
GET_ONLY = answer.refusal(405, "Ask with GET.", (b"allow", b"GET, OPTIONS"))


class Gone(Exception):
    """The client closed the connection before its request was complete."""


class Collector:
    """Accepts events over HTTP. `keys` is set from outside, again whenever they change."""

    def __init__(self, journal: Journal, settings: config.Collector) -> None:
        self._journal = journal
        self._body_bytes_max = settings.body_bytes_max
        self._limits = Limits(settings.event_bytes_max, settings.batch_events_max)
        self._keys: dict[str, WriteKey] | None = None
        self._senders: dict[str, Sender] = {}
        self._remembered: dict[bytes, Sender] = {}
        self._clock = Clock()
        self._stopping = False
        self._in_flight = 0
        self._idle = asyncio.Event()

    @property
    def keys(self) -> dict[str, WriteKey] | None:
        """The active write keys by key; None while not loaded, when every request gets 503."""
        return self._keys

    @keys.setter
    def keys(self, keys: dict[str, WriteKey] | None) -> None:
        self._keys = keys
        self._remembered.clear()
        self._senders = {
            key.key: Sender(key.key, key.source, key.schema) for key in (keys or {}).values()
        }

    async def drain(self) -> None:
        """From now on answer 503; return when all that came before is answered."""
        self._stopping = True
        self._note_idle()
        await self._idle.wait()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request. Events are answered only after the journal has them."""
        head = Head(scope)
        self._in_flight += 1
        try:
            reply = await self._answer(scope, head, receive)
            if head.origin is not None:
                reply = reply.for_origin(head.origin)
            await send(reply.start)
            await send(reply.body)
        except Gone:
            pass
        finally:
            self._in_flight -= 1
            self._note_idle()

    async def _answer(self, scope: Scope, head: Head, receive: Receive) -> Answer:
        body = Body(head, receive, self._body_bytes_max)
        route = ROUTES.get(scope["path"]) or ROUTES.get(scope["path"].rstrip("/"))
        method = scope["method"]
        if method == "POST" and route is not None and route is not HEALTH:
            try:
                return await self._take(route, head, body)
            except TurnoutError as error:
                await body.discard()
                return answer.for_error(error)
        if method == "OPTIONS":
            return answer.preflight(head.wanted_headers)
        await body.discard()
        return self._elsewhere(route, method)

    def _elsewhere(self, route: str | None, method: str) -> Answer:
        """The answer to whatever brings no events."""
        if route is None:
            return NOT_HERE
        if route is not HEALTH:
            return POST_ONLY
        if method not in ("GET", "HEAD"):
            return GET_ONLY
        if self._keys is None or self._stopping:
            return answer.for_error(self._not_ready())
        return answer.HEALTHY

    async def _take(self, route: str, head: Head, body: Body) -> Answer:
        """Events into the journal; raises what `answer.for_error` turns into a status."""
        if self._keys is None or self._stopping:
            raise self._not_ready()
        # A stranger's body is not worth reading.
        named = self._sender_named(head)
        raw = await body.read()
        if route is BATCH:
            batch = message.parse_batch(raw)
            arrival = Arrival(
                named or self._sender_inside(head, batch.write_key), *self._clock.now()
            )
            judged = message.judge_batch(batch, arrival, self._limits)
        else:
            raw, event = message.parse_single(raw)
            arrival = Arrival(
                named or self._sender_inside(head, event.write_key), *self._clock.now()
            )
            judged = message.judge_single(raw, event, route, arrival, self._limits)
        if judged.lines:
            await self._journal.append(judged.lines)
        return _outcome(route, head, judged)

    def _not_ready(self) -> JournalUnavailable:
        state = "stopping" if self._stopping else "starting"
        return JournalUnavailable(f"Turnout is {state}; send the events again in a moment.")

    def _sender_named(self, head: Head) -> Sender | None:
        """Whose key the header brings, the first place that decides; None when it brings none."""
        known = self._remembered.get(head.authorization)
        if known is not None:
            return known
        given = _basic_user(head.authorization)
        if not given:
            return None
        sender = self._sender_of(given)
        if len(self._remembered) < REMEMBERED_MAX:
            self._remembered[head.authorization] = sender
        return sender

    def _sender_inside(self, head: Head, in_body: Any) -> Sender:
        """Whose key the body brings, or else the query."""
        return self._sender_of((in_body if isinstance(in_body, str) else "") or head.query_key())

    def _sender_of(self, key: str) -> Sender:
        sender = self._senders.get(key)
        if sender is None:
            raise UnknownKey(
                "This write key is not known here."
                if key
                else "A write key is missing: send it as the user name of Basic authentication."
            )
        return sender

    def _note_idle(self) -> None:
        if self._stopping and self._in_flight == 0:
            self._idle.set()


class Head:
    """The few headers the door reads."""

    __slots__ = (
        "authorization",
        "encoding",
        "is_strict",
        "length",
        "origin",
        "query",
        "wanted_headers",
    )

    def __init__(self, scope: Scope) -> None:
        self.authorization = self.encoding = self.wanted_headers = b""
        self.origin: bytes | None = None
        self.length = 0
        self.is_strict = False
        self.query: bytes = scope["query_string"]
        for name, value in scope["headers"]:
            if name == b"authorization":
                self.authorization = value
            elif name == b"content-length":
                self.length = int(value)
            elif name == b"origin":
                self.origin = value
            elif name == b"content-encoding":
                self.encoding = value.strip().lower()
            elif name == b"x-strict-mode":
                self.is_strict = value == b"1"
            elif name == b"access-control-request-headers":
                self.wanted_headers = value

    def query_key(self) -> str:
        """`?writeKey=`, the last resort of beacons."""
        found = parse_qs(self.query.decode("latin-1")).get("writeKey", [""])
        return found[0]


class Body:
    """A request's body, read once and never beyond its limits."""

    __slots__ = ("_bytes_max", "_head", "_is_read", "_receive", "_taken_bytes")

    def __init__(self, head: Head, receive: Receive, bytes_max: int) -> None:
        self._head = head
        self._receive = receive
        self._bytes_max = bytes_max
        self._is_read = False
        self._taken_bytes = 0

    async def read(self) -> bytes:
        """All of it, unpacked. Raises `BodyTooLarge` without keeping it, `BadRequest`, `Gone`."""
        if self._head.length > self._bytes_max:
            raise BodyTooLarge(self._too_large())
        first = await self._piece()
        if self._is_read and not self._head.encoding and len(first) <= self._bytes_max:
            return first  # the common case: plain, in one piece
        unpacker = Unpacker(self._head.encoding, self._bytes_max)
        try:
            unpacker.add(first)
            while not self._is_read:
                unpacker.add(await self._piece())
        except BodyTooLarge:
            raise BodyTooLarge(self._too_large()) from None
        return unpacker.body()

    async def discard(self) -> None:
        """Read on to the end, or as far as is decent, keeping nothing."""
        if self._head.length > DRAIN_BYTES_MAX:
            return
        while not self._is_read and self._taken_bytes <= DRAIN_BYTES_MAX:
            await self._piece()

    async def _piece(self) -> bytes:
        part = await self._receive()
        if part["type"] == "http.disconnect":
            raise Gone
        self._is_read = not part.get("more_body", False)
        piece: bytes = part.get("body", b"")
        self._taken_bytes += len(piece)
        return piece

    def _too_large(self) -> str:
        return f"The request is larger than {self._bytes_max} bytes."


def _outcome(route: str, head: Head, judged: Judged) -> Answer:
    if judged.refused and head.is_strict:
        problems = [
            {"index": index, "messageId": id_, "reason": reason}
            for index, id_, reason in judged.refused[:PROBLEMS_SAID_MAX]
        ]
        return answer.strict_refusal(problems)
    if route is not BATCH:
        return answer.SUCCESS
    rejected = len(judged.refused)
    return answer.batch_taken(len(judged.lines) - rejected, rejected)


def _basic_user(authorization: bytes) -> str:
    """The user name in `Basic …`, also without its colon; '' when there is none."""
    scheme, _, packed = authorization.partition(b" ")
    if scheme.lower() != b"basic":
        return ""
    try:
        return base64.b64decode(packed.strip()).decode().partition(":")[0].strip()
    except (binascii.Error, UnicodeDecodeError):
        return ""
