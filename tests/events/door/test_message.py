from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from turnout.errors import BadRequest, BodyTooLarge
from turnout.events.door.line import Arrival, Sender
from turnout.events.door.message import (
    Judged,
    Limits,
    judge_batch,
    judge_single,
    parse_batch,
    parse_single,
)
from turnout.events.journal.seen import Seen

ARRIVAL = Arrival(
    Sender("alice-key", "web", "analytics"), 1_763_000_000_000, b"2025-11-13T02:13:20.000Z"
)
LIMITS = Limits(event_bytes_max=2_000, batch_events_max=5)


def judge(*events: Any, **envelope: Any) -> Judged:
    body = json.dumps({"batch": events, **envelope}).encode()
    return judge_batch(parse_batch(body), ARRIVAL, LIMITS)


def lines(judged: Judged) -> list[dict[str, Any]]:
    assert all(line.count(b"\n") == 1 and line.endswith(b"\n") for line in judged.lines)
    return [json.loads(line) for line in judged.lines]


def track(**members: Any) -> dict[str, Any]:
    return {"type": "track", "event": "Signed Up", "userId": "alice", **members}


REFUSED = [
    ({"type": "track", "event": "Signed Up"}, "no_user_anon_id"),
    ({"type": "track", "event": "Signed Up", "userId": "  "}, "no_user_anon_id"),
    ({"type": "track", "userId": "alice"}, "missing_event"),
    ({"type": "track", "userId": "alice", "event": 7}, "missing_event"),
    ({"userId": "alice"}, "missing_type"),
    ({"type": "dance", "userId": "alice"}, "unknown_type"),
    ({"type": "group", "userId": "alice"}, "missing_group_id"),
    ({"type": "alias", "userId": "alice"}, "missing_previous_id"),
    ({"type": "alias", "previousId": "alice"}, "no_user_anon_id"),
    ({"type": "alias", "userId": "alice", "previousId": "alice"}, "self_alias"),
    (track(properties=[1]), "not_an_object"),
    (track(context="here"), "not_an_object"),
    ({"type": "identify", "userId": "alice", "traits": "tall"}, "not_an_object"),
    (track(writeKey="bob-key"), "wrong_write_key"),
    (track(properties={"text": "x" * 2_000}), "too_large"),
    (track(userId="a" * 513), "too_large"),
    (track(properties=json.loads("[" * 70 + "]" * 70)), "too_deep"),
    ("a text", "not_an_object"),
    (None, "not_an_object"),
    ([], "not_an_object"),
]


@pytest.mark.parametrize(("event", "reason"), REFUSED)
def test_an_event_that_cannot_be_stored_is_refused_with_its_reason(event: Any, reason: str) -> None:
    judged = judge(track(), event, track())
    assert [(index, why) for index, _, why in judged.refused] == [(1, reason)]
    first, second, refused = lines(judged)
    assert "event" in first
    assert "event" in second
    assert refused["reason"] == reason


def test_a_batch_of_too_many_events_is_refused_as_a_whole() -> None:
    assert len(judge(*[track()] * 5).lines) == 5
    with pytest.raises(BodyTooLarge, match=r"6 events; send at most 5"):
        judge(*[track()] * 6)


def test_an_event_is_kept_as_it_was_sent() -> None:
    raw = b'{ "type":"TRACK", "event":"e", "userId":7, "n":1.10, "big":1208925819614629174706176 }'
    judged = judge_batch(parse_batch(b'{"batch":[' + raw + b"]}"), ARRIVAL, LIMITS)
    assert raw in judged.lines[0]
    assert lines(judged)[0]["type"] == "track"


def test_line_breaks_between_tokens_do_not_break_a_line() -> None:
    body = json.dumps({"batch": [track(properties={"text": "a\nb"})]}, indent=2).encode()
    judged = judge_batch(parse_batch(body), ARRIVAL, LIMITS)
    assert lines(judged)[0]["event"]["properties"] == {"text": "a\nb"}


def test_a_missing_message_id_is_assigned_and_sorts_by_time() -> None:
    first, second = lines(judge(track(messageId=None), track()))
    assert first["id"] != second["id"]
    assert first["id"][14] == "7"
    assert int(first["id"].replace("-", "")[:12], 16) == ARRIVAL.received_ms


def test_a_number_as_message_id_becomes_text() -> None:
    assert lines(judge(track(messageId=12)))[0]["id"] == "12"


def test_ids_of_a_wrong_kind_count_as_absent() -> None:
    judged = judge(track(userId={"a": 1}, anonymousId="x"), track(userId=True))
    assert [reason for _, _, reason in judged.refused] == ["no_user_anon_id"]


def test_the_envelopes_context_lies_under_the_events_own() -> None:
    shared = {"library": {"name": "go", "version": "3"}, "device": {"id": 1.10}, "os": 2**80}
    plain, own = lines(
        judge(track(), track(context={"library": {"version": "4"}, "os": None}), context=shared)
    )
    assert plain["event"]["context"] == shared
    assert own["event"]["context"] == {**shared, "library": {"name": "go", "version": "4"}}


def test_the_write_key_inside_an_event_is_never_stored() -> None:
    judged = judge(track(writeKey="alice-key"), {"writeKey": "alice-key", "type": "track"})
    assert len(judged.lines) == 2
    assert not any(b"alice-key" in line for line in judged.lines)


def test_the_path_decides_the_type_of_a_single_call() -> None:
    raw, event = parse_single(b'{"type":"identify","event":"e","anonymousId":"x","sentAt":"now"}')
    [line] = lines(judge_single(raw, event, "track", ARRIVAL, LIMITS))
    assert (line["type"], line["sent_at"]) == ("track", "now")


@pytest.mark.parametrize("body", [b"", b"{", b"nope", b'{"batch":[}', b"\xff"])
def test_what_is_not_json_is_a_bad_request(body: bytes) -> None:
    with pytest.raises(BadRequest, match="not JSON"):
        parse_batch(body)
    with pytest.raises(BadRequest, match="not JSON"):
        parse_single(body)


@pytest.mark.parametrize("body", [b"[]", b"5", b'"x"', b"null"])
def test_what_is_not_an_object_is_a_bad_request(body: bytes) -> None:
    with pytest.raises(BadRequest, match="object"):
        parse_batch(body)
    with pytest.raises(BadRequest, match="object"):
        parse_single(body)


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(), max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["type", "event", "userId", "messageId", "traits", "context", "properties", "é"]
            ),
            inner,
        )
    ),
    max_leaves=15,
)


@given(st.lists(anything, max_size=4), anything, anything)
def test_any_json_is_judged_event_by_event(events: list[Any], context: Any, sent: Any) -> None:
    judged = judge(*events, context=context, sentAt=sent)
    assert len(lines(judged)) == len(events)


def test_a_source_may_bring_the_same_event_to_two_schemas(tmp_path: Path) -> None:
    index = Seen(tmp_path, b"secret")
    raw, event = parse_single(json.dumps(track(messageId="m-1")).encode())
    for schema, duplicates in (("analytics", 0), ("staging", 0), ("analytics", 1)):
        arrival = Arrival(Sender("key", "web", schema), ARRIVAL.received_ms, ARRIVAL.received_at)
        judged = judge_single(raw, event, "track", arrival, LIMITS, index=index)
        assert judged.duplicates == duplicates
        index.add(judged.fingerprints)
