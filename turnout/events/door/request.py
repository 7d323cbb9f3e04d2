"""One request as the door sees it: the few headers it reads, and the body under limits."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Sequence
from typing import Any, Protocol
from urllib.parse import parse_qsl

from turnout.errors import BodyTooLarge
from turnout.events.door import address
from turnout.events.door.address import Network
from turnout.events.door.packing import Unpacker

# A refused body is still read so far, or its sender would see a broken connection, no answer.
DRAIN_BYTES_MAX = 64 * 1024 * 1024
# More than all proxies on the way write down.
HOPS_CHARS_MAX = 1_000
# What programs call themselves is shorter; the whole of it goes into each event of a batch.
USER_AGENT_CHARS_MAX = 1_000
# As many as anyone needs in an image's address.
QUERY_FIELDS_MAX = 1_000


class Headers(Protocol):
    """A request's headers, by small letters."""

    def get(self, key: str, default: Any = None) -> Any: ...

    def items(self) -> list[tuple[str, str]]: ...


class Scope(Protocol):
    """What the server says of a request; see the RSGI specification."""

    headers: Headers
    method: str
    path: str
    query_string: str
    client: str
    scheme: str
    authority: str | None


class Exchange(Protocol):
    """The server's side of one request: its body, and where the answer goes."""

    def __call__(self) -> Awaitable[bytes]: ...

    def __aiter__(self) -> AsyncIterator[bytes]: ...

    def response_bytes(self, status: int, headers: list[tuple[str, str]], body: bytes) -> None: ...


class Gone(Exception):
    """The client closed the connection before its request was complete."""


class Request:
    """`header` looks up a header by its name in small letters; None when there is none.

    `origin` is the page's, if one sent it; `raw` the body, once it was read.
    """

    __slots__ = (
        "_exchange",
        "_is_read",
        "_pieces",
        "_taken_bytes",
        "_trusted",
        "header",
        "origin",
        "raw",
        "scope",
    )

    def __init__(self, scope: Scope, exchange: Exchange, trusted: Sequence[Network] = ()) -> None:
        """`trusted` are the proxies whose word about where a request came from is taken."""
        self.scope = scope
        self.header = scope.headers.get
        self.origin: str | None = self.header("origin")
        self.raw: bytes | None = None
        self._trusted = trusted
        self._exchange = exchange
        self._is_read = False
        self._pieces: AsyncIterator[bytes] | None = None
        self._taken_bytes = 0

    def reading(self, bytes_max: int) -> Awaitable[bytes]:
        """What waits for all of the body and unpacks it, once.

        Raises `BodyTooLarge` without keeping it; waiting raises it too, and `BadRequest`, `Gone`.
        """
        encoding = self.header("content-encoding")
        length = self.header("content-length")
        announced = int(length) if length is not None else -1
        if announced > bytes_max:
            raise BodyTooLarge(_too_large(bytes_max))
        if announced >= 0 and encoding is None:
            self._is_read = True  # the common case: plain, and of a known size
            return self._exchange()
        return self._unpacked(encoding or "", bytes_max, announced)

    async def discard(self) -> None:
        """Read on to the end, or as far as is decent, keeping nothing."""
        if int(self.header("content-length") or 0) > DRAIN_BYTES_MAX:
            return
        while not self._is_read and self._taken_bytes <= DRAIN_BYTES_MAX:
            await self._piece()

    def ip(self) -> str:
        """The address of whoever sent it; '' when it cannot be known."""
        hops = self._every("x-forwarded-for") if self._trusted else ""
        if len(hops) > HOPS_CHARS_MAX:
            hops = hops[-HOPS_CHARS_MAX:].partition(",")[2]
        return address.of_sender(self.scope.client, hops, self._trusted)

    def user_agent(self) -> str:
        """What the sender's program calls itself."""
        return (self.header("user-agent") or "")[:USER_AGENT_CHARS_MAX]

    def scheme(self) -> str:
        """How the sender reached us: by http or https."""
        if self._trusted and address.is_trusted(self.scope.client, self._trusted):
            said = (self.header("x-forwarded-proto") or "").strip().lower()
            if said in ("http", "https"):
                return str(said)
        return self.scope.scheme

    def host(self) -> str | None:
        """The name the sender reached us by."""
        return self.scope.authority or self.header("host")

    def query(self) -> dict[str, str]:
        """The fields behind the question mark; of repeated ones the last."""
        try:
            return dict(
                parse_qsl(
                    self.scope.query_string,
                    keep_blank_values=True,
                    max_num_fields=QUERY_FIELDS_MAX,
                )
            )
        except ValueError:  # too many
            return {}

    def _every(self, name: str) -> str:
        """All headers of one name, as one."""
        return ",".join(value for each, value in self.scope.headers.items() if each == name)

    async def _unpacked(self, encoding: str, bytes_max: int, announced: int) -> bytes:
        unpacker = Unpacker(encoding, bytes_max)
        packed = bytearray()
        while not self._is_read:
            packed += await self._piece()
            if len(packed) > bytes_max:
                raise BodyTooLarge(_too_large(bytes_max))
        if 0 <= announced != self._taken_bytes:
            raise Gone
        # Only now: who sends a few bytes and then waits would have us keep megabytes for each.
        try:
            unpacker.add(bytes(packed))
        except BodyTooLarge:
            raise BodyTooLarge(_too_large(bytes_max)) from None
        return unpacker.body()

    async def _piece(self) -> bytes:
        """The next piece of the body; after the last one an empty one."""
        if self._pieces is None:
            self._pieces = aiter(self._exchange)
        try:
            piece = await anext(self._pieces)
        except StopAsyncIteration:
            self._is_read = True
            return b""
        self._taken_bytes += len(piece)
        return piece


def _too_large(bytes_max: int) -> str:
    return f"The request is larger than {bytes_max} bytes."
