"""*Live*: what arrives, with its fate; what is shown is in the address."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from datetime import timedelta
from html import unescape

import httpx
import pytest

from tests.web.arrivals import Arrivals
from tests.web.installation import PASSWORD, Installation

HOSTILE = "<script>alert(1)</script>\"'&{{7*7}} \u202eexe.gnp 🎉"


@pytest.fixture(scope="module")
def full(make_installation: Callable[..., Installation]) -> Installation:
    installation = make_installation()
    installation.people.add("Alice", "owner", PASSWORD, now=installation.clock())
    installation.people.add("Bob", "member", PASSWORD, now=installation.clock())
    return installation


@pytest.fixture(scope="module")
def arrivals(full: Installation) -> Iterator[Arrivals]:
    arrivals = Arrivals(full)
    arrivals.track("Signed Up", "alice", plan="pro", seats=3)
    arrivals.load()
    arrivals.track("Signed Up", "bob", plan="free", seats="many", source="backend")
    arrivals.repeat(arrivals.track("Invoice Paid", "alice", amount=1.5))
    arrivals.refuse("missing_event", '{"userId":"charlie","properties":{"x":"<b>"}}')
    arrivals.track(HOSTILE, HOSTILE, **{HOSTILE: HOSTILE})
    arrivals.track("long " * 20_000, "alice")
    arrivals.load()
    yield arrivals
    arrivals.loader.close()


@pytest.fixture
def client(full: Installation, arrivals: Arrivals) -> Iterator[httpx.Client]:
    token = full.people.open_session(full.people.find("Alice"), now=full.clock())
    with httpx.Client(base_url=full.url, cookies={"turnout_session": token}, timeout=30) as client:
        yield client


def rows(html: str) -> list[tuple[str, str]]:
    """Of each row its fate and the address that opens it."""
    found = re.findall(
        r'<li id="\w+" class="(\w+)[^"]*">\s*<a class="feed-row" href="([^"]+)"', html
    )
    return [(fate, unescape(href).partition("#")[0]) for fate, href in found]


def test_every_event_is_shown_with_its_fate(client: httpx.Client) -> None:
    page = client.get("/live").text
    assert sorted(fate for fate, _ in rows(page)) == [
        "duplicate", "rejected", "rescued", "stored", "stored", "stored", "stored",
    ]  # fmt: skip
    assert "<strong>7</strong> received = 5 stored + 1 repeat + 1 rejected" in page


def test_the_form_puts_its_filters_into_the_address(client: httpx.Client) -> None:
    page = client.get("/live", params={"source": "backend", "event": "signed", "fate": ""}).text
    assert [fate for fate, _ in rows(page)] == ["rescued"]
    assert "<option selected>backend</option>" in page
    assert 'name="event" value="signed"' in page
    assert 'data-feed="/live/rows?source=backend&amp;event=signed"' in page


def test_an_open_row_shows_what_is_kept_of_the_event(client: httpx.Client) -> None:
    ((_, address),) = rows(client.get("/live?fate=rescued").text)
    page = client.get(address).text
    assert "<h3>analytics.signed_up</h3>" in page
    assert "&#34;plan&#34;: &#34;free&#34;" in page
    assert 'did not take <code dir="auto">many</code>: The column holds whole numbers.' in page
    ((_, closing),) = rows(page)
    assert closing == "/live?fate=rescued"


def test_a_rejected_event_says_what_to_do(client: httpx.Client) -> None:
    ((_, address),) = rows(client.get("/live?fate=rejected").text)
    page = client.get(address).text
    assert "A track call needs the name of its event" in page
    assert "{&#34;userId&#34;:&#34;charlie&#34;" in page


def test_while_nothing_is_written_the_rows_cost_no_query(
    client: httpx.Client, arrivals: Arrivals
) -> None:
    first = client.get("/live/rows")
    assert first.status_code == 200
    assert "<html" not in first.text
    again = client.get("/live/rows", headers={"If-None-Match": first.headers["ETag"]})
    assert (again.status_code, again.content) == (304, b"")
    other = client.get("/live/rows?fate=stored", headers={"If-None-Match": first.headers["ETag"]})
    assert other.status_code == 200
    arrivals.take("page", userId="alice", name="Start", source="pages")
    arrivals.load()
    newer = client.get("/live/rows", headers={"If-None-Match": first.headers["ETag"]})
    assert newer.status_code == 200
    assert "Start" in newer.text


def test_paused_it_stays_as_it_was(client: httpx.Client, full: Installation) -> None:
    before = (full.clock() - timedelta(days=1)).isoformat()
    page = client.get("/live", params={"until": before}).text
    assert "Nothing before that" in page
    assert "data-paused" in page
    assert 'http-equiv="refresh"' not in page
    assert 'http-equiv="refresh"' in client.get("/live").text


def test_hostile_names_are_only_text(client: httpx.Client) -> None:
    for address in ("/live", *(href for fate, href in rows(client.get("/live").text))):
        answer = client.get(address)
        assert answer.status_code == 200
        assert len(re.findall("<script", answer.text)) == 1  # our own, by address
        assert "&lt;script&gt;alert(1)&lt;/script&gt;" in answer.text
        assert "49" not in re.findall(r"alert\(1\)&lt;/script&gt;[^<]*", answer.text)[0]
        assert "<bdi>&lt;script" in answer.text  # its writing direction ends with it
        assert len(answer.content) < 200_000


@pytest.mark.parametrize(
    "query",
    ["fate=good", "until=yesterday", "until=0001-01-01", "until=9999-12-31T23:59:59-12:00",
     "colour=red", "at=x&open=y&in=z"],
)  # fmt: skip
def test_what_cannot_be_understood_is_said(client: httpx.Client, query: str) -> None:
    for path in ("/live", "/live/rows"):
        assert client.get(f"{path}?{query}").status_code == 400


@pytest.mark.parametrize(
    "place", ["_turnout.loads", "analytics.tracks", "nothing", "a.b.c", "\x00"]
)
def test_a_row_that_is_not_there_opens_nothing(client: httpx.Client, place: str) -> None:
    at = "2026-11-21T09:30:00Z"
    assert client.get("/live", params={"open": "x", "in": place, "at": at}).status_code == 200


def test_the_first_day_teaches_how_to_send(
    make_installation: Callable[..., Installation],
) -> None:
    new = make_installation()
    new.people.add("Alice", "owner", PASSWORD, now=new.clock())
    token = new.people.open_session(new.people.find("Alice"), now=new.clock())
    with httpx.Client(base_url=new.url, cookies={"turnout_session": token}) as client:
        page = client.get("/live").text
        assert "Waiting for the first event" in page
        assert '<a href="/sources">Make one</a>' in page
        key = new.keys.create("web")
        assert f"-u &#39;{key.key}:&#39;" in client.get("/live").text
        assert "Nothing has been sent yet" in client.get("/catalog").text


def test_nobody_looks_without_signing_in(full: Installation, arrivals: Arrivals) -> None:
    for path in ("/live", "/live/rows", "/catalog", "/catalog/analytics/signed_up", "/sources/web"):
        answer = httpx.get(full.url + path)
        assert answer.status_code == 303, path
        assert "Signed Up" not in answer.text
