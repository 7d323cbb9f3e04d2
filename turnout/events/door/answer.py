"""What the collector says back, ready to send: few fixed answers, small JSON for errors, CORS.

The shapes are those that every Segment library understands; see `docs/events.md` for the contract.
"""

from __future__ import annotations

import base64
from typing import Any

import msgspec

from turnout.errors import (
    BadRequest,
    BodyTooLarge,
    JournalUnavailable,
    NotAllowed,
    NotFound,
    OriginRefused,
    RateExceeded,
    TurnoutError,
    UnknownKey,
)

Header = tuple[str, str]
OK = 200
UNAVAILABLE = 503
TOO_MANY = 429
# All SDKs stop listening to longer ones.
RETRY_AFTER_S_MAX = 300

# Errors → status codes, the nearest family first. Never a redirect: clients lose the body.
STATUSES: tuple[tuple[type[TurnoutError], int], ...] = (
    (BodyTooLarge, 413),
    (BadRequest, 400),
    (UnknownKey, 401),
    (NotAllowed, 403),
    (NotFound, 404),
    (RateExceeded, TOO_MANY),
    (JournalUnavailable, UNAVAILABLE),
)
JSON = ("content-type", "application/json")
# What a browser must be allowed to send for first tries and retries alike.
ALLOWED_HEADERS = "authorization, content-type, x-retry-count"
# An answer for anyone's page, with nothing in it that is anyone's own.
FOR_ANY_PAGE = ("access-control-allow-origin", "*")
FOREVER = ("cache-control", "public, max-age=31536000, immutable")
# Who keeps an answer must not give one page that of another; also where no page asked.
BY_ORIGIN = ("vary", "origin")
FIVE_MINUTES = ("cache-control", "public, max-age=300")
NOT_STORED = ("cache-control", "no-store")
# One transparent dot.
DOT = base64.b64decode("R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7")


class Answer:
    """A status, headers and a whole body. `is_private` keeps it from web pages of others."""

    __slots__ = ("body", "headers", "is_private", "status")

    def __init__(
        self, status: int, body: bytes, headers: list[Header], *, is_private: bool = False
    ) -> None:
        self.status = status
        self.body = body
        self.headers = headers
        self.is_private = is_private

    def for_origin(self, origin: str) -> Answer:
        """The same answer, readable by a page of `origin`."""
        if self.is_private or FOR_ANY_PAGE in self.headers:
            return self
        return Answer(self.status, self.body, _cors(origin, self.headers))

    def closing(self) -> Answer:
        """The same answer, after which the client opens another connection."""
        headers = [*self.headers, ("connection", "close")]
        return Answer(self.status, self.body, headers, is_private=self.is_private)


def batch_taken(accepted: int, duplicates: int, rejected: int) -> Answer:
    """All events of a batch are durable, whatever became of them."""
    counts = (accepted, duplicates, rejected)
    body = b'{"success":true,"accepted":%d,"duplicates":%d,"rejected":%d}' % counts
    return Answer(200, body, [JSON])


def strict_refusal(problems: list[dict[str, Any]]) -> Answer:
    """For `X-Strict-Mode: 1`: the same was done, but problems are said aloud."""
    body = {"success": False, "error": "Some events were rejected.", "errors": problems}
    return Answer(400, msgspec.json.encode(body), [JSON])


def refusal(status: int, sentence: str, *headers: Header, is_private: bool = False) -> Answer:
    """No, and why, in a sentence."""
    body = msgspec.json.encode({"success": False, "error": sentence})
    return Answer(status, body, [JSON, *headers], is_private=is_private)


SUCCESS = Answer(200, b'{"success":true}', [JSON])
HEALTHY = Answer(200, b'{"healthy":true}', [JSON], is_private=True)
READY = Answer(200, b'{"ready":true}', [JSON], is_private=True)
NOT_HERE = refusal(404, "There is nothing at this address.")
PIXEL = Answer(200, DOT, [("content-type", "image/gif"), NOT_STORED])
STARTING = refusal(503, "Turnout is starting; ask again in a moment.", ("retry-after", "1"))


def for_error(error: TurnoutError) -> Answer:
    """The status of the error's family and its sentence."""
    status = next((code for family, code in STATUSES if isinstance(error, family)), 500)
    wait_s = 1 if status == UNAVAILABLE else getattr(error, "retry_after_s", 0)
    retry = (("retry-after", str(min(wait_s, RETRY_AFTER_S_MAX))),) if wait_s else ()
    return refusal(status, str(error), *retry, is_private=isinstance(error, OriginRefused))


def preflight(wanted: str) -> Answer:
    """What a browser asks before it sends; `wanted` is its list of headers, echoed."""
    headers = [
        ("access-control-allow-methods", "GET, POST, OPTIONS"),
        ("access-control-allow-headers", wanted or ALLOWED_HEADERS),
        ("access-control-max-age", "86400"),
    ]
    return Answer(204, b"", headers)


def _cors(origin: str, headers: list[Header]) -> list[Header]:
    return [
        *(header for header in headers if header != BY_ORIGIN),
        ("access-control-allow-origin", origin),
        ("access-control-allow-credentials", "true"),
        ("access-control-expose-headers", "retry-after"),
        BY_ORIGIN,
    ]
