"""Libraries for browsers in a real Chromium: pages on one origin, the collector on another."""

from __future__ import annotations

import json
import re
import ssl
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime, timedelta
from ssl import SSLContext
from typing import Any
from urllib.parse import urlsplit

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.running import Turnout, eventually
from tests.sdk import ledger
from tests.sdk.clients.send import CALLS
from tests.sdk.mishap import Mishap, plan
from tests.sdk.proxy import Proxy
from tests.sdk.shop import Shop
from tests.sdk.snapshot import snapshot
from tests.sdk.source import new_key, opened
from turnout.access.keys import WriteKey
from turnout.web.snippets import snippets

TRACKS = 20
SENT = 6 + TRACKS
# As a page makes them; the arguments are in another order than on servers.
MAKE_ALL = """([calls, tracks]) => {
  const make = {
    alias: (c) => analytics.alias(c.userId, c.previousId),
    identify: (c) => analytics.identify(c.userId, c.traits),
    group: (c) => analytics.group(c.groupId, c.traits),
    track: (c) => analytics.track(c.event, c.properties),
    page: (c) => analytics.page(c.category, c.name, c.properties),
    screen: (c) => analytics.screen(c.category, c.name, c.properties),
  };
  for (const call of calls) if (make[call.type] && analytics[call.type]) make[call.type](call);
  for (let n = 0; n < tracks; n++) analytics.track("Counted", { n });
}"""
BATCHING = {"strategy": "batching", "config": {"size": 10, "timeout": 300}}
PATIENT = {"strategy": "batching", "config": {"size": 100, "timeout": 600_000}}


def delivered_by(strategy: dict[str, Any]) -> dict[str, Any]:
    return {"integrations": {"Segment.io": {"deliveryStrategy": strategy}}}


@pytest.fixture(scope="module")
def turnout(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Turnout]:
    """One that believes the proxies before it about https."""
    with opened(tmp_path_factory.mktemp("sdk"), trusted_proxies="127.0.0.1") as running:
        yield running


@pytest.fixture(scope="module")
def shop(clients: None) -> Iterator[Shop]:
    with Shop() as shop:
        yield shop


@pytest.fixture
def visitor(chromium: Any, shop: Shop) -> Iterator[Any]:
    """A browser nobody has used yet; it must not speak to anyone but shop and collector."""
    context = chromium.new_context(ignore_https_errors=True)
    hosts: set[str] = set()
    context.on("request", lambda request: hosts.add(urlsplit(request.url).hostname or ""))
    yield context
    context.close()
    assert hosts <= {"localhost", "127.0.0.1"}


@pytest.fixture
def network(turnout: Turnout) -> Iterator[Callable[..., Proxy]]:
    """Opens networks; a plan is only for requests that carry events."""
    opened: list[Proxy] = []

    def open_(mishaps: Iterable[Mishap] = (), secure: SSLContext | None = None) -> Proxy:
        proxy = Proxy(turnout.config.collector.port, mishaps, secure=secure)
        opened.append(proxy.__enter__())
        return proxy

    yield open_
    for proxy in opened:
        proxy.__exit__(None, None, None)


