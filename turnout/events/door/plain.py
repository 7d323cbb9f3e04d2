"""Events as nearly all are: stored byte for byte as they were sent, under an id of their own.

They are recognized in few steps, those of a batch all at once. One that may be otherwise, or a
batch with such a one, is judged with more care in `message.py`, and would come to the same end.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Literal, TypeAlias

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType, field

from turnout.events.door.event import ID_CHARS_MAX, Anything, Id, Text
from turnout.events.door.line import TIME_CHARS_MAX

# Bodies hold no NUL once they are mended, so a member of this type is one that is not there.
Never: TypeAlias = Literal["\x00"] | UnsetType
# An alias and a group are about two, which is looked at with care.
TYPES = frozenset({"track", "identify", "page", "screen"})
Given: TypeAlias = Annotated[str, Meta(min_length=1, max_length=ID_CHARS_MAX)]


class PlainContext(Struct, rename="camel", gc=False):
    """A context in which the door has nothing to change, whatever becomes of addresses."""

    ip: None = None
    direct: None = None


class Plain(Struct, rename="camel", kw_only=True, gc=False):
    """An event that came by itself: the path it came by has its type."""

    type: str | None = None
    event: str | None = None
    message_id: Given
    group_id: Id = None
    previous_id: Id = None
    properties: Anything | None = None
    traits: Anything | None = None
    user_id: Text | None = None
    anonymous_id: Text | None = None
    context: PlainContext | None = None
    write_key: None = None
    metadata: Never = field(default=UNSET, name="_metadata")
    options: Never = UNSET
    sent_at: Annotated[str, Meta(max_length=TIME_CHARS_MAX)] | None = None


class PlainInBatch(Plain, kw_only=True, gc=False):
    """An event of a batch: the envelope has the time."""

    type: Literal["track", "identify", "page", "screen"]
    sent_at: Any = None


_decode_one = msgspec.json.Decoder(Plain).decode
_decode = msgspec.json.Decoder(list[PlainInBatch]).decode


def parse_one(raw: bytes, type_: str, *, bytes_max: int, openings_max: int) -> Plain | None:
    """The event in `raw`; None when it is not plain, or larger or more deeply nested than so."""
    if type_ not in TYPES or len(raw) > bytes_max or _openings([raw]) > openings_max:
        return None
    try:
        event = _decode_one(raw)
    except (msgspec.DecodeError, RecursionError):
        return None
    return event if _are_whole((event,), (type_,)) else None


def parse_all(
    raws: Sequence[bytes], *, bytes_max: int, openings_max: int
) -> list[PlainInBatch] | None:
    """The events in `raws`; None when one is not plain, or larger or more deeply nested than so."""
    if max(map(len, raws), default=0) > bytes_max or _openings(raws) > openings_max:
        return None
    try:
        events = _decode(b"[%b]" % b",".join(raws))
    except (msgspec.DecodeError, RecursionError):
        return None
    return events if _are_whole(events, [event.type for event in events]) else None


def _openings(raws: Sequence[bytes]) -> int:
    """How many brackets open in one of them at most: no fewer than lie in each other."""
    # Looking for a character is many times faster than counting it.
    if b"[" in b"".join(raws):
        return max([raw.count(b"{") + raw.count(b"[") for raw in raws])
    return max([raw.count(b"{") for raw in raws], default=0)


def _are_whole(events: Sequence[Plain], types: Sequence[str]) -> bool:
    """Whether each has an id, a person, and the name of what was tracked; spaces alone are none."""
    for event, type_ in zip(events, types, strict=True):
        person = event.user_id or event.anonymous_id
        if not person or person.isspace() or event.message_id.isspace():
            return False
        if type_ == "track" and (not event.event or event.event.isspace()):
            return False
    return True
