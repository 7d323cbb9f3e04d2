"""Whole requests as nobody would send them: never an error of ours, and the sum is always right."""

from __future__ import annotations

import gzip
import json
import zlib
from typing import Any

import brotli
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.events.door.conftest import Door
from turnout.events.door.event import Event

BASIC = "Basic YWxpY2Uta2V5Og=="
PATHS = ["/v1/batch", "/v1/import/", "/x/v1/b", "/v1/t", "/v1/identify", "/v1/a", "/v1/m", "/v1/x"]
ODD = ["", "a", "A" * 600, "\0", "\ud800", "é", "null", "127.0.0.1", "alice-key", "track", "1" * 30]
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.sampled_from(ODD) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=8,
)
names = st.sampled_from([*Event.__struct_encode_fields__, "timestamp", "integrations", "other"])
types = st.sampled_from(["track", "identify", "group", "page", "Screen", "alias", "dance", ""])
good = st.fixed_dictionaries(
    {"type": types},
    optional={
        "event": st.text(),
        "userId": st.text() | st.integers(),
        "anonymousId": st.text(),
        "groupId": st.text(),
        "previousId": st.text(),
        "messageId": st.sampled_from(["m1", "m2", "m3"]),
        "properties": st.dictionaries(st.text(), json_values, max_size=4),
        "context": st.fixed_dictionaries(
            {}, optional={"ip": json_values, "direct": json_values, "userAgent": json_values}
        ),
    },
)
events = good | st.dictionaries(names, json_values, max_size=6) | json_values
envelopes = st.fixed_dictionaries(
    {"batch": st.lists(events, max_size=6)},
    optional={"context": json_values, "integrations": json_values, "sentAt": json_values},
)
bodies = st.one_of(
    st.binary(max_size=200),
    events.map(lambda event: json.dumps(event).encode()),
    envelopes.map(lambda envelope: json.dumps(envelope).encode()),
    envelopes.map(
        lambda envelope: json.dumps(envelope, ensure_ascii=False).encode(errors="replace")
    ),
)
PACKINGS: dict[str, Any] = {"gzip": gzip.compress, "deflate": zlib.compress, "br": brotli.compress}


@st.composite
def mutated(draw: st.DrawFn) -> bytes:
    """A valid body with a few bytes changed, put in or taken out."""
    body = bytearray(draw(bodies))
    for _ in range(draw(st.integers(0, 3))):
        place = draw(st.integers(0, len(body)))
        body[place : place + draw(st.integers(0, 3))] = draw(st.binary(max_size=3))
    return bytes(body)


@pytest.fixture(scope="module")
def doors(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Door]:
    """One for each kind of key."""
    doors = {}
    for kind, ip in (("server", "keep"), ("browser", "truncate"), ("mobile", "drop")):
        doors[kind] = Door(tmp_path_factory.mktemp(kind), body_bytes_max=100_000)
        doors[kind].open(kind=kind, ip=ip)
    return doors


@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    kind=st.sampled_from(["server", "browser", "mobile"]),
    method=st.sampled_from(["POST", "POST", "POST", "GET", "OPTIONS", "HEAD", "PUT"]),
    path=st.sampled_from(PATHS) | st.text(max_size=20).map(lambda text: f"/{text}"),
    body=mutated(),
    encoding=st.sampled_from([None, None, "gzip", "deflate", "br", "zstd", "x", "gzip, gzip"]),
    is_packed=st.booleans(),
    headers=st.dictionaries(
        st.sampled_from(
            ["authorization", "origin", "x-strict-mode", "x-retry-count", "user-agent", "host"]
        ),
        st.text(max_size=20) | st.sampled_from([BASIC, "1", "null", "https://a.example"]),
        max_size=4,
    ),
)
def test_no_request_makes_the_door_fail(  # noqa: PLR0917 - hypothesis gives them by name
    doors: dict[str, Door],
    kind: str,
    method: str,
    path: str,
    body: bytes,
    encoding: str | None,
    is_packed: bool,
    headers: dict[str, str],
) -> None:
    if encoding in PACKINGS and is_packed:
        body = PACKINGS[encoding](body)
    given_headers = {**headers, **({"content-encoding": encoding} if encoding else {})}
    answer = doors[kind].ask(method, path, content=body, headers=given_headers)
    assert 200 <= answer.status < 500
    assert not 300 <= answer.status < 400
    for line in doors[kind].lines():
        assert {"id", "source", "schema", "received_at"} <= set(line)


@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(kind=st.sampled_from(["server", "browser", "mobile"]), envelope=envelopes)
def test_every_event_is_accepted_a_repeat_or_rejected(
    doors: dict[str, Door], kind: str, envelope: dict[str, Any]
) -> None:
    doors[kind].paper.lines.clear()
    answer = doors[kind].post("/v1/batch", envelope, authorization=BASIC)
    assert answer.status == 200
    counts = answer.json
    assert counts["accepted"] + counts["duplicates"] + counts["rejected"] == len(envelope["batch"])
    lines = doors[kind].lines()
    assert len(lines) == len(envelope["batch"])
    assert sum("event" in line for line in lines) == counts["accepted"]
    assert sum("duplicate" in line for line in lines) == counts["duplicates"]
    assert sum("reason" in line for line in lines) == counts["rejected"]


@settings(max_examples=200, deadline=None)
@given(batch=st.lists(good.filter(lambda event: "context" not in event), max_size=5))
def test_an_event_with_nothing_to_mend_keeps_its_exact_bytes(
    doors: dict[str, Door], batch: list[dict[str, Any]]
) -> None:
    door = doors["server"]
    door.paper.lines.clear()
    # Floats that are no numbers, lone surrogates and NUL are what there is to mend.
    texts = [json.dumps(event) for event in batch]
    raws = [text.encode() for text in texts if "NaN" not in text and "Infinity" not in text]
    raws = [raw for raw in raws if b"\\ud" not in raw and b"\\u0000" not in raw]
    answer = door.post("/v1/batch", b'{"batch":[%b]}' % b",".join(raws), authorization=BASIC)
    mark = b'"event":{'
    kept = [
        line[line.index(mark) + len(mark) - 1 : -2] for line in door.paper.lines if mark in line
    ]
    assert len(kept) == answer.json["accepted"]
    assert set(kept) <= set(raws)
