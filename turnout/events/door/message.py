"""One request body → its events, judged. No clock, no socket, no disk.

Each event is parsed just far enough to judge it; its bytes travel on unchanged unless something
has to be added to them or taken out. A refused event becomes a journal line too, with its reason,
and never takes its batch along; so does a repeat of an event that is in the journal already.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

import msgspec
from msgspec import Raw, Struct

from turnout.errors import BadRequest, BodyTooLarge
from turnout.events.door import event as events
from turnout.events.door import plain, wire
from turnout.events.door.event import Event, Id
from turnout.events.door.line import Arrival, LineMaker, line_of

DEPTH_MAX = 64
PROPERTIES_MAX = 10_000
# A shorter event has no room for more members than that.
MEMBER_BYTES_MIN = 5
# What an envelope says for all its events is laid under each of them: a small body must not become
# gigabytes of lines.
SHARED_BYTES_MAX = 16 * 1024 * 1024
NOTHING_UNDER: Mapping[str, Raw] = {}


Decoded = TypeVar("Decoded")


class Batch(Struct, rename="camel"):
    """The envelope of many events. Its context and integrations lie under each event's own."""

    batch: list[Raw]
    sent_at: Any = None
    write_key: Any = None
    context: Raw = events.ABSENT
    integrations: Raw = events.ABSENT


class Sizes(Struct):
    """The parts of an event that may have too many members."""

    properties: dict[str, Raw] | None = None
    traits: dict[str, Raw] | None = None


@dataclass(frozen=True, slots=True)
class Limits:
    """What one event and one batch may have; see `config.Collector`."""

    event_bytes_max: int
    batch_events_max: int


class Index(Protocol):
    """What the door remembers of earlier events; see `seen.Seen`."""

    def fingerprints(self, scope: str, ids: Iterable[str]) -> list[int]:
        """What stands for each message within `scope`."""

    def known(self, fingerprints: Iterable[int]) -> set[int]:
        """Those whose events are in the journal."""


class Taken(Struct, frozen=True, gc=False):
    """One event that needs no more than to be written down."""

    line: bytes
    fingerprints: list[int]


