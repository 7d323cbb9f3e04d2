"""Sharing a clip: its links, made and revoked by people who are signed in."""

from __future__ import annotations

import html
import re
from collections.abc import Callable, Iterator
from datetime import timedelta

import httpx
import pytest

from tests.web.installation import Installation
from turnout.clips.clip import Clip
from turnout.web.address import clip_address
from turnout.web.share import EXPIRIES

Send = Callable[..., httpx.Response]


@pytest.fixture
def clip(site: Installation) -> Iterator[Clip]:
    """A clip nobody has shared yet."""
    clip = site.clip("Paying companies", "SELECT 1234 AS companies")
    yield clip
    site.clips.archive(clip.id, now=site.clock())


def share(clip: Clip) -> str:
    return f"{clip_address(clip)}/share"


def addresses(page: str) -> list[str]:
    """The addresses a page offers for copying."""
    return [html.unescape(found) for found in re.findall(r'value="(http[^"]+)" readonly', page)]


def test_without_a_link_the_page_says_who_sees_the_clip(clip: Clip, alice: httpx.Client) -> None:
    page = alice.get(share(clip)).text
    assert "only people who can sign in see this clip" in page
    assert addresses(page) == []


def test_a_new_link_is_shown_as_page_csv_and_json_and_each_opens(
    clip: Clip, alice: httpx.Client, stranger: httpx.Client, send: Send
) -> None:
    answer = send(alice, share(clip), {"label": " The  board ", "expiry": "30"})
    assert (answer.status_code, answer.headers["Location"]) == (303, share(clip))
    page = alice.get(share(clip)).text
    assert "<h3>The board</h3>" in page
    assert "works until <time" in page
    assert "never opened" in page
    shown, text, data = addresses(page)
    assert re.search(r"/s/[a-z]{28}-paying-companies$", shown)
    assert "1,234" in stranger.get(shown).text
    assert stranger.get(text).text.split() == ["companies", "1234"]
    assert stranger.get(data).json()["values"] == [[1234]]
    assert "opened 3 times" in alice.get(share(clip)).text
    assert addresses(alice.get(share(clip)).text) == [shown, text, data]


def test_a_link_ends_when_it_was_meant_to(
    clip: Clip, alice: httpx.Client, send: Send, site: Installation
) -> None:
    for expiry, valid in EXPIRIES.items():
        before = site.clock()
        send(alice, share(clip), {"expiry": expiry})
        newest = site.links.of(clip.id)[0]
        if valid is None:
            assert newest.expires_at is None
        else:
            assert newest.expires_at is not None
            assert before + valid <= newest.expires_at <= site.clock() + valid
    assert "never expires" in alice.get(share(clip)).text


def test_a_time_that_is_not_offered_makes_no_link(
    clip: Clip, alice: httpx.Client, send: Send, site: Installation
) -> None:
    for expiry in ("-7", "1e9", "", "<b>"):
        answer = send(alice, share(clip), {"expiry": expiry})
        assert answer.status_code == 400
        assert "cannot expire after" in answer.text
    assert send(alice, share(clip), {"label": "x" * 121}).status_code == 400
    assert site.links.of(clip.id) == []


def test_a_revoked_link_is_closed_at_once_and_its_address_is_shown_no_more(
    clip: Clip, alice: httpx.Client, bob: httpx.Client, stranger: httpx.Client, send: Send
) -> None:
    send(alice, share(clip), {"label": "Old partner"})
    page = alice.get(share(clip)).text
    (shown, *_) = addresses(page)
    assert stranger.get(shown).status_code == 200
    (revoke,) = re.findall(r'action="([^"]+/revoke)"', page)
    # Whoever may sign in may close any link.
    assert send(bob, share(clip), to=revoke).headers["Location"] == share(clip)
    assert stranger.get(shown).status_code == 404
    after = alice.get(share(clip)).text
    assert '<span class="mark">revoked</span>' in after
    assert addresses(after) == []
    assert "/revoke" not in after
    assert send(alice, share(clip), to=revoke).status_code == 303  # harmless to repeat


def test_an_expired_link_is_listed_below_the_open_ones(
    clip: Clip, alice: httpx.Client, site: Installation
) -> None:
    past = site.clock() - timedelta(days=8)
    site.link(clip, label="Open", now=past)
    site.link(clip, label="Over", now=past, expires_at=past + timedelta(days=7))
    page = alice.get(share(clip)).text
    assert '<span class="mark">expired</span>' in page
    assert page.index("<h3>Open") < page.index("<h3>Over")
    assert len(addresses(page)) == 3


def test_a_link_is_revoked_only_from_its_own_clip(
    clip: Clip, alice: httpx.Client, send: Send, site: Installation
) -> None:
    other = site.clip("Other", "SELECT 1")
    site.link(other)
    (link,) = site.links.of(other.id)
    for link_id in (link.id, 0, 10**30):
        answer = send(alice, share(clip), to=f"{share(clip)}/{link_id}/revoke")
        assert answer.status_code == 404
    assert site.links.of(other.id) == [link]


def test_no_page_and_no_log_but_the_sharing_one_holds_a_token(
    clip: Clip,
    alice: httpx.Client,
    stranger: httpx.Client,
    site: Installation,
    capfd: pytest.CaptureFixture[str],
) -> None:
    token = site.link(clip)
    for path in ("/", "/clips", clip_address(clip), f"{clip_address(clip)}/edit", "/sources"):
        assert token not in alice.get(path).text
    stranger.get(f"/s/{token}?nothing=1")
    stranger.get(f"/s/{token}/chart.svg")
    assert token not in "".join(capfd.readouterr())
