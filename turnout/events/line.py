"""The line an event becomes in the journal: a readable head, then the event as it was sent.

    {"id":"…","type":"track","source":"web","schema":"analytics","received_at":"…","sent_at":"…",
     "event":{…}}

A refused event's line has `reason` and `head` (its first 4 KB as text) instead of `type` and
`event`. Only the write key and line breaks between tokens are ever taken out of an event.
"""

from __future__ import annotations

import re
import secrets
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, TypeAlias

import msgspec

# So much of a refused event is kept for whoever looks into it.
HEAD_BYTES_MAX = 4096

Id: TypeAlias = str | int | float | None
encode = msgspec.json.Encoder().encode
MASK_62 = (1 << 62) - 1


class Sender:
    """A write key's side of every line, encoded once: the key, and where its events belong."""

    __slots__ = ("key", "member", "place")

    def __init__(self, key: str, source: str, schema: str) -> None:
        self.key = key
        # The key as some SDKs repeat it in every event, with the commas around it.
        self.member = re.compile(
            rb'(,\s*)?"writeKey"\s*:\s*%b(\s*,)?' % re.escape(encode(key)),
        )
        self.place = encode({"source": source, "schema": schema})[1:-1]


class Clock:
    """UTC in milliseconds that never goes back, spelled once per millisecond."""

    __slots__ = ("_ms", "_text")

    def __init__(self) -> None:
        self._ms = 0
        self._text = b""

    def now(self) -> tuple[int, bytes]:
        """Milliseconds since 1970, and the same in ISO 8601."""
        ms = time.time_ns() // 1_000_000
        if ms > self._ms:
            at = datetime.fromtimestamp(ms / 1000, UTC).replace(tzinfo=None)
            self._ms, self._text = ms, at.isoformat(timespec="milliseconds").encode() + b"Z"
        return self._ms, self._text


@dataclass(frozen=True, slots=True)
class Arrival:
    """By whom a request came, and when."""

    sender: Sender
    received_ms: int
    received_at: bytes


class LineMaker:
    """Makes the lines of one request."""

    __slots__ = ("_arrival", "_middle", "_tails")

    def __init__(self, arrival: Arrival, sent_at: Any) -> None:
        """`sent_at` is the envelope's; anything but text is as good as absent."""
        self._arrival = arrival
        self._tails: dict[str, bytes] = {}
        sent = encode(sent_at) if isinstance(sent_at, str) else b"null"
        self._middle = b'%b,"received_at":"%b","sent_at":%b' % (
            arrival.sender.place,
            arrival.received_at,
            sent,
        )

    def accepted(self, raw: bytes, message_id: Id, type_: str, write_key: str | None) -> bytes:
        """The line of an event that is to be stored."""
        if write_key is not None:
            raw = self._without_key(raw)
        if b"\n" in raw or b"\r" in raw:
            # Strict JSON has them only between tokens.
            raw = raw.replace(b"\n", b" ").replace(b"\r", b" ")
        tail = self._tails.get(type_)
        if tail is None:
            tail = b',"type":"%b",%b,"event":' % (type_.encode(), self._middle)
            self._tails[type_] = tail
        return b'{"id":%b%b%b}\n' % (self._id(message_id), tail, raw)

    def refused(self, raw: bytes, message_id: Id, reason: str) -> bytes:
        """The line of an event that is only to be counted, with its head and the reason."""
        head = self._without_key(raw)[:HEAD_BYTES_MAX].decode(errors="ignore")
        verdict = encode({"reason": reason, "head": head})[1:]
        return b'{"id":%b,%b,%b\n' % (self._id(message_id), self._middle, verdict)

    def _without_key(self, raw: bytes) -> bytes:
        return self._arrival.sender.member.sub(_comma, raw)

    def _id(self, message_id: Id) -> bytes:
        text = "" if message_id is None else str(message_id).strip()
        return encode(text or _uuid7(self._arrival.received_ms))


def _comma(member: re.Match[bytes]) -> bytes:
    """What stays where a member was: one comma if it stood between two others."""
    return b"," if member[1] and member[2] else b""


def _uuid7(now_ms: int) -> str:
    """A UUID that begins with its time, so ids we assign sort by arrival."""
    noise = secrets.randbits(74)
    number = (now_ms << 80) | (0x7 << 76) | ((noise >> 62) << 64) | (0b10 << 62) | (noise & MASK_62)
    text = f"{number:032x}"
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"