class Judged:
    """A request's events, judged one by one.

    `refused` has (index, message id, reason code). `fingerprints` are those of what was accepted,
    for the index once the lines are durable.
    """

    __slots__ = (
        "_accepted",
        "_arrival",
        "_ids",
        "_limits",
        "_maker",
        "_set_aside",
        "_small_bytes",
        "duplicates",
        "fingerprints",
        "refused",
    )

    def __init__(
        self,
        arrival: Arrival,
        limits: Limits,
        sent_at: Any,
        under: Mapping[str, Raw] = NOTHING_UNDER,
    ) -> None:
        """`sent_at` and `under`, what lies under each event's own members, are the envelope's."""
        self.refused: list[tuple[int, Id, str]] = []
        self.fingerprints: list[int] = []
        self.duplicates = 0
        self._accepted: list[bytes] = []
        self._ids: list[str] = []
        self._set_aside: list[bytes] = []
        self._arrival = arrival
        self._maker = LineMaker(arrival, sent_at, under)
        self._limits = limits
        self._small_bytes = small_bytes(limits)

    @property
    def lines(self) -> list[bytes]:
        """The journal's lines, each ending in a line break."""
        return [*self._accepted, *self._set_aside] if self._set_aside else self._accepted

    @property
    def source(self) -> str:
        """Whose events they are."""
        return self._arrival.sender.source

    @property
    def accepted(self) -> int:
        """How many are neither refused nor repeats."""
        return len(self._accepted)

    def take(self, raw: bytes, event: Event, type_: str) -> None:
        """Add the line of an event."""
        reason = events.problem(event, type_)
        # Looking for a character is many times faster than counting it.
        openings = raw.count(b"{") + (raw.count(b"[") if b"[" in raw else 0)
        if openings > DEPTH_MAX or len(raw) > self._small_bytes:
            reason = _size_problem(raw, openings, self._limits) or reason
        if event.write_key is not None:
            reason = reason or self._key_problem(event.write_key)
        if reason is not None:
            self.refuse(raw, event.message_id, reason)
            return
        id_ = self._maker.id_of(event.message_id)
        self._ids.append(id_)
        self._accepted.append(self._maker.accepted(raw, event, id_, type_))

    def take_plain(self, raws: Sequence[bytes]) -> bool:
        """Add the lines of a whole batch, if each of its events can be stored as it is."""
        if not self._maker.keeps_bytes:
            return False
        found = plain.parse_all(raws, bytes_max=self._small_bytes, openings_max=DEPTH_MAX)
        if found is None:
            return False
        self._ids = [event.message_id.strip() for event in found]
        types = [event.type for event in found]
        self._accepted = self._maker.all_plain(raws, self._ids, types)
        return True

    def refuse(self, raw: bytes, message_id: Id, reason: str) -> None:
        """Add the line of an event that cannot be stored."""
        self.refused.append((len(self._ids) + len(self.refused), message_id, reason))
        self._set_aside.append(self._maker.refused(raw, message_id, reason))

    def sift(self, index: Index | None) -> None:
        """Once, when all are taken: what repeats an earlier event keeps no more than its id."""
        ids = self._ids
        prints = [] if index is None else index.fingerprints(self._arrival.sender.scope, ids)
        known = set() if index is None else index.known(prints)
        if known or len(set(ids)) < len(ids):
            self._set_repeats_aside(prints or ids, known)
        else:
            self.fingerprints = prints

    def _set_repeats_aside(self, marks: Sequence[Any], known: set[int]) -> None:
        """The first of a kind stays; `marks` are fingerprints where there is an index."""
        first: dict[Any, bytes] = {}
        for mark, id_, line in zip(marks, self._ids, self._accepted, strict=True):
            if mark in known or mark in first:
                self._set_aside.append(self._maker.duplicate(id_))
                self.duplicates += 1
            else:
                first[mark] = line
        self._accepted = list(first.values())
        self.fingerprints = list(first) if marks is not self._ids else []

    def _key_problem(self, write_key: Any) -> str | None:
        """A key inside an event must be the request's own."""
        return None if write_key == self._arrival.sender.key else "wrong_write_key"


_decode_batch = msgspec.json.Decoder(Batch).decode
_decode_sizes = msgspec.json.Decoder(Sizes).decode


def parse_batch(body: bytes) -> Batch:
    """The envelope in `body`; `BadRequest` when it is not an object with a list `batch`."""
    _, batch = _decoded(
        wire.plain(body),
        _decode_batch,
        "The body must be a JSON object with a list named 'batch'.",
    )
    return batch


def parse_single(body: bytes) -> tuple[bytes, Event]:
    """The body, mended where needed, and the event it is; `BadRequest` when it is not an object."""
    return _decoded(on_one_line(body), events.parse, "The body must be a JSON object.")


def on_one_line(body: bytes) -> bytes:
    """The body of a single call, as its line in the journal may have it."""
    return wire.plain(body).strip()


def key_in(batch: Batch) -> Any:
    """The write key of the envelope, or else the first that one of its events brings."""
    if batch.write_key is not None:
        return batch.write_key
    for raw in batch.batch:
        if b'"writeKey"' not in memoryview(raw).tobytes():
            continue
        try:
            return events.parse(raw).write_key
        except msgspec.ValidationError:
            continue
    return None


