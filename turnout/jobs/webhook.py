"""Sending a JSON message to somebody else's address: briefly, signed, following no redirect."""

from __future__ import annotations

import hashlib
import hmac
import urllib.error
import urllib.request
from http.client import HTTPException

from turnout.errors import TurnoutError

TIMEOUT_S = 10.0
SIGNATURE = "X-Turnout-Signature"


class NotDelivered(TurnoutError):
    """The webhook did not take the message."""


class _Stay(urllib.request.HTTPRedirectHandler):
    """A redirect could lead a signed message anywhere."""

    def redirect_request(self, *_: object) -> None:
        """Follow none."""


def send(url: str, body: bytes, *, secret: str = "", timeout_s: float = TIMEOUT_S) -> None:
    """POST `body`; signed with HMAC-SHA-256 when there is a `secret`.

    Raises `NotDelivered` unless it was taken in time. Nothing of the address is in the message:
    it may hold a token.
    """
    headers = {"Content-Type": "application/json", "User-Agent": "Turnout"}
    if secret:
        headers[SIGNATURE] = f"sha256={signature(body, secret)}"
    request = urllib.request.Request(url, data=body, headers=headers, method="POST")  # noqa: S310 - checked in the settings
    try:
        with urllib.request.build_opener(_Stay).open(request, timeout=timeout_s):
            return
    except urllib.error.HTTPError as error:
        error.close()
        raise NotDelivered(f"The webhook answered {error.code}.") from None
    except (OSError, HTTPException, ValueError) as error:
        raise NotDelivered(f"The webhook cannot be reached ({type(error).__name__}).") from None


def signature(body: bytes, secret: str) -> str:
    """What a receiver compares with: hexadecimal HMAC-SHA-256 of the body as it came."""
    return hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
