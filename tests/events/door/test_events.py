from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from tests.events.door.conftest import Door

BASIC = "Basic YWxpY2Uta2V5Og=="
PAGE = "https://app.example.com"
UA = "Mozilla/5.0"


def track(**members: Any) -> dict[str, Any]:
    return {"type": "track", "event": "Signed Up", "userId": "alice", **members}


# Who sends


def test_the_key_may_stand_after_the_events(door: Door) -> None:
    body = b'{"batch":[%b],"writeKey":"alice-key"}' % json.dumps(track()).encode()
    assert door.post("/v1/b", body).status == 200


def test_the_key_of_an_event_is_taken_when_there_is_no_other(door: Door) -> None:
    batch = {"batch": [track(), 7, track(writeKey="alice-key")]}
    answer = door.post("/v1/b?writeKey=stranger", batch)
    assert (answer.status, answer.json["accepted"]) == (200, 2)
    assert door.post("/v1/t", track(writeKey="alice-key")).status == 200
    assert "alice-key" not in json.dumps(door.lines())


def test_a_key_inside_an_event_must_be_the_requests_own(door: Door) -> None:
    batch = {"batch": [track(), track(writeKey="bob-key")]}
    answer = door.post("/v1/batch", batch, authorization=BASIC)
    assert (answer.json["accepted"], answer.json["rejected"]) == (1, 1)
    lines = door.lines()
    assert lines[1]["reason"] == "wrong_write_key"
    assert "bob-key" not in json.dumps(lines)


@pytest.mark.parametrize(
    ("given", "status"),
    [
        ({"authorization": BASIC, "in_body": "stranger"}, 200),
        ({"in_body": "alice-key", "query": "stranger"}, 200),
        ({"in_body": "stranger", "query": "alice-key"}, 401),
        ({"query": "alice-key"}, 200),
        ({"authorization": "Bearer x", "in_body": "alice-key"}, 200),
        ({"authorization": "Basic !!!", "in_body": "alice-key"}, 200),
        ({"authorization": "Basic Ym9iOg==", "in_body": "alice-key"}, 401),
        ({}, 401),
    ],
)
def test_the_first_place_that_brings_a_key_decides(
    door: Door, given: dict[str, str], status: int
) -> None:
    headers = {"authorization": given["authorization"]} if "authorization" in given else {}
    body = {"batch": [track()], **({"writeKey": given["in_body"]} if "in_body" in given else {})}
    query = f"?writeKey={given['query']}" if "query" in given else ""
    assert door.post(f"/v1/batch{query}", body, **headers).status == status


def test_origins_limit_pages_and_nobody_else(door: Door) -> None:
    door.open(kind="browser", origins=(PAGE, "null"))
    for origin in (PAGE, "null"):
        answer = door.post("/v1/t", track(), authorization=BASIC, origin=origin)
        assert answer.status == 200
        assert answer.headers["access-control-allow-origin"] == origin
        assert answer.headers["access-control-allow-credentials"] == "true"
        assert answer.headers["vary"] == "origin"
    assert door.post("/v1/t", track(), authorization=BASIC).status == 200
    answer = door.post("/v1/t", track(), authorization=BASIC, origin="https://evil.example")
    assert answer.status == 403
    assert "access-control-allow-origin" not in answer.headers


def test_errors_can_be_read_by_pages_too(door: Door) -> None:
    answer = door.post("/v1/t", b"nope", authorization=BASIC, origin=PAGE)
    assert answer.status == 400
    assert answer.headers["access-control-allow-origin"] == PAGE
    assert answer.headers["access-control-expose-headers"] == "retry-after"


@pytest.mark.parametrize("wanted", ["", "authorization, content-type, x-retry-count, x-mine"])
def test_a_preflight_allows_what_it_asks_for(door: Door, wanted: str) -> None:
    headers = {"origin": PAGE, "access-control-request-method": "POST"}
    if wanted:
        headers["access-control-request-headers"] = wanted
    answer = door.ask("OPTIONS", "/v1/t", headers=headers)
    assert (answer.status, answer.body) == (204, b"")
    assert answer.headers["access-control-allow-headers"] == (
        wanted or "authorization, content-type, x-retry-count"
    )
    assert answer.headers["access-control-max-age"] == "86400"
    assert answer.headers["access-control-allow-origin"] == PAGE