def judge_batch(
    batch: Batch, arrival: Arrival, limits: Limits, index: Index | None = None
) -> Judged:
    """Every event of a batch.

    `BodyTooLarge` for more events than a batch may have: no library sends them, and a small body
    could make a million lines of refusals.
    """
    if len(batch.batch) > limits.batch_events_max:
        raise BodyTooLarge(
            f"The batch has {len(batch.batch)} events; send at most {limits.batch_events_max}."
        )
    shared = _shared_parts(batch)
    shared_bytes = sum(len(memoryview(part)) for part in shared.values())
    if shared_bytes * len(batch.batch) > SHARED_BYTES_MAX:
        raise BodyTooLarge(
            "The batch's context and integrations are too large to be those of each of its events."
        )
    judged = Judged(arrival, limits, batch.sent_at, shared)
    raws = [bytes(raw) for raw in batch.batch]
    if not judged.take_plain(raws):
        for raw in raws:
            _take(judged, raw)
    judged.sift(index)
    return judged


def judge_single(  # noqa: PLR0913 - what a batch brings along stands apart here
    raw: bytes,
    event: Event,
    type_: str,
    arrival: Arrival,
    limits: Limits,
    *,
    index: Index | None = None,
) -> Judged:
    """The event of a single call; the path it came by decides its type."""
    judged = Judged(arrival, limits, event.sent_at)
    judged.take(raw, event, type_)
    judged.sift(index)
    return judged


def take_single(
    raw: bytes, type_: str, arrival: Arrival, limits: Limits, index: Index | None
) -> Taken | None:
    """The event of a single call, if it is as nearly all are; else `judge_single` is to judge."""
    if arrival.sender.is_personal:
        return None
    event = plain.parse_one(raw, type_, bytes_max=small_bytes(limits), openings_max=DEPTH_MAX)
    if event is None:
        return None
    id_ = event.message_id.strip()
    prints = [] if index is None else index.fingerprints(arrival.sender.scope, (id_,))
    if index is not None and index.known(prints):
        return None
    return Taken(line_of(raw, id_, type_, arrival, event.sent_at), prints)


def _decoded(body: bytes, decode: Callable[[bytes], Decoded], wanted: str) -> tuple[bytes, Decoded]:
    """`body`, mended where needed, and what it is; `BadRequest` says what is `wanted`."""
    try:
        try:
            return body, decode(body)
        except msgspec.ValidationError:
            raise
        except (msgspec.DecodeError, RecursionError):
            body = wire.mend(body)
            return body, decode(body)
    except msgspec.ValidationError:
        raise BadRequest(wanted) from None
    except (msgspec.DecodeError, RecursionError):
        raise BadRequest("The body is not JSON.") from None


def _take(judged: Judged, raw: bytes) -> None:
    """One event of a batch, which says its type itself."""
    try:
        event = events.parse(raw)
    except msgspec.ValidationError:
        judged.refuse(raw, None, "not_an_object")
        return
    type_ = event.type or ""
    judged.take(raw, event, type_ if type_ in events.TYPES else type_.strip().lower())


def small_bytes(limits: Limits) -> int:
    """Up to this size an event has not too many of anything."""
    return min(limits.event_bytes_max, PROPERTIES_MAX * MEMBER_BYTES_MIN)


def _size_problem(raw: bytes, openings: int, limits: Limits) -> str | None:
    if len(raw) > limits.event_bytes_max:
        return "too_large"
    if openings > DEPTH_MAX and wire.depth(raw) > DEPTH_MAX:
        return "too_deep"
    if len(raw) > PROPERTIES_MAX * MEMBER_BYTES_MIN and _members(raw) > PROPERTIES_MAX:
        return "too_large"
    return None


def _members(raw: bytes) -> int:
    """How many properties, or traits, the event in `raw` has."""
    try:
        counted = _decode_sizes(raw)
    except msgspec.ValidationError:
        return 0  # one of them is no object, which has a reason of its own
    return max(len(counted.properties or ()), len(counted.traits or ()))


def _shared_parts(batch: Batch) -> dict[str, Raw]:
    """What the envelope says for all its events; a part that is not an object says nothing."""
    parts = {"context": batch.context, "integrations": batch.integrations}
    return {
        name: part
        for name, part in parts.items()
        if part is not events.ABSENT and memoryview(part)[0] == ord("{")
    }
