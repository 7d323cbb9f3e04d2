"""What the door must know of an event, and what makes one impossible to store.

A well-formed event is decoded in one step that also holds it against its types and lengths. Only
what fails there is looked at member by member, to say why or to go on without a member.
"""

from __future__ import annotations

from typing import Annotated, Any, TypeAlias

import msgspec
from msgspec import Meta, Raw, Struct, field

TYPES = frozenset({"track", "identify", "group", "page", "screen", "alias"})
ID_CHARS_MAX = 512
ABSENT = Raw(b"null")

Text: TypeAlias = Annotated[str, Meta(max_length=ID_CHARS_MAX)]
Id: TypeAlias = Text | int | float | None


class Anything(Struct, gc=False):
    """An object; what is in it does not matter at the door."""


class Context(Struct, rename="camel", gc=False):
    """The part of a context that the door may have to change."""

    ip: Any = None
    direct: Any = None
    user_agent: Any = None


class Event(Struct, rename="camel", gc=False):
    """What the door must know of an event; null is absent."""

    type: str | None = None
    message_id: Id = None
    user_id: Id = None
    anonymous_id: Id = None
    event: str | None = None
    group_id: Id = None
    previous_id: Id = None
    properties: Anything | None = None
    traits: Anything | None = None
    context: Context | None = None
    sent_at: Any = None
    # These three are removed before storage.
    write_key: Any = None
    metadata: Raw = field(default=ABSENT, name="_metadata")
    options: Raw = ABSENT


class Flawed(Event, gc=False):
    """An event with members of a wrong type, left out; some of them make it impossible to store."""

    reason: str | None = None


IDS = ("messageId", "userId", "anonymousId", "groupId", "previousId")
OBJECTS = ("properties", "traits", "context")
# What an object, or null in its place, begins with.
OBJECT_OR_NULL = b"{n"

_decode = msgspec.json.Decoder(Event).decode
_decode_flawed = msgspec.json.Decoder(Flawed).decode
_FIELDS = msgspec.structs.fields(Event)
# The same members as they were sent, whatever they are: an event may have a million others.
_Members = msgspec.defstruct(
    "_Members", [(each.name, Raw, field(default=ABSENT, name=each.encode_name)) for each in _FIELDS]
)
_decode_members = msgspec.json.Decoder(_Members).decode
_encode = msgspec.json.Encoder().encode


def parse(raw: bytes | Raw) -> Event:
    """The event in `raw`; members of a wrong type count as absent.

    Raises msgspec's `ValidationError` for what is not an object.
    """
    try:
        return _decode(raw)
    except msgspec.ValidationError:
        return _parse_members(raw)


def problem(  # noqa: PLR0911 - one rule a line
    event: Event, type_: str
) -> str | None:
    """Why this event cannot be stored, as a code of `_turnout.rejected_events`; None if it can."""
    if event.__class__ is Flawed and event.reason:
        return event.reason
    if type_ == "track":
        if not event.event or event.event.isspace():
            return "missing_event"
    elif type_ not in TYPES:
        return "unknown_type" if type_ else "missing_type"
    elif type_ == "alias":
        return _alias_problem(event)
    elif type_ == "group" and not text_of(event.group_id):
        return "missing_group_id"
    if text_of(event.user_id) or text_of(event.anonymous_id):
        return None
    return "no_user_anon_id"


def text_of(id_: Id) -> str:
    """An id as it is stored; '' for none."""
    if id_.__class__ is str:
        return id_.strip()
    return "" if id_ is None else str(id_)


def _parse_members(raw: bytes | Raw) -> Event:
    """Without the members whose values have a wrong type."""
    kept: dict[str, Raw] = {}
    reason = None
    members = _decode_members(raw)
    for each in _FIELDS:
        name, value = each.encode_name, getattr(members, each.name)
        try:
            _decode(b"{%b:%b}" % (_encode(name), value))
        except msgspec.ValidationError:
            reason = reason or _flaw(name, value)
        else:
            kept[name] = value
    kept["reason"] = Raw(_encode(reason))
    return _decode_flawed(_encode(kept))


def _flaw(name: str, value: Raw) -> str | None:
    """What a member of a wrong type does to its event; most are as good as absent."""
    if name in OBJECTS and memoryview(value)[0] not in OBJECT_OR_NULL:
        return "not_an_object"
    if name in IDS and memoryview(value)[0] == ord('"'):
        return "too_large"
    return None


def _alias_problem(event: Event) -> str | None:
    if not text_of(event.previous_id):
        return "missing_previous_id"
    if not text_of(event.user_id):
        return "no_user_anon_id"
    return "self_alias" if text_of(event.user_id) == text_of(event.previous_id) else None