def test_over_its_rate_a_key_is_told_when_to_come_again(door: Door) -> None:
    door.open(rate_per_s=2)
    statuses = [door.post("/v1/t", track(), authorization=BASIC).status for _ in range(3)]
    assert statuses == [200, 200, 429]
    answer = door.post("/v1/t", track(), authorization=BASIC)
    assert answer.headers["retry-after"] == "1"
    assert len(door.lines()) == 2


# What is stored


def test_what_is_for_the_door_alone_is_never_stored(door: Door) -> None:
    event = track(
        writeKey="alice-key",
        _metadata={"bundled": ["a"]},
        options={"x": 1},
        integrations={"Segment.io": True},
        properties={"writeKey": "mine", "n": 1.10, "big": 2**80},
    )
    assert door.post("/v1/t", event, authorization=BASIC).status == 200
    stored = door.line()["event"]
    assert not {"writeKey", "_metadata", "options"} & set(stored)
    assert stored["properties"] == event["properties"]
    assert stored["integrations"] == {"Segment.io": True}


def test_an_event_that_needs_no_change_keeps_every_byte(door: Door) -> None:
    raw = b'{ "type":"track","event":"e", "userId":7,"x":{"a":1.10,"a2":[ 1 ]},"userId":8 }'
    door.post("/v1/batch", b'{"batch":[%b]}' % raw, authorization=BASIC)
    assert raw in door.paper.lines[0]


def test_ids_may_be_numbers_and_null_is_absent(door: Door) -> None:
    batch = [
        track(userId=7, messageId=12),
        track(userId=None, anonymousId="anon", messageId=None),
        track(userId=None, anonymousId=None),
    ]
    answer = door.post("/v1/batch", {"batch": batch}, authorization=BASIC)
    assert (answer.json["accepted"], answer.json["rejected"]) == (2, 1)
    first, second, refused = door.lines()
    assert (first["id"], second["id"][14], refused["reason"]) == ("12", "7", "no_user_anon_id")


def test_the_path_decides_the_type_whatever_its_case_in_batches(door: Door) -> None:
    door.post("/v1/page", {"type": "TRACK", "userId": "a"}, authorization=BASIC)
    door.post("/v1/batch", {"batch": [{"type": " Page ", "userId": "a"}]}, authorization=BASIC)
    assert [line["type"] for line in door.lines()] == ["page", "page"]


def test_too_many_properties_are_too_large(make_door: Callable[..., Door]) -> None:
    door = make_door()
    for count, accepted in ((10_000, 1), (10_001, 0)):
        event = track(properties={f"p{number}": 1 for number in range(count)})
        answer = door.post("/v1/batch", {"batch": [event]}, authorization=BASIC)
        assert answer.json["accepted"] == accepted
    assert door.lines()[1]["reason"] == "too_large"


@pytest.mark.parametrize(("levels", "reason"), [(63, None), (64, "too_deep"), (5_000, "too_deep")])
def test_nesting_ends_at_64(door: Door, levels: int, reason: str | None) -> None:
    deep = b'{"type":"track","event":"e","userId":"a","properties":%b1%b}' % (
        b'{"a":' * levels,
        b"}" * levels,
    )
    door.post("/v1/batch", b'{"batch":[%b]}' % deep, authorization=BASIC)
    assert door.line().get("reason") == reason


def test_an_address_out_of_range_is_no_reason_to_fail(door: Door) -> None:
    raw = b'{"type":"track","event":"e","userId":"a","context":{"ip":1e999,"x":1e999}}'
    batch = b'{"batch":[%b],"context":{"y":1e999}}' % raw
    assert door.post("/v1/batch", batch, authorization=BASIC).json["accepted"] == 1
    assert b'"y":1e999' in door.paper.lines[0]


# Repeats


