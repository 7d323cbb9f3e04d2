"""Who may send: write keys at work, with their origins and their rates.

The first place that brings a key decides: Basic authentication, then the body, then the events in
it, then the query.
"""

from __future__ import annotations

import base64
import binascii
import math
import time
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any

from turnout.access.keys import WriteKey
from turnout.errors import OriginRefused, RateExceeded, UnknownKey
from turnout.events.door.line import Sender

# A key in use is written down this often.
NOTED_EVERY = timedelta(minutes=1)
# Authorization headers whose key is remembered, unless they are longer than any library's: one key
# can be written in any number of ways.
REMEMBERED_MAX, REMEMBERED_CHARS_MAX = 10_000, 256


class Admission:
    """One write key at work."""

    __slots__ = ("_bucket", "_origins", "is_used", "key", "noted_at", "sender")

    def __init__(self, key: WriteKey, clock_s: Callable[[], float] = time.monotonic) -> None:
        self.key = key
        self.sender = Sender(
            key.key, key.source, key.schema, ip=key.ip, is_personal=key.kind != "server"
        )
        self._origins = frozenset(key.origins)
        self._bucket = Bucket(key.rate_per_s, clock_s) if key.rate_per_s else None
        # Whether it let anything in since that was last noted, and when that was.
        self.is_used = False
        self.noted_at: datetime | None = None

    def enter(self, origin: str | None) -> None:
        """Raises `OriginRefused` or `RateExceeded`; without an origin no page is involved."""
        if self._origins and origin is not None and origin.lower() not in self._origins:
            raise OriginRefused(f"This write key may not be used from {origin}.")
        if self._bucket is not None:
            self._bucket.take()
        self.is_used = True


class Bucket:
    """Fills with as many permits as may be used in a second; a full one lasts for a second."""

    __slots__ = ("_at_s", "_clock_s", "_permits", "_rate_per_s")

    def __init__(self, rate_per_s: int, clock_s: Callable[[], float]) -> None:
        self._rate_per_s = rate_per_s
        self._clock_s = clock_s
        self._permits = float(rate_per_s)
        self._at_s = clock_s()

    def take(self) -> None:
        """One permit; `RateExceeded` when there is none."""
        now_s = self._clock_s()
        filled = self._permits + (now_s - self._at_s) * self._rate_per_s
        self._permits = min(filled, float(self._rate_per_s))
        self._at_s = now_s
        if self._permits < 1:
            wait_s = (1 - self._permits) / self._rate_per_s
            raise RateExceeded(retry_after_s=max(1, math.ceil(wait_s)))
        self._permits -= 1


class Register:
    """All write keys that let events in."""

    def __init__(self) -> None:
        self._admissions: dict[str, Admission] = {}
        self._remembered: dict[str, Admission] = {}

    def renew(self, keys: Mapping[str, WriteKey]) -> None:
        """These keys and no others; one that did not change keeps its rate's count."""
        before = self._admissions
        self._admissions = {
            key.key: known
            if (known := before.get(key.key)) is not None and known.key == key
            else Admission(key)
            for key in keys.values()
        }
        self._remembered.clear()

    def uses(self, now: datetime) -> dict[str, datetime]:
        """The keys that were used lately and not noted for a while: key → `now`."""
        found: dict[str, datetime] = {}
        for key, admission in self._admissions.items():
            noted_at = admission.noted_at
            if admission.is_used and (noted_at is None or now - noted_at >= NOTED_EVERY):
                admission.is_used, admission.noted_at = False, now
                found[key] = now
        return found

    def named(self, authorization: str | None) -> Admission | None:
        """By the header, the first place that decides; None when it brings no key."""
        if authorization is None:
            return None
        known = self._remembered.get(authorization)
        if known is not None:
            return known
        given = _basic_user(authorization)
        if not given:
            return None
        admission = self.of(given)
        if len(self._remembered) < REMEMBERED_MAX and len(authorization) <= REMEMBERED_CHARS_MAX:
            self._remembered[authorization] = admission
        return admission

    def of(self, *keys: Any) -> Admission:
        """By the first of `keys` that is one; `UnknownKey` when it is not known, or none is."""
        key = next((each for each in keys if each and isinstance(each, str)), None)
        if key is None:
            raise UnknownKey(
                "A write key is missing: send it as the user name of Basic authentication."
            )
        admission = self._admissions.get(key)
        if admission is None:
            raise UnknownKey("This write key is not known here.", key=key)
        return admission

    def __contains__(self, key: str) -> bool:
        return key in self._admissions


def _basic_user(authorization: str) -> str:
    """The user name in `Basic …`, also without its colon; '' when there is none."""
    scheme, _, packed = authorization.partition(" ")
    if scheme.lower() != "basic":
        return ""
    try:
        return base64.b64decode(packed.strip()).decode().partition(":")[0].strip()
    except (binascii.Error, ValueError):
        return ""
