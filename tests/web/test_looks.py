"""How every page looks and reads: on a phone, in the dark, without sight, without a mouse."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pytest

from tests.web.arrivals import Arrivals
from tests.web.installation import Installation

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page

PHONE = {"width": 360, "height": 740}
LONG = "Donaudampfschifffahrtsgesellschaftskapitänskajütenschlüssel" * 2
TAB_STOPS = 30

# What a page says about itself, gathered in the page.
FACTS = """() => {
  const all = (selector) => [...document.querySelectorAll(selector)];
  const named = (element) => (element.getAttribute("aria-label") || element.textContent).trim()
    || [...element.querySelectorAll("img")].some((image) => image.alt);
  const ids = all("[id]").map((element) => element.id);
  return {
    lang: document.documentElement.lang,
    title: document.title,
    headings: all("h1").length,
    levels: all("main h1, main h2, main h3, main h4").map((h) => Number(h.tagName[1])),
    width: document.documentElement.scrollWidth,
    room: innerWidth,
    unlabelled: all("input:not([type=hidden]), select, textarea")
      .filter((field) => !field.labels.length && !field.getAttribute("aria-label"))
      .map((field) => field.outerHTML),
    pictures: all("img:not([alt])").map((image) => image.outerHTML),
    nameless: all("a, button, summary").filter((element) => !named(element))
      .map((element) => element.outerHTML),
    repeated: ids.filter((id, place) => ids.indexOf(id) !== place),
    dangling: all("[aria-labelledby]").map((element) => element.getAttribute("aria-labelledby"))
      .concat(all("label[for]").map((label) => label.htmlFor))
      .filter((id) => !document.getElementById(id)),
    jumping: all("[tabindex]").filter((element) => element.tabIndex > 0).length,
    heads: all("th:not([scope])").length,
    landmarks: all("main").length,
    broken: all("img").filter((image) => image.complete && !image.naturalWidth)
      .map((image) => image.currentSrc),
  };
}"""

# How a text stands out from its ground, as WCAG counts it, for pairs of our colours' names.
CONTRAST = """(pairs) => pairs.map(([ink, ground]) => {
  const probe = document.createElement("div");
  document.body.append(probe);
  const light = (name) => {
    probe.style.color = `var(--${name})`;
    const parts = getComputedStyle(probe).color.match(/[\\d.]+/g).slice(0, 3).map((part) => {
      const share = part / 255;
      return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * parts[0] + 0.7152 * parts[1] + 0.0722 * parts[2];
  };
  const [a, b] = [light(ink), light(ground)].sort((x, y) => y - x);
  probe.remove();
  return [ink, ground, (a + 0.05) / (b + 0.05)];
})"""
TEXTS = [
    *((ink, ground) for ink in ("ink", "ink-soft", "ink-faint") for ground in ("paper", "card")),
    ("ink-soft", "sunk"),
    ("accent", "paper"),
    ("accent", "card"),
    ("on-accent", "accent"),
    ("warn", "warn-soft"),
    ("bad", "bad-soft"),
    ("bad", "card"),
    ("ink", "accent-soft"),
]

FOCUSED = """() => {
  const element = document.activeElement;
  if (element === document.body) return null;
  const style = getComputedStyle(element);
  const box = element.getBoundingClientRect();
  return {
    what: element.outerHTML.slice(0, 120),
    isRinged: style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 2,
    isSeen: box.bottom > 0 && box.top < innerHeight && box.right > 0 && box.left < innerWidth,
  };
}"""


def crowd(site: Installation) -> None:
    """A hundred rows, an event with many properties, and words that do not end."""
    arrivals = Arrivals(site)
    place = {"source": "crowded", "schema": "crowded"}
    wide = {f"{LONG} {n}": LONG for n in range(40)}
    for n in range(120):
        arrivals.track("Signed Up" if n % 3 else LONG, f"{LONG} {n}", **place, n=n, **wide)
    arrivals.refuse("missing_event", LONG * 30, source="crowded")
    arrivals.load()
    arrivals.loader.close()


@pytest.fixture(scope="module")
def places(site: Installation) -> dict[str, str]:
    """Each page there is, with the hardest things to lay out on it, by a name for the test."""
    site.say(LONG, f"{LONG} {LONG}", done=1, total=3)
    site.keys.create("crowded")
    crowd(site)
    chart = site.clip(
        f"Chart {LONG}",
        "SELECT 'Company number ' || i AS company, i AS people FROM range(12) t(i)",
        description=f"{LONG} {LONG}",
        pinned=True,
    )
    columns = ", ".join(f"repeat('wide words ', {3 * n}) AS {LONG}_{n}" for n in range(6))
    table = site.clip("Table", f"SELECT {columns}, NULL AS nothing FROM range(1040)", pinned=True)
    number = site.clip("Number", "SELECT 123456789012345678 AS a_rather_long_number", pinned=True)
    broken = site.clip("Broken", f"SELECT {LONG} FROM userdata.companyperson", pinned=True)
    site.link(chart, label=LONG[:120], shows_sql=True)
    site.link(chart)
    invitation = site.people.invite(None, now=site.clock())
    return {
        "home": "/",
        "clips": "/clips",
        "live": "/live",
        "live, filtered": "/live?source=web&event=x&fate=stored",
        "live, paused": "/live?until=2026-11-21T09:30:00Z",
        "the catalog": "/catalog",
        "an event": "/catalog/crowded/signed_up",
        "a source": "/sources/crowded",
        "a chart": f"/clips/{chart.id}",
        "a table": f"/clips/{table.id}",
        "a second page": f"/clips/{table.id}-table?_offset=1000",
        "a number": f"/clips/{number.id}",
        "a broken clip": f"/clips/{broken.id}",
        "a new clip": "/clips/new",
        "editing": f"/clips/{chart.id}/edit",
        "sharing": f"/clips/{chart.id}/share",
        "sources": "/sources",
        "connect": "/databases/new",
        "database": "/databases/app",
        "what leaves": "/privacy",
        "nothing": "/nothing",
        "a bad question": f"/clips/{table.id}-table?{LONG}=1",
        "sign in": "/sign-in",
        "welcome": f"/welcome/{invitation}",
        "a shared chart": f"/s/{site.link(chart, shows_sql=True)}",
        "a shared table": f"/s/{site.link(table)}",
        "a closed link": f"/s/{'a' * 28}",
    }


@pytest.fixture(scope="module")
def context(chromium: Browser, site: Installation) -> Iterator[BrowserContext]:
    """Alice's phone, in the dark."""
    context = chromium.new_context(base_url=site.url, viewport=PHONE, color_scheme="dark")  # type: ignore[arg-type]
    token = site.people.open_session(site.people.find("Alice"), now=site.clock())
    context.add_cookies([{"name": "turnout_session", "value": token, "url": site.url}])
    yield context
    context.close()


@pytest.fixture(scope="module")
def facts(context: BrowserContext, places: dict[str, str]) -> dict[str, dict[str, Any]]:
    """What every page says about itself on that phone."""
    page = context.new_page()
    complaints: list[str] = []

    def hear(said: ConsoleMessage) -> None:
        if said.type == "error":
            complaints.append(said.text)

    page.on("console", hear)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    found = {}
    for name, path in places.items():
        complaints.clear()
        page.goto(path)
        found[name] = page.evaluate(FACTS) | {"complaints": list(complaints)}
    page.goto("/clips/new")
    long = f"SELECT repeat('{LONG} ', 50) AS {LONG}, 1 AS n FROM range(300)"
    page.get_by_role("textbox", name="SQL").fill(long)
    page.get_by_role("button", name="Run").click()
    page.wait_for_selector("table")
    found["a run"] = page.evaluate(FACTS) | {"complaints": []}
    page.close()
    return found


def wrong(facts: dict[str, dict[str, Any]], what: str) -> dict[str, Any]:
    """The pages where something was found that should not be there."""
    return {name: known[what] for name, known in facts.items() if known[what]}


def test_no_page_scrolls_sideways_on_a_phone(facts: dict[str, dict[str, Any]]) -> None:
    wide = {name: known["width"] for name, known in facts.items() if known["width"] > known["room"]}
    assert wide == {}


def test_every_page_has_one_first_heading_a_title_a_language_and_a_main_part(
    facts: dict[str, dict[str, Any]],
) -> None:
    for name, known in facts.items():
        assert (known["headings"], known["landmarks"], known["lang"]) == (1, 1, "en"), name
        assert known["title"].endswith(" · Turnout"), name
    titles = [
        known["title"] for name, known in facts.items() if name in {"home", "clips", "sources"}
    ]
    assert len(set(titles)) == 3


def test_headings_go_down_one_step_at_a_time(facts: dict[str, dict[str, Any]]) -> None:
    for name, known in facts.items():
        levels = known["levels"]
        assert all(b - a <= 1 for a, b in pairwise(levels)), (name, levels)


def test_every_field_has_a_label(facts: dict[str, dict[str, Any]]) -> None:
    assert wrong(facts, "unlabelled") == {}


def test_every_picture_has_words_or_says_it_needs_none(facts: dict[str, dict[str, Any]]) -> None:
    assert wrong(facts, "pictures") == {}
    assert wrong(facts, "broken") == {}


def test_every_link_and_button_has_a_name(facts: dict[str, dict[str, Any]]) -> None:
    assert wrong(facts, "nameless") == {}


def test_every_id_is_there_once_and_nothing_points_nowhere(
    facts: dict[str, dict[str, Any]],
) -> None:
    assert wrong(facts, "repeated") == {}
    assert wrong(facts, "dangling") == {}
    assert wrong(facts, "jumping") == {}
    assert wrong(facts, "heads") == {}


def test_the_browser_has_nothing_to_complain_about(facts: dict[str, dict[str, Any]]) -> None:
    expected = "Failed to load resource: the server responded with a status of 4"  # the page itself
    found = {
        name: [said for said in known["complaints"] if not said.startswith(expected)]
        for name, known in facts.items()
    }
    assert {name: said for name, said in found.items() if said} == {}


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_ground_is_light_or_dark_as_the_reader_likes_it(
    scheme: str, context: BrowserContext, places: dict[str, str]
) -> None:
    page = context.new_page()
    page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
    page.goto(places["a chart"])
    ground = "getComputedStyle(document.body).backgroundColor.match(/\\d+/g).map(Number)"
    brightness = max(page.evaluate(ground))
    assert brightness < 40 if scheme == "dark" else brightness > 240
    drawn = page.evaluate("document.querySelector('.chart img').currentSrc")
    assert f"_theme={scheme}&_size=narrow" in drawn
    page.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_text_stands_out_from_its_ground(
    scheme: str, context: BrowserContext, places: dict[str, str]
) -> None:
    page = context.new_page()
    page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
    page.goto(places["nothing"])
    pale = [pair for pair in page.evaluate(CONTRAST, TEXTS) if pair[2] < 4.5]
    assert pale == []
    page.close()


@pytest.mark.parametrize("place", ["home", "editing", "sharing", "a table", "a shared chart"])
def test_whoever_walks_by_keyboard_sees_where_they_are(
    place: str, context: BrowserContext, places: dict[str, str]
) -> None:
    page: Page = context.new_page()
    page.goto(places[place])
    stops = []
    for _ in range(TAB_STOPS):
        page.keyboard.press("Tab")
        stop = page.evaluate(FOCUSED)
        if stop is None:
            break
        stops.append(stop)
        page.keyboard.press("Escape")  # leads out of the editor's field
    assert len(stops) >= 4
    assert [stop["what"] for stop in stops if not (stop["isRinged"] and stop["isSeen"])] == []
    page.close()
