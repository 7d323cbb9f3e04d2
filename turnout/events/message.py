"""One request body → its events, judged. No clock, no socket, no disk.

Each event is parsed just far enough to judge it; its bytes travel on unchanged. A refused event
becomes a journal line too, with its reason, and never takes its batch along.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import msgspec
from msgspec import Raw, Struct

from turnout.errors import BadRequest, BodyTooLarge
from turnout.events import wire
from turnout.events.line import Arrival, Id, LineMaker, encode

TYPES = frozenset({"track", "identify", "group", "page", "screen", "alias"})
DEPTH_MAX = 64
ID_CHARS_MAX = 512
ABSENT = Raw(b"null")
# What an optional object may begin with: `{` or the n of null.
OBJECT_OR_NULL = b"{n"


class Event(Struct, rename="camel"):
    """What the door must know of an event. `Raw` keeps bytes as they were sent."""

    type: str | None = None
    message_id: Id = None
    user_id: Id = None
    anonymous_id: Id = None
    event: str | None = None
    group_id: Id = None
    previous_id: Id = None
    properties: Raw = ABSENT
    traits: Raw = ABSENT
    context: Raw = ABSENT
    write_key: str | None = None
    sent_at: Any = None


class Batch(Struct, rename="camel"):
    """The envelope of many events. Its context and integrations lie under each event's own."""

    batch: list[Raw]
    sent_at: Any = None
    write_key: Any = None
    context: Raw = ABSENT
    integrations: Raw = ABSENT


@dataclass(frozen=True, slots=True)
class Limits:
    """What one event and one batch may have; see `config.Collector`."""

    event_bytes_max: int
    batch_events_max: int


class Judged:
    """A request's events, judged one by one: journal lines in order, and what was refused.

    `refused` has (index, message id, reason code).
    """

    def __init__(self, arrival: Arrival, limits: Limits, sent_at: Any) -> None:
        self.lines: list[bytes] = []
        self.refused: list[tuple[int, Id, str]] = []
        self._maker = LineMaker(arrival, sent_at)
        self._key = arrival.sender.key
        self._limits = limits

    def take(
        self, raw: bytes, event: Event, type_: str, under: Mapping[str, Any] | None = None
    ) -> None:
        """Add the line of an event; `under` are the parts of its envelope, where it has any."""
        reason = _problem(raw, event, type_, self._key, self._limits)
        if reason:
            self.refuse(raw, event.message_id, reason)
            return
        if under:
            raw = _laid_over(raw, under)
        self.lines.append(self._maker.accepted(raw, event.message_id, type_, event.write_key))

    def refuse(self, raw: bytes, message_id: Id, reason: str) -> None:
        self.refused.append((len(self.lines), message_id, reason))
        self.lines.append(self._maker.refused(raw, message_id, reason))


_decode_event = msgspec.json.Decoder(Event).decode
_decode_batch = msgspec.json.Decoder(Batch).decode
_decode_any = msgspec.json.Decoder().decode


def parse_batch(body: bytes) -> Batch:
    """The envelope in `body`; `BadRequest` when it is not an object with a list `batch`."""
    body = wire.plain(body)
    try:
        try:
            return _decode_batch(body)
        except msgspec.ValidationError:
            raise
        except (msgspec.DecodeError, RecursionError):
            return _decode_batch(wire.mend(body))
    except msgspec.ValidationError:
        raise BadRequest("The body must be a JSON object with a list named 'batch'.") from None
    except msgspec.DecodeError:
        raise BadRequest("The body is not JSON.") from None


def parse_single(body: bytes) -> tuple[bytes, Event]:
    """The body, mended where needed, and the event it is; `BadRequest` when it is not an object."""
    body = wire.plain(body).strip()
    try:
        try:
            return body, _event(body)
        except (msgspec.DecodeError, RecursionError):
            body = wire.mend(body)
            return body, _event(body)
    except msgspec.ValidationError:
        raise BadRequest("The body must be a JSON object.") from None
    except msgspec.DecodeError:
        raise BadRequest("The body is not JSON.") from None


