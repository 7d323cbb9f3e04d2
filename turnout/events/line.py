"""The line an event becomes in the journal: a readable head, then the event as it was sent.

    {"id":"…","type":"track","source":"web","schema":"analytics","received_at":"…","sent_at":"…",
     "event":{…}}

A refused event's line has `reason` and `head` (its first 4 KB as text) instead of `type` and
`event`. Only the write key and line breaks between tokens are ever taken out of an event.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, TypeAlias

import msgspec

# So much of a refused event is kept for whoever looks into it.
HEAD_BYTES_MAX = 4096

Id: TypeAlias = str | int | float | None
encode = msgspec.json.Encoder().encode


@dataclass(frozen=True, slots=True)
class Arrival:
    """By which write key a request came, for which source and schema, and when (UTC, ms)."""

    key: str
    source: str
    schema: str
    received_ms: int

    @property
    def received_at(self) -> str:
        at = datetime.fromtimestamp(self.received_ms / 1000, UTC)
        return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")


class LineMaker:
    """Makes the lines of one request; what they share is encoded once."""

    def __init__(self, arrival: Arrival, sent_at: Any) -> None:
        """`sent_at` is the envelope's; anything but text is as good as absent."""
        self._arrival = arrival
        self._key = arrival.key.encode()
        self._tails: dict[str, bytes] = {}
        self._shared = {
            "source": arrival.source,
            "schema": arrival.schema,
            "received_at": arrival.received_at,
            "sent_at": sent_at if isinstance(sent_at, str) else None,
        }

    def accepted(self, raw: bytes, message_id: Id, type_: str, write_key: str | None) -> bytes:
        if write_key is not None:
            raw = _without_key(raw, self._key)
        if b"\n" in raw or b"\r" in raw:
            # Strict JSON has them only between tokens.
            raw = raw.replace(b"\n", b" ").replace(b"\r", b" ")
        return b"%b%b%b}\n" % (self._id(message_id), self._tail(type_), raw)

    def refused(self, raw: bytes, message_id: Id, reason: str) -> bytes:
        head = _without_key(raw, self._key)[:HEAD_BYTES_MAX].decode(errors="ignore")
        tail = encode({**self._shared, "reason": reason, "head": head})
        return b"%b,%b\n" % (self._id(message_id), tail[1:])

    def _id(self, message_id: Id) -> bytes:
        text = "" if message_id is None else str(message_id).strip()
        return b'{"id":' + encode(text or _uuid7(self._arrival.received_ms))

    def _tail(self, type_: str) -> bytes:
        """Everything between the id and the event; the same for all events of one type."""
        if type_ not in self._tails:
            named = encode({"type": type_, **self._shared})
            self._tails[type_] = b"," + named[1:-1] + b',"event":'
        return self._tails[type_]


def _without_key(raw: bytes, key: bytes) -> bytes:
    """`raw` without the write key that some SDKs repeat in every event."""
    member = b'"writeKey":"%b"' % key
    return raw.replace(member + b",", b"").replace(b"," + member, b"")


def _uuid7(now_ms: int) -> str:
    """A UUID that begins with its time, so ids we assign sort by arrival."""
    noise = secrets.randbits(74)
    number = (now_ms << 80) | (0x7 << 76) | ((noise >> 62) << 64) | (0b10 << 62) | (noise & MASK_62)
    text = f"{number:032x}"
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


MASK_62 = (1 << 62) - 1
