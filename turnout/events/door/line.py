"""The line an event becomes in the journal: a readable head, then the event as it was sent.

    {"id":"…","type":"track","source":"web","schema":"analytics","received_at":"…","sent_at":"…",
     "event":{…}}

A refused event's line has `reason` and `head` (its first 4 KB as text) instead of `type` and
`event`; the line of a repeat has `duplicate` and no event at all.
"""

from __future__ import annotations

import re
import secrets
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Protocol

import msgspec
from msgspec import Raw, Struct

from turnout.events.door import address
from turnout.events.door.event import ABSENT, Event, Id, text_of
from turnout.events.journal.seen import scope_of

# So much of a refused event is kept for whoever looks into it.
HEAD_BYTES_MAX = 4096
# No time is longer; what is longer would be repeated in each line of a batch.
TIME_CHARS_MAX = 100
# What such a head may not show: credentials, and addresses that are not to be kept whole.
SECRET = re.compile(rb'("writeKey"\s*:\s*)"(?:[^"\\]|\\.)*"')
ADDRESS = re.compile(rb'("ip"\s*:\s*)"(?:[^"\\]|\\.)*"')
# Members of an event that are for the door alone.
NOT_STORED = ("writeKey", "_metadata", "options")
MASK_62 = (1 << 62) - 1

encode = msgspec.json.Encoder().encode
_members = msgspec.json.Decoder(dict[str, Raw]).decode
_decode_text = msgspec.json.Decoder(str).decode


class Sender:
    """A write key's side of every line: the key, where its events belong, encoded once."""

    __slots__ = ("ip", "is_personal", "key", "place", "scope", "source")

    def __init__(
        self, key: str, source: str, schema: str, *, ip: str = "truncate", is_personal: bool = False
    ) -> None:
        """`ip` is what becomes of addresses: keep, truncate or drop.

        `is_personal` says that the key lives with people, in browsers or apps: then a request's
        own address and user agent are those of the person, and fill its events' contexts.
        """
        self.key = key
        self.source = source
        self.scope = scope_of(source, schema)
        self.ip = ip
        self.is_personal = is_personal
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


class Visitor(Protocol):
    """Whoever is at the other end of a request; asked only where an event wants to know."""

    def ip(self) -> str:
        """Their address; '' when it cannot be known."""

    def user_agent(self) -> str:
        """What their program calls itself; '' when it does not say."""


class Arrival(Struct, frozen=True, gc=False):
    """By whom a request came, and when."""

    sender: Sender
    received_ms: int
    received_at: bytes
    visitor: Visitor | None = None


