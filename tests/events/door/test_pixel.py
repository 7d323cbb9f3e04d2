from __future__ import annotations

import base64
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.events.door.conftest import Door
from turnout.errors import BadRequest
from turnout.events.door import pixel

EVENT = {"event": "Opened >> Mail?", "userId": "alice", "properties": {"plan": "pro"}}


def test_an_image_brings_an_event_in_one_field(door: Door) -> None:
    data = base64.urlsafe_b64encode(json.dumps(EVENT).encode()).decode().rstrip("=")
    answer = door.ask("GET", f"/v1/pixel/track?data={data}&writeKey=alice-key")
    assert (answer.status, answer.headers["content-type"]) == (200, "image/gif")
    assert answer.headers["cache-control"] == "no-store"
    assert answer.body.startswith(b"GIF89a")
    line = door.line()
    assert (line["type"], line["event"]) == ("track", EVENT)


def test_an_image_brings_an_event_in_flat_fields(door: Door) -> None:
    query = "writeKey=alice-key&userId=alice&name=Mail&properties.plan=pro&context.page.url=a%2Fb"
    assert door.ask("GET", f"/x/v1/pixel/page/?{query}").status == 200
    assert door.line()["event"] == {
        "userId": "alice",
        "name": "Mail",
        "properties": {"plan": "pro"},
        "context": {"page": {"url": "a/b"}},
    }


@pytest.mark.parametrize(
    "query",
    ["", "writeKey=stranger&userId=a", "data=%%%", "data=e30", "writeKey=alice-key&data=bm9wZQ"],
)
def test_an_image_is_answered_whatever_came(door: Door, query: str) -> None:
    answer = door.ask("GET", f"/v1/pixel/track?{query}")
    assert (answer.status, answer.headers["content-type"]) == (200, "image/gif")
    assert door.lines() == []


def test_an_image_is_answered_even_while_starting(door: Door) -> None:
    door.collector.keys = None
    assert door.ask("GET", "/v1/pixel/track?writeKey=alice-key&userId=a&event=e").status == 200
    assert door.lines() == []


def test_looking_at_the_head_alone_brings_no_event(door: Door) -> None:
    query = "writeKey=alice-key&userId=a&event=e"
    assert door.ask("HEAD", f"/v1/pixel/track?{query}").status == 200
    assert door.lines() == []


@given(st.dictionaries(st.text(), st.text()))
def test_any_fields_make_an_object_or_a_bad_request(fields: dict[str, str]) -> None:
    try:
        found = pixel.event_bytes(fields)
    except BadRequest:
        return
    if "data" not in fields:
        assert isinstance(json.loads(found), dict)
