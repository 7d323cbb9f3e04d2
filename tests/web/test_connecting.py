"""A database is connected in a real browser, by keyboard, and its page follows by itself."""

from __future__ import annotations

import tomllib
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.web.installation import PASSWORD, Installation
from turnout.demo.cluster import Cluster
from turnout.sync.run import Progress
from turnout.sync.standing import Standing, UnderWay

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

DEMO = Path(__file__).parents[2] / "turnout" / "demo" / "schema.sql"
TIMEOUT_MS = 20_000


@pytest.fixture
def page(chromium: Browser, site: Installation) -> Page:
    context = chromium.new_context(base_url=site.url)
    context.set_default_timeout(TIMEOUT_MS)
    token = site.people.open_session(site.people.find("Alice"), now=site.clock())
    context.add_cookies([{"name": "turnout_session", "value": token, "url": site.url}])
    return context.new_page()


def test_a_database_is_connected_by_keyboard(
    make_installation: Callable[..., Installation],
    chromium: Browser,
    cluster: Cluster,
    database: str,
) -> None:
    with cluster.connect(database) as connection:
        connection.execute(DEMO.read_bytes())
    new = make_installation()
    new.people.add("Alice", "owner", PASSWORD, now=new.clock())
    token = new.people.open_session(new.people.find("Alice"), now=new.clock())
    with chromium.new_context(base_url=new.url) as context:
        context.set_default_timeout(TIMEOUT_MS)
        context.add_cookies([{"name": "turnout_session", "value": token, "url": new.url}])
        page = context.new_page()
        page.goto("/databases/new")
        page.keyboard.type(cluster.leader_url("postgres", database))
        page.keyboard.press("Enter")
        page.wait_for_url("**/databases/new/*")
        assert page.get_by_label("A company", exact=False).input_value() == "company"
        assert not page.locator("label", has_text="email").locator("input").first.is_checked()
        page.set_viewport_size({"width": 390, "height": 844})
        page.get_by_text("A role that can read what is proposed").press("Enter")
        assert "GRANT SELECT" in page.inner_text("#grants")
        assert page.evaluate("document.documentElement.scrollWidth") == 390
        page.get_by_role("button", name="Copy what is ticked").press("Enter")
        page.wait_for_url(f"{new.url}/databases/app2")
        assert "Start Turnout again" in page.inner_text("main")
    written = tomllib.loads((new.config.home / "turnout.toml").read_text())
    assert set(written["sources"]["app2"]["tables"]) == {"company", "person", "companyperson"}


def test_the_page_of_a_database_follows_a_copy_by_itself(page: Page, site: Installation) -> None:
    page.goto("/databases/app")
    assert page.get_by_text("tables done").count() == 0
    began_at = site.clock() - timedelta(seconds=10)
    at = Progress("companyperson", 500, 1_000, 0, 1)
    site.standings["app"] = Standing(
        began_at=began_at, progress=at, under_way=(UnderWay(at, began_at),)
    )
    try:
        page.get_by_text("0 of 1 tables done").wait_for()
        assert "500 of about 1,000 rows" in page.inner_text("main")
    finally:
        site.standings.clear()
    page.get_by_text("0 of 1 tables done").wait_for(state="detached")
