"""The home page: first numbers as cards, and how fresh and how well everything is."""

from __future__ import annotations

import re
from collections.abc import Callable
from time import monotonic

import httpx
import pytest

from tests.web.installation import PASSWORD, Installation, fill
from turnout.access.people import OWNER
from turnout.config import Clips as ClipSettings
from turnout.state.table import notice
from turnout.warehouse import Column, Table, Type
from turnout.web.waiting import PATIENCE_S

DEADLINE_S = 30
# Longer than a page waits, whatever the machine.
SLOW_SQL = "SELECT count(*) AS n FROM range(100000000000) a(i) WHERE a.i % 7 = 3"


@pytest.fixture(scope="module")
def home(make_installation: Callable[..., Installation]) -> Installation:
    """An installation with a card of each kind on its home page."""
    installation = make_installation(
        clips=ClipSettings(workers=2, timeout_s=PATIENCE_S + 4), patience_s=PATIENCE_S
    )
    installation.people.add("Alice", OWNER, PASSWORD, now=installation.clock())
    fill(installation)
    pinned = {
        "Paying share": "SELECT 63.4 AS percent_of_companies",
        "Sign-ups": "SELECT DATE '2026-08-01' + CAST(i AS INT) AS day, i AS n FROM range(9) t(i)",
        "Members": "SELECT company_uuid, person_uuid FROM userdata.companyperson ORDER BY 1, 2",
        "Nobody": "SELECT person_uuid FROM userdata.companyperson WHERE false",
        "Gone": "SELECT * FROM userdata.no_such_table",
    }
    for title, sql in pinned.items():
        installation.clip(title, sql, pinned=True)
    installation.clip("Kept elsewhere", "SELECT 1 AS one")
    return installation


@pytest.fixture
def page(home: Installation) -> str:
    """The home page once every card is answered; the first look starts the runs."""
    deadline = monotonic() + DEADLINE_S
    while "Being prepared" in (page := look(home)):
        assert monotonic() < deadline
    return page


def look(installation: Installation) -> str:
    """The home page as Alice sees it."""
    alice = installation.people.find("Alice")
    token = installation.people.open_session(alice, now=installation.clock())
    answer = httpx.get(installation.url, cookies={"turnout_session": token}, timeout=30)
    assert answer.status_code == 200
    return answer.text


def card(page: str, title: str) -> str:
    """The card of that title, as HTML."""
    cards = re.findall(r"<article class=\"card\".*?</article>", page, re.DOTALL)
    (found,) = [card for card in cards if f">{title}</a></h2>" in card]
    return str(found)


def test_a_single_number_is_a_headline(page: str) -> None:
    paying = card(page, "Paying share")
    assert re.search(r"class=\"figure\">63\.4[^<]*%</span>", paying)
    assert "companies" in paying


def test_a_series_is_a_chart_drawn_for_light_and_dark(page: str) -> None:
    sign_ups = card(page, "Sign-ups")
    assert "chart.svg?_theme=light&amp;_size=card" in sign_ups
    assert "chart.svg?_theme=dark&amp;_size=card" in sign_ups
    assert "<table" not in sign_ups


def test_rows_are_a_small_table(page: str) -> None:
    members = card(page, "Members")
    assert members.count("<tr>") == 4
    assert "<td>acme</td><td>alice</td>" in members


def test_an_empty_answer_says_so(page: str) -> None:
    assert "No rows." in card(page, "Nobody")


def test_every_answer_says_how_far_to_trust_it(page: str) -> None:
    members = card(page, "Members")
    assert "as of <time" in members
    assert "3 rows" in members


def test_a_broken_clip_says_so_and_the_others_stand(page: str) -> None:
    gone = card(page, "Gone")
    assert "no_such_table does not exist" in gone
    assert 'class="note bad"' in gone
    assert "Traceback" not in gone


def test_only_pinned_clips_are_cards_and_the_rest_is_one_click_away(page: str) -> None:
    assert "Kept elsewhere" not in page
    assert "All 6 clips" in page


def test_a_clip_not_answered_yet_is_a_placeholder_and_the_page_looks_again(
    home: Installation, page: str
) -> None:
    assert "data-refresh-s" not in page
    slow = home.clip("Slow", SLOW_SQL, pinned=True)
    page = look(home)
    assert "Being prepared…" in card(page, "Slow")
    assert 'data-refresh-s="2"' in page
    assert '<meta http-equiv="refresh"' in page
    assert "63.4" in card(page, "Paying share")
    home.clips.archive(slow.id, now=home.clock())


def test_notices_are_shown_with_their_progress(home: Installation) -> None:
    home.say("demo", "Simulating <a year> of usage", done=120, total=365)
    home.say("plain", "The disk is getting full.")
    page = look(home)
    assert "Simulating &lt;a year&gt; of usage" in page
    assert '<progress max="365" value="120"' in page
    assert "120 of 365" in page
    assert page.count("<progress") == 1
    assert "The disk is getting full." in page
    # While data is still arriving, what cannot be answered yet is not called broken.
    assert "Being prepared…" in card(page, "Gone")
    with home.state.begin() as connection:
        connection.execute(notice.delete())


def test_a_source_that_fails_is_said_with_the_age_of_its_copy(page: str) -> None:
    assert re.search(r"Copied from “app” <time[^>]*>3 min ago</time>; the last try", page)
    assert 'href="/sources#copied"' in page
    assert "The source cannot be reached." not in page  # the reason stands with the source


def test_the_strip_counts_what_arrived(page: str) -> None:
    assert "1,290 events stored" in page
    assert "1 table copied" in page
    assert "clips see the data of" in page


def test_a_source_never_copied_is_said_without_an_age(
    make_installation: Callable[..., Installation],
) -> None:
    new = make_installation()
    new.people.add("Alice", OWNER, PASSWORD, now=new.clock())
    columns = {"source": Type.TEXT, "finished_at": Type.TIME, "as_of": Type.TIME}
    columns["error"] = Type.TEXT
    new.write(
        Table("_turnout", "sync_runs", tuple(Column(*column) for column in columns.items())),
        source=["app"],
        finished_at=[new.clock().replace(tzinfo=None)],
        as_of=[None],
        error=["The source cannot be reached."],
    )
    assert "Nothing could be copied from “app” yet." in look(new)


def test_the_first_page_of_all_says_where_to_begin(
    make_installation: Callable[..., Installation],
) -> None:
    new = make_installation()
    new.people.add("Alice", OWNER, PASSWORD, now=new.clock())
    page = look(new)
    assert "No clips yet" in page
    assert 'href="/clips/new"' in page
    assert "0 events stored" in page
    assert "the first copy for clips is being prepared" in page