@pytest.fixture(scope="module")
def secure(tmp_path_factory: pytest.TempPathFactory) -> SSLContext:
    """A certificate that nobody has signed, as a browser told to ignore that accepts it."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(hours=1))
        .sign(key, hashes.SHA256())
    )
    plain = serialization.NoEncryption()
    pem = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain
    ) + certificate.public_bytes(serialization.Encoding.PEM)
    file = tmp_path_factory.mktemp("tls") / "server.pem"
    file.write_bytes(pem)
    context = SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file)
    return context


def snippet_for(language: str, key: str, url: str) -> str:
    """What the Sources page offers."""
    write_key = WriteKey(key, "acme", "analytics", datetime.now(UTC), None)
    [text] = [one.text for one in snippets(write_key, url) if one.language == language]
    return text


def make_all_calls(page: Any) -> None:
    page.evaluate(MAKE_ALL, [json.loads(CALLS.read_text()), TRACKS])


def wait_for(proxy: Proxy, events: int) -> None:
    eventually(f"{events} events are acknowledged", lambda: len(set(proxy.acknowledged)) == events)
    proxy.settled()


@pytest.mark.parametrize("strategy", ["standard", "batching"])
def test_all_six_calls_arrive_once_though_the_network_is_hostile(
    strategy: str, turnout: Turnout, shop: Shop, visitor: Any, network: Callable[..., Proxy]
) -> None:
    source = f"browser_{strategy}"
    key = new_key(turnout, source, kind="browser", origins=[shop.url])
    # In batches there are too few requests for everything.
    proxy = network(
        plan(11) if strategy == "standard" else [Mishap.CUT_AFTER_COMMIT, Mishap.REFUSED]
    )
    options = delivered_by(BATCHING) if strategy == "batching" else {}
    page = visitor.new_page()
    page.goto(shop.standalone("/", proxy.url, key, options, _cdn=proxy.url))
    make_all_calls(page)
    wait_for(proxy, SENT)
    assert proxy.plan == []
    assert max(proxy.retry_counts) > 0
    with snapshot(turnout) as after:
        ledger.assert_all_six(after, source)
        ledger.assert_counted(after, source, TRACKS)
        ledger.assert_balanced(after, source, proxy)


def test_the_package_with_our_address_as_its_cdn_needs_nothing_else(
    turnout: Turnout, shop: Shop, visitor: Any, network: Callable[..., Proxy]
) -> None:
    key = new_key(turnout, "browser_packaged", kind="browser")
    proxy = network()
    page = visitor.new_page()
    page.goto(shop.packaged("/packaged", proxy.url, key))
    make_all_calls(page)
    wait_for(proxy, SENT)
    with snapshot(turnout) as after:
        ledger.assert_all_six(after, "browser_packaged")
        ledger.assert_counted(after, "browser_packaged", TRACKS)


def test_what_waits_in_a_batch_is_sent_when_the_page_is_left(
    turnout: Turnout, shop: Shop, visitor: Any, network: Callable[..., Proxy]
) -> None:
    key = new_key(turnout, "browser_left", kind="browser")
    proxy = network()
    page = visitor.new_page()
    page.goto(shop.packaged("/left", proxy.url, key, delivered_by(PATIENT)))
    page.evaluate("Promise.all([analytics.track('Left', {n: 1}), analytics.track('Left')])")
    assert proxy.acknowledged == []
    page.goto(shop.html("/elsewhere", "Good bye"))
    wait_for(proxy, 2)


def test_what_was_tracked_offline_is_sent_on_the_next_visit(
    turnout: Turnout, shop: Shop, visitor: Any, network: Callable[..., Proxy]
) -> None:
    key = new_key(turnout, "browser_offline", kind="browser")
    proxy = network()
    address = shop.packaged("/offline", proxy.url, key)
    page = visitor.new_page()
    page.goto(address)
    page.evaluate("analytics.ready()")
    visitor.set_offline(True)
    page.evaluate("for (let n = 0; n < 3; n++) analytics.track('Counted', {n})")
    page.goto("about:blank")
    assert proxy.acknowledged == []
    visitor.set_offline(False)
    page.goto(address)
    wait_for(proxy, 3)
    with snapshot(turnout) as after:
        ledger.assert_counted(after, "browser_offline", 3)


def test_the_snippet_of_the_sources_page_works_as_it_is_pasted(
    turnout: Turnout, shop: Shop, visitor: Any, network: Callable[..., Proxy]
) -> None:
    source = "browser_snippet"
    key = new_key(turnout, source, kind="browser")
    proxy = network()
    page = visitor.new_page()
    snippet = snippet_for("Web page", key, proxy.url)
    page.goto(shop.html("/snippet", f"<!doctype html><title>Acme</title>{snippet}"))
    wait_for(proxy, 4)
    with snapshot(turnout) as after:
        assert after.rows(f"SELECT user_id, event_text FROM {source}.tracks") == [
            ("alice", "Pressed Big Button")
        ]
        assert after.rows(f"SELECT title, url FROM {source}.pages") == [
            ("Acme", f"{shop.url}/snippet")
        ]


def test_over_https_the_script_finds_us_by_its_own_address(
    turnout: Turnout, shop: Shop, visitor: Any, network: Callable[..., Proxy], secure: SSLContext
) -> None:
    key = new_key(turnout, "browser_https", kind="browser")
    proxy = network(secure=secure)
    page = visitor.new_page()
    # No `_cdn` here: the library takes it from the address of its own script, if that is https.
    page.goto(shop.standalone("/https", proxy.url, key) + "?ajs_uid=bob")
    page.evaluate("analytics.track('Counted', {n: 0})")
    wait_for(proxy, 2)
    with snapshot(turnout) as after:
        assert after.rows("SELECT user_id FROM browser_https.counted") == [("bob",)]


def test_over_http_without_cdn_it_would_ask_segment(
    turnout: Turnout, shop: Shop, chromium: Any, network: Callable[..., Proxy]
) -> None:
    proxy = network()
    with chromium.new_context() as context:
        page = context.new_page()
        context.route(re.compile("^https:"), lambda route: route.abort())
        with page.expect_request(re.compile("^https:")) as asked:
            page.goto(shop.standalone("/http", proxy.url, turnout.key))
    assert asked.value.url == f"https://cdn.segment.com/v1/projects/{turnout.key}/settings"


def test_a_handwritten_beacon_with_the_key_in_its_address_arrives(
    turnout: Turnout, shop: Shop, visitor: Any, network: Callable[..., Proxy]
) -> None:
    key = new_key(turnout, "browser_beacon", kind="browser")
    proxy = network()
    page = visitor.new_page()
    page.goto(shop.html("/beacon", "Hello"))
    event = {"type": "track", "userId": "alice", "event": "Left", "messageId": "beacon-1"}
    page.evaluate(
        "([url, body]) => addEventListener('pagehide', () => navigator.sendBeacon(url, body))",
        [f"{proxy.url}/v1/batch?writeKey={key}", json.dumps({"batch": [event]})],
    )
    page.goto(shop.html("/elsewhere", "Good bye"))
    wait_for(proxy, 1)


def test_a_page_of_another_origin_is_refused_by_a_key_that_names_its_own(
    turnout: Turnout, shop: Shop, visitor: Any, network: Callable[..., Proxy]
) -> None:
    key = new_key(turnout, "browser_origins", kind="browser", origins=["https://acme.example"])
    proxy = network()
    page = visitor.new_page()
    page.goto(shop.html("/stranger", "Hello"))
    outcome = page.evaluate(
        "([url, body]) => fetch(url, {method: 'POST', body}).then((a) => a.ok, () => false)",
        [f"{proxy.url}/v1/t?writeKey={key}", json.dumps({"userId": "alice", "event": "Left"})],
    )
    assert outcome is False
    assert proxy.acknowledged == []


def test_rudderstacks_library_sends_all_its_calls(
    turnout: Turnout, shop: Shop, visitor: Any, network: Callable[..., Proxy]
) -> None:
    key = new_key(turnout, "browser_rudderstack", kind="browser")
    proxy = network()
    page = visitor.new_page()
    page.goto(shop.rudderstack("/rudderstack", proxy.url, key))
    make_all_calls(page)
    # It has no screen call.
    wait_for(proxy, SENT - 1)
    with snapshot(turnout) as after:
        ledger.assert_counted(after, "browser_rudderstack", TRACKS)
