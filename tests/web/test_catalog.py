"""*Catalog*: every event and property, and where a clip begins."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from html import unescape

import httpx
import pytest

from tests.web.arrivals import Arrivals
from tests.web.installation import PASSWORD, Installation
from turnout.events.overview.catalog import Kind
from turnout.warehouse.duckdb import DIALECT
from turnout.web.starter import by_day, by_property

HOSTILE = "<img src=x onerror=alert(1)>'; DROP TABLE tracks; --"


@pytest.fixture(scope="module")
def full(make_installation: Callable[..., Installation]) -> Iterator[Installation]:
    installation = make_installation()
    installation.people.add("Alice", "owner", PASSWORD, now=installation.clock())
    arrivals = Arrivals(installation)
    yesterday = installation.clock() - timedelta(days=1)
    for n in range(3):
        arrivals.track("Signed Up", f"user {n}", plan="pro", at=yesterday)
    arrivals.track("Signed Up", "alice", plan="free", referrer_code="x1")
    arrivals.track(HOSTILE, "alice", **{HOSTILE: HOSTILE, "select": 1})
    arrivals.track("🎉", "alice")
    arrivals.take("identify", userId="alice", traits={"plan": "pro"})
    arrivals.take("page", userId="alice", context={"page": {"path": "/"}})
    arrivals.load()
    installation.publish()
    yield installation
    arrivals.loader.close()


@pytest.fixture
def client(full: Installation) -> Iterator[httpx.Client]:
    token = full.people.open_session(full.people.find("Alice"), now=full.clock())
    with httpx.Client(base_url=full.url, cookies={"turnout_session": token}, timeout=30) as client:
        yield client


def listed(html: str) -> list[str]:
    return [
        unescape(name) for name in re.findall(r'<th scope="row"><a [^>]*><bdi>(.*?)</bdi>', html)
    ]


def test_every_event_and_call_is_listed_the_busiest_first(client: httpx.Client) -> None:
    page = client.get("/catalog").text
    names = listed(page)
    assert names[0] == "Signed Up"
    assert set(names) == {"Signed Up", HOSTILE, "🎉", "identifies", "pages"}
    assert 'aria-label="Per day, the last 30: 4 in all, at most 3, now 1"' in page
    assert '<a href="/catalog/analytics/users">analytics.users</a>' in page


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({"q": "signed"}, ["Signed Up"]),
        ({"q": "REFERRER"}, ["Signed Up"]),
        ({"q": "plan"}, ["Signed Up", "identifies"]),
        ({"q": "no such thing"}, []),
        ({"sort": "name", "q": "s"}, None),
        ({"_offset": "4"}, None),
        ({"_offset": "400"}, []),
    ],
)
def test_it_is_searched_by_event_and_property(
    client: httpx.Client, query: dict[str, str], expected: list[str] | None
) -> None:
    answer = client.get("/catalog", params=query)
    assert answer.status_code == 200
    if expected is not None:
        assert sorted(listed(answer.text)) == sorted(expected)


@pytest.mark.parametrize("query", ["sort=colour", "x=1", "_offset=-1", "_offset=a"])
def test_what_cannot_be_understood_is_said(client: httpx.Client, query: str) -> None:
    assert client.get(f"/catalog?{query}").status_code == 400


def test_an_event_shows_its_days_and_properties(client: httpx.Client) -> None:
    page = client.get("/catalog/analytics/signed_up").text
    assert "4 in 30 days" in page
    assert re.search(r'<tr id="p-plan">.*?100 %.*?<code dir="auto">free</code>', page, re.DOTALL)
    assert re.search(r'<tr id="p-referrer_code">.*?25 %', page, re.DOTALL)
    today = datetime.now(UTC)
    assert f"<title>{today.day} {today:%b}: 1</title>" in page


def test_people_are_a_table_of_traits(client: httpx.Client) -> None:
    page = client.get("/catalog/analytics/users").text
    assert '<tr id="p-plan">' in page
    assert "Watch it live" not in page


def test_an_event_nobody_sent_is_not_there(client: httpx.Client) -> None:
    for path in ("analytics/nothing", "userdata/companyperson", "_turnout/loads", "x/y"):
        assert client.get(f"/catalog/{path}").status_code == 404


def test_hostile_names_are_only_text(client: httpx.Client) -> None:
    page = client.get("/catalog").text
    (address,) = re.findall(r'<a href="([^"]+)"><bdi>&lt;img', page)
    for html in (page, client.get(address).text, client.get(f"/catalog?q={HOSTILE}").text):
        assert "<img src=x" not in html
        assert "&lt;img src=x" in html


def test_a_clip_starts_with_sql_that_runs(client: httpx.Client) -> None:
    page = client.get("/catalog/analytics/signed_up").text
    starts = [unescape(href) for href in re.findall(r'href="(/clips/new[^"]+)"', page)]
    assert len(starts) == 3
    starts.append("/clips/new?about=analytics.users")
    (hostile,) = re.findall(r'<a href="([^"]+)"><bdi>&lt;img', client.get("/catalog").text)
    starts += [
        unescape(href)
        for href in re.findall(r'href="(/clips/new\?[^"]+)"', client.get(hostile).text)
    ]
    for start in starts:
        form = client.get(start).text
        sql = unescape(re.findall(r"<textarea[^>]*>\n(.*?)</textarea>", form, re.DOTALL)[0])
        token = re.findall(r'name="form_token" value="(\w+)"', form)[0]
        answer = client.post(
            "/clips/new", data={"form_token": token, "sql": sql, "action": "run", "version": "0"}
        )
        assert answer.status_code == 200, sql
        assert "No rows." not in answer.text, sql


@pytest.mark.parametrize(
    "about", ["nothing", "x.y", "analytics.", "analytics.tracks; DROP TABLE x"]
)
def test_a_clip_about_nothing_starts_as_any_other(client: httpx.Client, about: str) -> None:
    page = client.get("/clips/new", params={"about": about, "by": "x"})
    assert page.status_code == 200
    assert "DROP TABLE" not in page.text


def test_the_sql_quotes_only_what_it_must(full: Installation) -> None:
    (table,) = [t for t in full.warehouse.tables("analytics") if t.name == "signed_up"]
    now = full.clock()
    kind = Kind("analytics", "signed_up", "track", "Signed Up", table, 1, now, now, [1])
    assert "FROM analytics.signed_up\n" in by_day(kind, DIALECT)
    assert by_property(table, "plan", DIALECT).startswith("SELECT plan, count(*) AS times")
    apart = Kind("analytics", "it's", "track", "It's", None, 1, now, now, [1])
    assert "FROM analytics.tracks\n" in by_day(apart, DIALECT)
    assert "AND event = 'it''s'" in by_day(apart, DIALECT)
