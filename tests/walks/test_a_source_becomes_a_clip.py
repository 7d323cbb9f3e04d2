"""From a new source to a clip in a real browser, through the whole running product."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import pytest

from tests.running import Turnout, eventually
from turnout.access.keys import WriteKeys
from turnout.access.people import People

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

TIMEOUT_MS = 20_000


@pytest.fixture(scope="module")
def turnout(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Turnout]:
    turnout = Turnout(tmp_path_factory.mktemp("home"))
    People(turnout.state).add("Alice", "owner", "a long enough password", now=datetime.now(UTC))
    try:
        turnout.start()
        yield turnout
    finally:
        turnout.end()


@pytest.fixture
def page(turnout: Turnout, chromium: Browser) -> Iterator[Page]:
    people, url = People(turnout.state), turnout.config.web.url
    token = people.open_session(people.find("Alice"), now=datetime.now(UTC))
    context = chromium.new_context(base_url=url)
    context.set_default_timeout(TIMEOUT_MS)
    context.add_cookies([{"name": "turnout_session", "value": token, "url": url}])
    yield context.new_page()
    context.close()


def test_the_owner_makes_a_key_tries_it_and_starts_a_clip_from_what_came(
    turnout: Turnout, page: Page
) -> None:
    page.goto("/sources")
    page.get_by_text("New source").click()
    page.get_by_label("Where the events come from").fill("shop")
    page.get_by_label("Its key is").select_option("browser")
    page.get_by_role("button", name="Add source").click()
    page.wait_for_url("**/sources/shop")
    page.get_by_text("Change this key").click()
    page.get_by_label("Web pages it may be used from").fill("https://shop.acme.example")
    page.get_by_role("button", name="Save").click()
    assert page.get_by_text("1 origin").is_visible()

    # It is sent through the collector's own door, and its row comes without a reload.
    page.get_by_role("button", name="Send a test event").click()
    page.wait_for_url("**/live?*")
    page.get_by_text("Your test event has arrived and is stored.").wait_for()
    row = page.locator(".feed li.is-awaited")
    assert "Test Event" in row.inner_text()
    assert "Alice" in row.inner_text()
    row.get_by_role("link").first.click()
    page.locator(".feed-detail pre").first.wait_for()
    assert '"sent_from": "Turnout"' in page.locator(".feed-detail").inner_text()

    page.locator(".feed-detail").get_by_role("link", name="In the catalog").click()
    page.wait_for_url("**/catalog/analytics/test_event")
    assert page.locator("#p-sent_from").is_visible()
    page.get_by_label("Start a clip by sent_from").click()
    page.get_by_role("button", name="Run").click()
    page.get_by_role("cell", name="Turnout").wait_for()
    page.get_by_label("Title").fill("Where test events come from")
    page.get_by_role("button", name="Save").click()
    page.wait_for_url("**/clips/*-where-test-events-come-from")

    (key,) = [key for key in WriteKeys(turnout.state).list() if key.source == "shop"]
    assert key.origins == ("https://shop.acme.example",)
    eventually("the key's use is noted", lambda: used_at(turnout, "shop"), within_s=10)
    page.goto("/sources/shop")
    assert "last used" in page.inner_text("main")


def test_events_come_by_themselves_stop_when_paused_and_an_open_row_stays_open(
    turnout: Turnout, page: Page
) -> None:
    page.goto("/live?source=tests")
    turnout.send([turnout.track("came by itself", "came by itself")])
    row = page.locator(".feed-row", has_text="came by itself")
    row.wait_for()
    row.click()
    page.locator(".feed-detail pre").wait_for()
    turnout.send([turnout.track("came later", "came later")])
    page.locator(".feed-row", has_text="came later").wait_for()
    assert page.locator(".feed-detail pre").is_visible()
    page.get_by_role("link", name="Pause").click()
    page.get_by_text("paused", exact=True).wait_for()
    turnout.send([turnout.track("came while paused", "came while paused")])
    page.get_by_role("link", name="Go on").click()
    page.locator(".feed-row", has_text="came while paused").wait_for()


def test_prometheus_reads_what_came(turnout: Turnout, page: Page) -> None:
    def numbers() -> str:
        return page.request.get("/metrics").text()

    turnout.send([turnout.track("counted", "counted")])
    eventually("requests are counted", lambda: 'turnout_requests_total{status="200"}' in numbers())
    eventually("nothing waits", lambda: "turnout_backlog_seconds 0.0" in numbers())
    collector = httpx.get(f"{turnout.config.collector.url}/metrics")
    assert 'turnout_requests_total{status="200"}' in collector.text, "the other door says the same"
    eventually(
        "stored events are counted",
        lambda: 'turnout_events_total{outcome="stored",source="tests"}' in numbers(),
    )


def used_at(turnout: Turnout, source: str) -> datetime | None:
    return next(k.last_used_at for k in WriteKeys(turnout.state).list() if k.source == source)


def test_the_log_of_all_this_names_no_key(turnout: Turnout) -> None:
    log = Path(turnout.log).read_text()
    for key in WriteKeys(turnout.state).list():
        assert key.key not in log
