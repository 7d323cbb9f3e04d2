from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from pathlib import Path

import brotli
import pytest

from tests.events.door.conftest import Door

HOST = {"host": "events.example.com:8101"}
SCRIPT = b"!function(){" + b"analytics;" * 200 + b"}()"
CHUNK = "ajs.bundle.0123456789abcdef0123.js"


@pytest.fixture
def packed_door(tmp_path: Path) -> Door:
    """Of an installation that has the browser library."""
    folder = tmp_path / "browser"
    (folder / "bundles").mkdir(parents=True)
    (folder / "analytics.min.js").write_bytes(SCRIPT)
    (folder / "bundles" / CHUNK).write_bytes(b"chunk")
    (tmp_path / "secret.js").write_bytes(b"secret")
    return Door(tmp_path)


def test_settings_steer_an_sdk_to_where_it_asked(door: Door) -> None:
    answer = door.ask("GET", "/x/v1/projects/alice-key/settings", headers=HOST)
    assert answer.status == 200
    assert answer.headers["cache-control"] == "public, max-age=300"
    assert answer.json == {
        "integrations": {
            "Segment.io": {
                "apiKey": "alice-key",
                "apiHost": "events.example.com:8101/x/v1",
                "protocol": "http",
                "addBundledMetadata": False,
            }
        },
        "metrics": {"host": "events.example.com:8101/x/v1", "sampleRate": 0},
    }


def test_settings_name_the_public_address_when_there_is_one(
    make_door: Callable[..., Door],
) -> None:
    door = make_door(public_url="https://events.example.com/in")
    answer = door.ask("GET", "/v1/projects/alice-key/settings", headers={"host": "10.0.0.1"})
    integration = answer.json["integrations"]["Segment.io"]
    assert (integration["apiHost"], integration["protocol"]) == (
        "events.example.com/in/v1",
        "https",
    )


@pytest.mark.parametrize(
    ("proxies", "protocol"), [("127.0.0.1", "https"), ("10.0.0.0/8", "http"), ("", "http")]
)
def test_the_protocol_is_believed_from_proxies_of_ours(
    make_door: Callable[..., Door], proxies: str, protocol: str
) -> None:
    door = make_door(trusted_proxies=proxies)
    headers = {**HOST, "x-forwarded-proto": "https"}
    answer = door.ask("GET", "/v1/projects/alice-key/settings", headers=headers)
    assert answer.json["integrations"]["Segment.io"]["protocol"] == protocol


@pytest.mark.parametrize("host", ['evil"/>', "a b", "a/b", "", "x:99999999"])
def test_a_strange_host_never_gets_into_the_settings(door: Door, host: str) -> None:
    answer = door.ask("GET", "/v1/projects/alice-key/settings", headers={"host": host})
    assert answer.json["integrations"]["Segment.io"]["apiHost"] == "127.0.0.1:8101/v1"


def test_settings_of_an_unknown_key_are_404_and_503_while_starting(door: Door) -> None:
    assert door.ask("GET", "/v1/projects/stranger/settings", headers=HOST).status == 404
    door.collector.keys = None
    assert door.ask("GET", "/v1/projects/alice-key/settings", headers=HOST).status == 503


@pytest.mark.parametrize(
    ("accepted", "encoding"),
    [
        ("", None),
        ("gzip, deflate", "gzip"),
        ("gzip, deflate, br, zstd", "br"),
        ("GZIP;q=1", "gzip"),
    ],
)
def test_the_browser_library_comes_packed_for_whom_unpacks(
    packed_door: Door, accepted: str, encoding: str | None
) -> None:
    path = "/analytics.js/v1/alice-key/analytics.min.js"
    answer = packed_door.ask("GET", path, headers={"accept-encoding": accepted})
    assert (answer.status, answer.headers.get("content-encoding")) == (200, encoding)
    unpack = {None: bytes, "gzip": gzip.decompress, "br": brotli.decompress}[encoding]
    assert unpack(answer.body) == SCRIPT
    assert answer.headers["content-type"] == "text/javascript; charset=utf-8"
    assert answer.headers["cache-control"] == "public, max-age=300"
    assert answer.headers["access-control-allow-origin"] == "*"
    known = {"if-none-match": answer.headers["etag"]}
    assert packed_door.ask("GET", path, headers=known).status == 304
    assert packed_door.ask("GET", path.replace("alice", "bob"), headers={}).status == 404


