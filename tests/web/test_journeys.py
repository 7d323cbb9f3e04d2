"""Whole ways through the site in a real browser, with script and without, by keyboard alone."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from time import monotonic, sleep
from typing import TYPE_CHECKING

import pytest

from tests.web.installation import PASSWORD, Installation, fill

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext, Page

TIMEOUT_MS = 15_000
TAB_STOPS_MAX = 25
SQL = "SELECT company_uuid, count(*) AS people\nFROM userdata.companyperson\nGROUP BY 1 ORDER BY 1"

Open = Callable[..., "Page"]


@pytest.fixture
def open_browser(chromium: Browser, site: Installation) -> Iterator[Open]:
    """Opens a browser of its own, on `site` unless told: no cookies, no memory."""
    contexts: list[BrowserContext] = []

    def open_browser(*, url: str = site.url, signed_in: bool = False, **values: object) -> Page:
        context = chromium.new_context(base_url=url, **values)  # type: ignore[arg-type]
        context.set_default_timeout(TIMEOUT_MS)
        contexts.append(context)
        if signed_in:
            token = site.people.open_session(site.people.find("Alice"), now=site.clock())
            context.add_cookies([{"name": "turnout_session", "value": token, "url": url}])
        return context.new_page()

    yield open_browser
    for context in contexts:
        context.close()


def tab_to(page: Page, selector: str) -> None:
    """Press Tab until the element has the focus."""
    for _ in range(TAB_STOPS_MAX):
        page.keyboard.press("Tab")
        if page.evaluate("s => document.activeElement.matches(s)", selector):
            return
    pytest.fail(f"{selector} was not reached with {TAB_STOPS_MAX} tabs")


def test_the_link_on_the_console_makes_the_owner_who_signs_out_and_in_again(
    make_installation: Callable[..., Installation], open_browser: Open
) -> None:
    new = make_installation()
    page = open_browser(url=new.url)
    page.goto("/")
    assert page.url == f"{new.url}/sign-in"
    assert "one-time link on its console" in page.inner_text("main")

    page.goto(f"/welcome/{new.people.invite(None, now=new.clock())}")
    page.get_by_label("Your name").fill("Alice")
    page.get_by_label("A password").fill(PASSWORD)
    page.get_by_role("button", name="Create my account").click()
    assert page.url == f"{new.url}/"
    assert page.get_by_role("heading", name="No clips yet").is_visible()

    page.get_by_label("Alice: account").click()
    page.get_by_role("button", name="Sign out").click()
    assert page.url == f"{new.url}/sign-in"
    page.goto("/sources")
    page.get_by_label("Name").fill("Alice")
    page.get_by_label("Password").fill(PASSWORD)
    page.keyboard.press("Enter")
    page.wait_for_url(f"{new.url}/sources")
    assert page.get_by_role("heading", name="Sources").is_visible()


@pytest.mark.parametrize("has_script", [True, False])
def test_a_question_is_written_run_saved_shared_opened_by_a_stranger_and_revoked(
    has_script: bool, open_browser: Open
) -> None:
    page = open_browser(signed_in=True, java_script_enabled=has_script)
    page.goto("/")
    page.get_by_role("link", name="New clip").first.click()
    write_sql(page, SQL)
    page.get_by_role("button", name="Run").click()
    page.get_by_role("cell", name="globex").wait_for()
    assert sql_of(page) == SQL

    page.get_by_label("Title").fill("People of each company")
    page.get_by_role("button", name="Save").click()
    page.wait_for_url("**/clips/*-people-of-each-company")
    assert page.get_by_role("heading", name="People of each company").is_visible()
    assert page.get_by_role("cell", name="globex").is_visible()

    page.get_by_role("link", name="Share").click()
    page.get_by_label("For whom").fill("The board")
    page.get_by_label("Works for").select_option("30")
    page.get_by_label("Show the SQL too").check()
    page.get_by_role("button", name="Create link").click()
    address = page.get_by_label("Page", exact=True).input_value()
    assert page.get_by_role("button", name="Copy the address of the Page").count() == has_script

    stranger = open_browser(java_script_enabled=has_script)
    stranger.goto(address)
    assert stranger.get_by_role("heading", name="People of each company").is_visible()
    assert stranger.get_by_role("cell", name="globex").is_visible()
    stranger.get_by_text("SQL", exact=True).click()
    assert stranger.locator("#sql").inner_text() == SQL
    assert stranger.context.cookies() == []

    page.get_by_role("button", name="Revoke The board").click()
    assert page.get_by_text("revoked").is_visible()
    gone = stranger.reload()
    assert gone
    assert gone.status == 404
    assert stranger.get_by_role("heading", name="Nothing here").is_visible()


def write_sql(page: Page, text: str) -> None:
    """Write into the editor, or into the plain field where there is no script."""
    page.wait_for_load_state()
    better = page.locator(".cm-content")
    (better if better.count() else page.locator("#sql")).fill(text)


def sql_of(page: Page) -> str:
    """What the form would send."""
    return page.locator("#sql").input_value()


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = monotonic() + 20
    while not condition():
        assert monotonic() < deadline
        sleep(0.02)


def test_a_clip_is_written_run_and_saved_by_keyboard_alone(open_browser: Open) -> None:
    page = open_browser(signed_in=True)
    page.goto("/clips/new")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to the content"
    page.keyboard.press("Enter")
    tab_to(page, "input[name=title]")
    page.keyboard.type("Written by keyboard")
    tab_to(page, ".editor")
    page.keyboard.press("ControlOrMeta+a")
    page.keyboard.type("SELECT 42 AS answer")
    page.keyboard.press("Escape")  # no completion is wanted
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("Control+Enter")
    page.wait_for_selector(".figure")
    assert page.inner_text(".figure") == "42"
    # The cursor is where it was, so that writing goes on.
    page.keyboard.type("_")
    assert sql_of(page) == "SELECT 42 AS answe_r"
    page.keyboard.press("Control+s")
    page.wait_for_url("**/clips/*-written-by-keyboard")
    assert page.text_content("#sql") == "SELECT 42 AS answe_r"


def test_tab_indents_in_the_editor_and_escape_leads_out_of_it(open_browser: Open) -> None:
    page = open_browser(signed_in=True)
    page.goto("/clips/new")
    write_sql(page, "")
    page.keyboard.press("Tab")
    assert sql_of(page) == "  "
    page.keyboard.press("Escape")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.value") == "run"


def test_the_editor_knows_the_tables_and_marks_where_the_mistake_is(open_browser: Open) -> None:
    page = open_browser(signed_in=True)
    page.goto("/clips/new")
    write_sql(page, "SELECT company_uuid\nFROM userdata.")
    page.keyboard.press("Control+End")
    page.keyboard.press("Control+Space")
    page.get_by_role("option", name="companyperson").click()
    assert sql_of(page) == "SELECT company_uuid\nFROM userdata.companyperson"
    page.keyboard.type(" WHERE nothing = 1")
    page.keyboard.press("Control+Enter")
    page.get_by_role("alert").wait_for()
    assert page.locator(".cm-lintRange-error").inner_text() == "nothing"
    assert page.locator(".cm-lint-marker-error").count() == 1


def test_a_part_of_the_query_is_run_when_it_is_selected(open_browser: Open) -> None:
    page = open_browser(signed_in=True)
    page.goto("/clips/new")
    write_sql(page, "SELECT 1 AS one\nSELECT 2 AS two")
    page.keyboard.press("Control+Home")
    page.keyboard.press("Shift+End")
    page.keyboard.press("Control+Enter")
    page.wait_for_selector(".figure")
    assert page.inner_text(".figure") == "1"
    assert page.get_by_text("Only the selected part was run.").is_visible()
    assert sql_of(page) == "SELECT 1 AS one\nSELECT 2 AS two"


def test_a_query_is_laid_out_and_what_was_not_saved_comes_back(open_browser: Open) -> None:
    page = open_browser(signed_in=True)
    page.goto("/clips/new")
    write_sql(page, "select 1 as n where 2 > 1")
    page.get_by_role("button", name="Format").click()
    laid_out = "SELECT\n  1 AS n\nWHERE\n  2 > 1"
    wait_until(lambda: sql_of(page) == laid_out)
    page.goto("/clips/new")
    assert sql_of(page) != laid_out
    page.get_by_role("button", name="Bring it back").click()
    assert sql_of(page) == laid_out


def test_a_query_that_takes_too_long_is_stopped_at_a_press(
    open_browser: Open, site: Installation
) -> None:
    page = open_browser(signed_in=True)
    page.goto("/clips/new")
    write_sql(page, "SELECT count(*) FROM range(100000000000) a(i) WHERE a.i % 7 = 3")
    page.get_by_role("button", name="Run").click()
    wait_until(lambda: site.runner.running == 1)
    page.get_by_role("button", name="Stop").click()
    wait_until(lambda: site.runner.running == 0)
    assert page.get_by_role("button", name="Stop").is_hidden()


def test_a_table_is_found_and_its_name_put_where_the_cursor_is(open_browser: Open) -> None:
    page = open_browser(signed_in=True)
    page.goto("/clips/new")
    write_sql(page, "SELECT * FROM ")
    page.get_by_label("Filter tables").fill("PERSON_uuid")
    tables = page.locator(".columns:visible > summary")
    assert tables.all_inner_texts() == ["companyperson"]
    tables.first.click()
    page.get_by_role("button", name="Insert name").click()
    assert sql_of(page) == "SELECT * FROM userdata.companyperson"


def test_an_address_is_copied_with_one_click(open_browser: Open, site: Installation) -> None:
    clip = site.clip("Copied", "SELECT 1")
    token = site.link(clip)
    page = open_browser(signed_in=True, permissions=["clipboard-read", "clipboard-write"])
    page.goto(f"/clips/{clip.id}-copied/share")
    page.get_by_role("button", name="Copy the address of the CSV").click()
    page.get_by_text("Copied", exact=True).last.wait_for()
    copied = page.evaluate("navigator.clipboard.readText()")
    assert copied == f"{site.url}/s/{token}-copied.csv"


def test_times_are_shown_where_the_reader_is(open_browser: Open, site: Installation) -> None:
    clip = site.clip("Where", "SELECT 1 AS n")
    page = open_browser(signed_in=True, timezone_id="Asia/Kathmandu")  # 5:45 ahead of UTC
    page.goto(f"/clips/{clip.id}")
    moment = page.locator("time[data-clock]").first
    sent = moment.get_attribute("datetime")
    assert sent
    minute = int(re.findall(r"T\d\d:(\d\d)", sent)[0])
    shown = moment.inner_text()
    assert shown.endswith(f":{(minute + 45) % 60:02}")
    assert "UTC" not in shown


@pytest.mark.parametrize("has_script", [True, False])
def test_what_is_being_prepared_appears_by_itself(
    has_script: bool, make_installation: Callable[..., Installation], open_browser: Open
) -> None:
    new = make_installation()
    token = new.link(new.clip("Soon", "SELECT 42 AS answer"))
    page = open_browser(url=new.url, java_script_enabled=has_script)
    page.goto(f"/s/{token}")
    assert page.get_by_text("Being prepared…").is_visible()
    fill(new)
    page.wait_for_selector(".figure")
    assert page.inner_text(".figure") == "42"


def test_who_waits_at_the_sign_in_page_comes_where_they_wanted(
    open_browser: Open, site: Installation
) -> None:
    clip = site.clip("Wanted", "SELECT 1 AS n")
    page = open_browser()
    page.goto(f"/clips/{clip.id}-wanted")
    assert "/sign-in" in page.url
    page.get_by_label("Name").fill("Bob")
    page.get_by_label("Password").fill("wrong wrong wrong")
    page.get_by_role("button", name="Sign in").click()
    assert page.get_by_role("alert").inner_text() == "Name and password do not fit together."
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url(f"**/clips/{clip.id}-wanted")
