"""Proof that a form was shown to the browser that sends it, so no other site can send one.

Each page's forms carry a token derived from the browser's cookie (the session, or before sign-in a
random visit) and the installation's secret. Another site can make a browser send our cookie, but
can neither read it nor derive the token.
"""

from __future__ import annotations

import hmac

FIELD = "form_token"


def make(secret: bytes, browser: str) -> str:
    """The token for the browser whose cookie is `browser`."""
    return hmac.digest(secret, b"form " + browser.encode(), "sha256").hex()


def fits(secret: bytes, browser: str, token: str) -> bool:
    """Whether `token` was made for that browser; never for one without a cookie."""
    return bool(browser) and hmac.compare_digest(make(secret, browser).encode(), token.encode())
