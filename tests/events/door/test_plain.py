"""What is taken in few steps becomes exactly what a closer look would have made of it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from turnout.events.door import plain
from turnout.events.door.line import Arrival, Sender
from turnout.events.door.message import (
    Judged,
    Limits,
    judge_batch,
    judge_single,
    parse_batch,
    parse_single,
    take_single,
)
from turnout.events.journal.seen import Seen

SENDER = Sender("alice-key", "web", "analytics")
ARRIVAL = Arrival(SENDER, 1_763_000_000_000, b"2025-11-13T02:13:20.000Z")
LIMITS = Limits(event_bytes_max=1_000, batch_events_max=50)
PLAIN = {"type": "track", "event": "Signed Up", "userId": "alice", "messageId": "1"}

ids = st.sampled_from(["alice", " bob ", "", "  ", "\x1f", 'a"b\\', "ü", "x" * 513, 7, None, [1]])
contexts: st.SearchStrategy[Any] = st.sampled_from(
    [None, {}, {"ip": "10.1.2.3"}, {"ip": None}, {"direct": True}, {"direct": False}, {"a": [{}]}]
)
odd = st.fixed_dictionaries(
    {"messageId": st.sampled_from(["1", "2", "3", " 3 ", 4])},
    optional={
        "type": st.sampled_from(["track", "Track ", "identify", "page", "group", "alias", "x", 1]),
        "event": st.sampled_from(["Signed Up", "", " ", None, 7]),
        "userId": ids,
        "anonymousId": ids,
        "groupId": ids,
        "previousId": ids,
        "context": contexts,
        "properties": st.sampled_from(
            [
                {},
                None,
                {"a": [1]},
                [1],
                "text",
                {"text": "x" * 1_000},
                json.loads("[" * 70 + "]" * 70),
            ]
        ),
        "writeKey": st.sampled_from(["alice-key", "bob-key", None]),
        "options": st.sampled_from([{}, None]),
        "_metadata": st.sampled_from([{}, None]),
        "sentAt": st.sampled_from(["2026-11-21T10:00:00Z", "x" * 101, None, 7]),
    },
)
# Some with one oddity, some with many.
events = st.builds(lambda base, over: {**base, **over}, st.sampled_from([{}, PLAIN]), odd)


def told(judged: Judged) -> tuple[Any, ...]:
    return judged.lines, judged.fingerprints, judged.refused, judged.duplicates


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> Seen:
    seen = Seen(tmp_path_factory.mktemp("seen"), b"secret")
    seen.add([seen.fingerprint(SENDER.scope, "2")])
    return seen


@given(st.lists(events, max_size=4))
def test_a_batch_taken_at_once_is_as_if_each_event_had_been_judged(
    seen: Seen, batch: list[Any]
) -> None:
    body = json.dumps({"batch": batch}).encode()
    quick = judge_batch(parse_batch(body), ARRIVAL, LIMITS, seen)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(plain, "parse_all", lambda *_, **__: None)
        careful = judge_batch(parse_batch(body), ARRIVAL, LIMITS, seen)
    assert told(quick) == told(careful)


@given(events, st.sampled_from(["track", "identify", "page", "screen", "group", "alias"]))
def test_an_event_taken_at_once_is_as_if_it_had_been_judged(
    seen: Seen, event: dict[str, Any], type_: str
) -> None:
    raw, parsed = parse_single(json.dumps(event).encode())
    taken = take_single(raw, type_, ARRIVAL, LIMITS, seen)
    if taken is not None:
        judged = judge_single(raw, parsed, type_, ARRIVAL, LIMITS, index=seen)
        assert told(judged) == ([taken.line], taken.fingerprints, [], 0)


def test_what_is_plain_is_taken_at_once(tmp_path: Path) -> None:
    raw = json.dumps({**PLAIN, "properties": {"a": [{"b": 1}]}, "context": {"page": {}}}).encode()
    assert take_single(raw, "track", ARRIVAL, LIMITS, Seen(tmp_path, b"secret")) is not None
    assert plain.parse_all([raw] * 3, bytes_max=1_000, openings_max=10) is not None


@pytest.mark.parametrize(
    "member",
    [{"context": {"ip": "10.1.2.3"}}, {"writeKey": "alice-key"}, {"options": {}}, {"userId": " "}],
)
def test_what_asks_for_a_change_is_looked_at_closely(member: dict[str, Any]) -> None:
    raw = json.dumps({**PLAIN, **member}).encode()
    assert take_single(raw, "track", ARRIVAL, LIMITS, None) is None
    assert plain.parse_all([raw], bytes_max=1_000, openings_max=10) is None


def test_the_events_of_a_person_s_browser_are_looked_at_closely() -> None:
    sender = Sender("alice-key", "web", "analytics", is_personal=True)
    arrival = Arrival(sender, ARRIVAL.received_ms, ARRIVAL.received_at)
    assert take_single(json.dumps(PLAIN).encode(), "track", arrival, LIMITS, None) is None
