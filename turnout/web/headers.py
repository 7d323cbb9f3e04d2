"""Headers that keep browsers strict, on every response, errors included.

No inline script or style anywhere; nothing from elsewhere; no frames. Addresses with a token in
them are never passed on to other sites and never indexed.
"""

from __future__ import annotations

from typing import Any

from litestar.types import Message, Scope

PAGE_POLICY = (
    "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self' data:; "
    "font-src 'self'; connect-src 'self'; form-action 'self'; frame-ancestors 'none'; "
    "base-uri 'none'"
)
# A drawing styles its own parts and needs nothing else.
DRAWING_POLICY = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; sandbox"

ALWAYS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
}
SITE = {"Referrer-Policy": "same-origin", "Cross-Origin-Resource-Policy": "same-origin"}
WELCOME = {**SITE, "Referrer-Policy": "no-referrer", "X-Robots-Tag": "noindex"}
# What a link opens, any other site's script may read: without cookies, so with nobody's rights.
READER = {
    "Referrer-Policy": "no-referrer",
    "X-Robots-Tag": "noindex",
    "Cross-Origin-Resource-Policy": "cross-origin",
    "Access-Control-Allow-Origin": "*",
    "Access-Control-Allow-Headers": "If-None-Match",
    "Access-Control-Expose-Headers": "ETag, X-Clip-As-Of, X-Clip-Stale, X-Clip-Truncated",
}


def _encoded(headers: dict[str, str]) -> list[tuple[bytes, bytes]]:
    return [(name.lower().encode(), value.encode()) for name, value in headers.items()]


_ALWAYS = _encoded(ALWAYS)
_PLACES = [
    ("/s/", _encoded(READER)),
    ("/welcome/", _encoded(WELCOME)),
    ("/", _encoded(SITE)),
]
_PAGE_POLICY = _encoded({"Content-Security-Policy": PAGE_POLICY})
_DRAWING_POLICY = _encoded({"Content-Security-Policy": DRAWING_POLICY})


async def add_headers(message: Message, scope: Scope) -> None:
    """The hook that every response passes on its way out."""
    if message["type"] != "http.response.start":
        return
    headers: list[tuple[bytes, bytes]] = list(message.get("headers", ()))
    policy = _DRAWING_POLICY if _is_drawing(headers) else _PAGE_POLICY
    place = next(extra for prefix, extra in _PLACES if scope["path"].startswith(prefix))
    message["headers"] = [*headers, *_ALWAYS, *place, *policy]


def _is_drawing(headers: list[tuple[bytes, Any]]) -> bool:
    return any(name == b"content-type" and b"svg" in value for name, value in headers)