def test_a_repeat_is_counted_and_leaves_no_more_than_its_id(door: Door) -> None:
    batch = {"batch": [track(messageId="one"), track(messageId="two"), track(messageId="one")]}
    first = door.post("/v1/batch", batch, authorization=BASIC).json
    assert first == {"success": True, "accepted": 2, "duplicates": 1, "rejected": 0}
    assert [line.get("duplicate") for line in door.lines()] == [None, None, True]
    again = door.post("/v1/import", batch, authorization=BASIC).json
    assert again == {"success": True, "accepted": 0, "duplicates": 3, "rejected": 0}
    for line in door.lines():
        assert set(line) == {"id", "source", "schema", "received_at", "duplicate"}
    single = door.post("/v1/t", track(messageId="two"), authorization=BASIC)
    assert (single.status, single.json) == (200, {"success": True})
    assert door.line()["duplicate"] is True


def test_a_rejected_event_may_come_again_mended(door: Door) -> None:
    batch = {"batch": [track(messageId="one", event="")]}
    assert door.post("/v1/batch", batch, authorization=BASIC).json["rejected"] == 1
    batch = {"batch": [track(messageId="one")]}
    assert door.post("/v1/batch", batch, authorization=BASIC).json["accepted"] == 1


# Addresses and browsers


@pytest.mark.parametrize(
    ("policy", "filled", "given"),
    [
        ("keep", "198.51.100.77", "203.0.113.9"),
        ("truncate", "198.51.100.0", "203.0.113.0"),
        ("drop", None, None),
    ],
)
@pytest.mark.parametrize("kind", ["browser", "mobile"])
def test_events_of_people_get_their_address_and_browser(
    door: Door, kind: str, policy: str, filled: str | None, given: str | None
) -> None:
    door.open(kind=kind, ip=policy)
    batch = [
        track(),
        track(context={"ip": "203.0.113.9", "userAgent": "app/1", "locale": "de"}),
        track(context=None),
    ]
    door.ask(
        "POST",
        "/v1/b",
        content=json.dumps({"batch": batch, "writeKey": "alice-key"}).encode(),
        headers={"user-agent": UA},
        client="198.51.100.77:4000",
    )
    bare, own, null = (line["event"]["context"] for line in door.lines())
    assert (bare.get("ip"), bare["userAgent"]) == (filled, UA)
    assert (own.get("ip"), own["userAgent"], own["locale"]) == (given, "app/1", "de")
    assert null == bare


def test_events_of_servers_get_no_address_unless_they_ask(door: Door) -> None:
    asked = {"library": {"name": "x"}, "direct": True}
    batch = [track(), track(context=asked), track(context={"direct": False})]
    door.post("/v1/batch", {"batch": batch}, authorization=BASIC, user_agent="python")
    plain, direct, other = (line["event"] for line in door.lines())
    assert "context" not in plain
    assert direct["context"] == {**asked, "ip": "127.0.0.0", "userAgent": "python"}
    assert other["context"] == {"direct": False}


def test_an_address_a_server_names_follows_the_policy_too(door: Door) -> None:
    for policy, kept in (("keep", "203.0.113.9"), ("truncate", "203.0.113.0"), ("drop", None)):
        door.open(ip=policy)
        door.post("/v1/t", track(context={"ip": "203.0.113.9"}), authorization=BASIC)
        assert door.line()["event"]["context"].get("ip") == kept
    envelope = {"batch": [track()], "context": {"ip": "203.0.113.9"}}
    door.post("/v1/batch", envelope, authorization=BASIC)
    assert door.line()["event"]["context"] == {}
    door.post("/v1/t", track(event="", context={"ip": "203.0.113.9"}), authorization=BASIC)
    assert "203.0.113.9" not in json.dumps(door.line())


def test_the_address_comes_from_proxies_of_ours(make_door: Callable[..., Door]) -> None:
    door = make_door(trusted_proxies="127.0.0.1 10.0.0.0/8")
    door.open(kind="browser", ip="keep")
    forwarded = "203.0.113.1, 2001:db8::7, 10.1.1.1"
    door.post("/v1/t", track(), authorization=BASIC, x_forwarded_for=forwarded)
    assert door.line()["event"]["context"]["ip"] == "2001:db8::7"