def judge_batch(batch: Batch, arrival: Arrival, limits: Limits) -> Judged:
    """Lines for every event of a batch.

    `BodyTooLarge` for more events than a batch may have: no library sends them, and a small body
    could make a million lines of refusals.
    """
    if len(batch.batch) > limits.batch_events_max:
        raise BodyTooLarge(
            f"The batch has {len(batch.batch)} events; send at most {limits.batch_events_max}."
        )
    judged = Judged(arrival, limits, batch.sent_at)
    under = _shared_parts(batch)
    for raw_event in batch.batch:
        raw = bytes(raw_event)
        try:
            event = _event(raw)
        except msgspec.ValidationError:
            judged.refuse(raw, None, "not_an_object")
            continue
        judged.take(raw, event, (event.type or "").lower(), under)
    return judged


def judge_single(raw: bytes, event: Event, type_: str, arrival: Arrival, limits: Limits) -> Judged:
    """The line of a single call; the path it came by decides its type."""
    judged = Judged(arrival, limits, event.sent_at)
    judged.take(raw, event, type_)
    return judged


def _event(raw: bytes) -> Event:
    """Raises `ValidationError` only for what is not an object."""
    try:
        return _decode_event(raw)
    except msgspec.ValidationError:
        return _lenient(raw)


def _lenient(raw: bytes) -> Event:
    """An event some of whose fields have a wrong type: those count as absent."""
    members = msgspec.json.decode(raw, type=dict[str, Raw])
    kept: dict[str, Any] = {}
    for name, value in members.items():
        try:
            _decode_event(b"{%b:%b}" % (encode(name), bytes(value)))
        except msgspec.ValidationError:
            continue
        kept[name] = value
    return _decode_event(encode(kept))


def _problem(raw: bytes, event: Event, type_: str, key: str, limits: Limits) -> str | None:
    """Why this event cannot be stored, as a code of `_turnout.rejected_events`; None if it can."""
    if len(raw) > limits.event_bytes_max:
        return "too_large"
    if raw.count(b"{") + raw.count(b"[") > DEPTH_MAX and wire.depth(raw) > DEPTH_MAX:
        return "too_deep"
    if type_ not in TYPES:
        return "unknown_type" if type_ else "missing_type"
    if event.write_key is not None and event.write_key != key:
        return "wrong_write_key"
    for part in (event.properties, event.traits, event.context):
        if part is not ABSENT and memoryview(part)[0] not in OBJECT_OR_NULL:
            return "not_an_object"
    # Only a long event can hold a long id.
    return _missing(event, type_) or (_overlong(event) if len(raw) > ID_CHARS_MAX else None)


def _missing(event: Event, type_: str) -> str | None:
    """The rules of each call: which ids and names it cannot do without."""
    if type_ == "alias":
        return _missing_in_alias(event)
    if type_ == "track" and not (event.event and event.event.strip()):
        return "missing_event"
    if type_ == "group" and not _text(event.group_id):
        return "missing_group_id"
    if not _text(event.user_id) and not _text(event.anonymous_id):
        return "no_user_anon_id"
    return None


def _missing_in_alias(event: Event) -> str | None:
    if not _text(event.previous_id):
        return "missing_previous_id"
    if not _text(event.user_id):
        return "no_user_anon_id"
    return "self_alias" if _text(event.user_id) == _text(event.previous_id) else None


def _overlong(event: Event) -> str | None:
    """An id that long is no id."""
    ids = (event.user_id, event.anonymous_id, event.message_id, event.group_id, event.previous_id)
    for id_ in ids:
        if isinstance(id_, str) and len(id_) > ID_CHARS_MAX:
            return "too_large"
    return None


def _text(id_: Id) -> str:
    return "" if id_ is None else str(id_).strip()


def _shared_parts(batch: Batch) -> dict[str, Any]:
    """What the envelope says for all its events; a part that is not an object says nothing."""
    parts = {
        "context": _decode_any(batch.context),
        "integrations": _decode_any(batch.integrations),
    }
    return {name: part for name, part in parts.items() if isinstance(part, dict) and part}


def _laid_over(raw: bytes, under: Mapping[str, Any]) -> bytes:
    """The event with the envelope's parts under its own; only Go and Java send such parts."""
    members = msgspec.json.decode(raw, type=dict[str, Raw])
    merged: dict[str, Any] = dict(members)
    for name, part in under.items():
        own = _decode_any(members[name]) if name in members else None
        merged[name] = _deep_merge(part, own) if isinstance(own, dict) else part
    return encode(merged)


def _deep_merge(under: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(under)
    for name, value in over.items():
        below = merged.get(name)
        if isinstance(below, dict) and isinstance(value, dict):
            merged[name] = _deep_merge(below, value)
        else:
            merged[name] = value
    return merged