class LineMaker:
    """Makes the lines of one request."""

    __slots__ = ("_arrival", "_ip", "_sent_at", "_tails", "_under", "keeps_bytes")

    def __init__(self, arrival: Arrival, sent_at: Any, under: Mapping[str, Raw]) -> None:
        """`sent_at` is the envelope's; anything but text is as good as absent.

        `under` lies under each event's own members.
        """
        sender = arrival.sender
        self._arrival = arrival
        self._sent_at = sent_at
        self._under = under
        self._ip = sender.ip
        # Whether an event may be stored as it was sent, if nothing in it asks for more.
        self.keeps_bytes = not (sender.is_personal or under)
        self._tails: dict[str, bytes] = {}

    def id_of(self, message_id: Id) -> str:
        """The id an event goes by: its own, or a new one."""
        return text_of(message_id) or _uuid7(self._arrival.received_ms)

    def accepted(self, raw: bytes, event: Event, id_: str, type_: str) -> bytes:
        """The line of an event that is to be stored."""
        if not self.keeps_bytes or self._is_touched(event):
            raw = self._changed(raw, event)
        return b'{"id":%b%b%b}\n' % (encode(id_), self._tail(type_), raw)

    def all_plain(
        self, raws: Sequence[bytes], ids: Sequence[str], types: Sequence[str]
    ) -> list[bytes]:
        """The lines of events that are stored as they were sent."""
        tails = {type_: self._tail(type_) for type_ in set(types)}
        return [
            b'{"id":%b%b%b}\n' % (encode(id_), tails[type_], raw)
            for raw, id_, type_ in zip(raws, ids, types, strict=True)
        ]

    def duplicate(self, id_: str) -> bytes:
        """The line of an event that is in the journal already."""
        return b'{"id":%b,%b,"duplicate":true}\n' % (encode(id_), self._place)

    def refused(self, raw: bytes, message_id: Id, reason: str) -> bytes:
        """The line of an event that is only to be counted, with its head and the reason."""
        head = SECRET.sub(rb'\1""', raw)
        if self._ip != address.KEEP:
            head = ADDRESS.sub(rb'\1""', head)
        text = head[:HEAD_BYTES_MAX].decode(errors="ignore")
        verdict = encode({"reason": reason, "head": text})[1:]
        return b'{"id":%b,%b,%b\n' % (encode(self.id_of(message_id)), self._times, verdict)

    @property
    def _place(self) -> bytes:
        """Where events belong, and when they came."""
        return b'%b,"received_at":"%b"' % (self._arrival.sender.place, self._arrival.received_at)

    @property
    def _times(self) -> bytes:
        """The same, and when they were sent."""
        sent_at = self._sent_at
        is_time = isinstance(sent_at, str) and len(sent_at) <= TIME_CHARS_MAX
        return b'%b,"sent_at":%b' % (self._place, encode(sent_at) if is_time else b"null")

    def _tail(self, type_: str) -> bytes:
        """What follows the id in each line of this type, up to the event."""
        tail = self._tails.get(type_)
        if tail is None:
            tail = b',"type":"%b",%b,"event":' % (type_.encode(), self._times)
            self._tails[type_] = tail
        return tail

    def _is_touched(self, event: Event) -> bool:
        """Whether something in this event is not for storage, or is to be filled in."""
        context = event.context
        return (
            event.write_key is not None
            or event.metadata is not ABSENT
            or event.options is not ABSENT
            or (
                context is not None
                and (
                    (context.ip is not None and self._ip != address.KEEP) or context.direct is True
                )
            )
        )

    def _changed(self, raw: bytes, event: Event) -> bytes:
        """The event as it is to be stored; members that nothing touches keep their bytes."""
        members: dict[str, Any] = {**_members(raw)}
        for name in NOT_STORED:
            members.pop(name, None)
        for name, part in self._under.items():
            members[name] = _laid_over(part, members.get(name))
        is_asked = event.context is not None and event.context.direct is True
        visitor = self._arrival.visitor if is_asked or self._arrival.sender.is_personal else None
        self._settle_context(members, visitor)
        return encode(members)

    def _settle_context(self, members: dict[str, Any], visitor: Visitor | None) -> None:
        """Whose address and browser it was, as far as that may be kept."""
        given = members.get("context")
        context = {**_members_of(given)}
        ip = given_ip = _text(context.get("ip"))
        if visitor is not None:
            ip = given_ip or visitor.ip()
            if _text(context.get("userAgent")) is None and (user_agent := visitor.user_agent()):
                context["userAgent"] = user_agent
        kept = address.kept(ip, self._ip)
        if kept is None:
            context.pop("ip", None)
        elif kept != given_ip:
            context["ip"] = kept
        if context or given is not None:
            members["context"] = context


def line_of(raw: bytes, id_: str, type_: str, arrival: Arrival, sent_at: str | None) -> bytes:
    """The line of an event that came by itself and is stored as it was sent."""
    return b'{"id":%b,"type":"%b",%b,"received_at":"%b","sent_at":%b,"event":%b}\n' % (
        encode(id_),
        type_.encode(),
        arrival.sender.place,
        arrival.received_at,
        encode(sent_at),
        raw,
    )


def _laid_over(under: Any, over: Any) -> Any:
    """Both, deep; where both say something, `over` wins. Values keep their bytes."""
    if over is None or _is_null(over):
        return under
    above = _members_of(over)
    below = _members_of(under) if above else {}
    if not below:
        return over
    merged: dict[str, Any] = {**below}
    for name, value in above.items():
        merged[name] = _laid_over(below[name], value) if name in below else value
    return merged


def _members_of(value: Any) -> Mapping[str, Any]:
    """The members of what may be an object, taken apart already or not; none of anything else."""
    if isinstance(value, Raw):
        return _members(value) if memoryview(value)[0] == ord("{") else {}
    return value if isinstance(value, dict) else {}


def _text(value: Any) -> str | None:
    """A text, decoded already or not; None for anything else."""
    if isinstance(value, Raw):
        return _decode_text(value) if memoryview(value)[0] == ord('"') else None
    return value if isinstance(value, str) else None


def _is_null(value: Any) -> bool:
    return isinstance(value, Raw) and bytes(value) == b"null"


def _uuid7(now_ms: int) -> str:
    """A UUID that begins with its time, so ids we assign sort by arrival."""
    noise = secrets.randbits(74)
    number = (now_ms << 80) | (0x7 << 76) | ((noise >> 62) << 64) | (0b10 << 62) | (noise & MASK_62)
    text = f"{number:032x}"
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"
