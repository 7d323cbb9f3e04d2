"""What the collector says back, ready to send: few fixed answers, small JSON for errors, CORS.

The shapes are those that every Segment library understands; see `docs` for the contract.
"""

from __future__ import annotations

from typing import Any

import msgspec

from turnout.errors import BadRequest, BodyTooLarge, JournalUnavailable, TurnoutError, UnknownKey

Headers = list[tuple[bytes, bytes]]
NO_CONTENT = 204
UNAVAILABLE = 503

# Errors → status codes, the nearest family first. Never a redirect: clients lose the body.
STATUSES: tuple[tuple[type[TurnoutError], int], ...] = (
    (BodyTooLarge, 413),
    (BadRequest, 400),
    (UnknownKey, 401),
    (JournalUnavailable, UNAVAILABLE),
)
RETRY_AFTER = (b"retry-after", b"1")
JSON = (b"content-type", b"application/json")
# What a browser must be allowed to send for first tries and retries alike.
ALLOWED_HEADERS = b"authorization, content-type, x-retry-count"
SUCCESS_BODY = b'{"success":true}'


class Answer:
    """A status, headers and a whole body, in the form ASGI sends them."""

    __slots__ = ("body", "headers", "start", "status")

    def __init__(self, status: int, body: bytes, headers: Headers) -> None:
        self.status = status
        self.headers = headers
        length = () if status == NO_CONTENT else ((b"content-length", b"%d" % len(body)),)
        self.start = {
            "type": "http.response.start",
            "status": status,
            "headers": [*headers, *length],
        }
        self.body = {"type": "http.response.body", "body": body}

    def for_origin(self, origin: bytes) -> Answer:
        """The same answer, readable by a page of `origin`."""
        body: Any = self.body["body"]
        return Answer(self.status, body, [*self.headers, *_cors(origin)])


SUCCESS = Answer(200, SUCCESS_BODY, [JSON])
HEALTHY = Answer(200, b'{"healthy":true}', [JSON])


def batch_taken(accepted: int, rejected: int) -> Answer:
    """All events of a batch are durable; some of them as rejected."""
    body = b'{"success":true,"accepted":%d,"rejected":%d}' % (accepted, rejected)
    return Answer(200, body, [JSON])


def strict_refusal(problems: list[dict[str, Any]]) -> Answer:
    """For `X-Strict-Mode: 1`: the same was done, but problems are said aloud."""
    body = {"success": False, "error": "Some events were rejected.", "errors": problems}
    return Answer(400, msgspec.json.encode(body), [JSON])


def refusal(status: int, sentence: str, *headers: tuple[bytes, bytes]) -> Answer:
    """No, and why, in a sentence."""
    body = msgspec.json.encode({"success": False, "error": sentence})
    return Answer(status, body, [JSON, *headers])


def for_error(error: TurnoutError) -> Answer:
    """The status of the error's family and its sentence."""
    status = next((code for family, code in STATUSES if isinstance(error, family)), 500)
    retry = (RETRY_AFTER,) if status == UNAVAILABLE else ()
    return refusal(status, str(error), *retry)


def preflight(wanted: bytes) -> Answer:
    """What a browser asks before it sends; `wanted` is its list of headers, echoed."""
    headers = [
        (b"access-control-allow-methods", b"GET, POST, OPTIONS"),
        (b"access-control-allow-headers", wanted or ALLOWED_HEADERS),
        (b"access-control-max-age", b"86400"),
    ]
    return Answer(NO_CONTENT, b"", headers)


def _cors(origin: bytes) -> Headers:
    return [
        (b"access-control-allow-origin", origin),
        (b"access-control-allow-credentials", b"true"),
        (b"access-control-expose-headers", b"retry-after"),
        (b"vary", b"origin"),
    ]