def test_chunks_are_kept_for_ever_and_looked_up_by_name_alone(packed_door: Door) -> None:
    answer = packed_door.ask("GET", f"/analytics-next/bundles/{CHUNK}")
    assert (answer.status, answer.body) == (200, b"chunk")
    assert "immutable" in answer.headers["cache-control"]
    for name in ("../analytics.min.js", "../../secret.js", "/etc/passwd", "", ".", f"./{CHUNK}"):
        assert packed_door.ask("GET", f"/analytics-next/bundles/{name}").status == 404


def test_without_the_library_its_routes_say_so(door: Door) -> None:
    for path in (
        "/analytics.js/v1/alice-key/analytics.min.js",
        f"/analytics-next/bundles/{CHUNK}",
    ):
        answer = door.ask("GET", path)
        assert answer.status == 404
        assert "browser library" in answer.json["error"]
    assert door.ask("GET", "/next-integrations/x.js").status == 404


def test_health_and_readiness_differ_while_starting_and_stopping(door: Door) -> None:
    assert door.ask("GET", "/healthz").status == 200
    assert door.ask("GET", "/readyz/").json == {"ready": True}
    door.collector.keys = None
    assert door.ask("GET", "/healthz").status == 200
    answer = door.ask("GET", "/readyz")
    assert (answer.status, "starting" in answer.json["error"]) == (503, True)


TOKEN = {"authorization": "Bearer metrics-token"}


def test_meters_are_for_who_holds_the_token(door: Door) -> None:
    event = {"type": "track", "event": "e", "userId": "a", "writeKey": "alice-key"}
    door.post("/v1/track", event, x_retry_count="2")
    text = door.ask("GET", "/metrics", headers=TOKEN, client="192.0.2.7:5000").body.decode()
    assert 'turnout_requests_total{status="200"}' in text
    assert 'turnout_received_total{source="web"}' in text
    assert "turnout_retries_total" in text
    assert door.ask("GET", "/metrics").status == 403


def test_no_web_page_of_others_can_read_how_it_is(door: Door) -> None:
    for path in ("/metrics", "/healthz", "/readyz"):
        answer = door.ask("GET", path, headers={"origin": "https://evil.example"})
        assert "access-control-allow-origin" not in answer.headers


def test_what_sdks_count_about_themselves_is_taken_and_not_kept(door: Door) -> None:
    answer = door.post("/v1/m", {"series": [{"type": "Counter", "metric": "x", "value": 1}]})
    assert (answer.status, answer.json) == (200, {"success": True})
    assert door.lines() == []
    assert b"turnout_sdk_metrics_total" in door.ask("GET", "/metrics", headers=TOKEN).body


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "GET", "HEAD"])
def test_events_are_taken_by_post_only_and_nothing_redirects(door: Door, method: str) -> None:
    answer = door.ask(method, "/v1/batch")
    assert (answer.status, answer.headers["allow"]) == (405, "POST, OPTIONS")
    assert door.ask(method, "/nothing/here").status == 404
    if method not in ("GET", "HEAD"):
        assert door.ask(method, "/healthz").status == 405


def test_every_answer_is_json_but_what_is_meant_to_be_read(door: Door) -> None:
    for path in ("/healthz", "/readyz", "/nothing", "/v1/batch"):
        json.loads(door.ask("GET", path).body)


def test_settings_kept_for_nobody_are_not_given_to_a_page(door: Door) -> None:
    nobody = door.ask("GET", "/v1/projects/alice-key/settings")
    assert nobody.headers["vary"] == "origin"
    page = {"origin": "https://app.example.com"}
    answer = door.ask("GET", "/v1/projects/alice-key/settings", headers=page)
    assert answer.headers["vary"] == "origin"


@pytest.mark.parametrize("name", ["x-forwarded-for", "forwarded", "x-real-ip", "via"])
def test_without_a_token_meters_are_for_this_machine_and_no_proxy_on_it(
    make_door: Callable[..., Door], name: str
) -> None:
    door = make_door(token="")
    assert door.ask("GET", "/metrics").status == 200
    assert door.ask("GET", "/metrics", headers={name: "1"}).status == 403
