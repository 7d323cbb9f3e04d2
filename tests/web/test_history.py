"""A clip's versions: what changed, going back, and copies that say where they come from."""

from __future__ import annotations

import html
from collections.abc import Callable, Iterator

import httpx
import pytest

from tests.web.installation import Installation
from turnout.clips.clip import Clip
from turnout.web.address import clip_address

Send = Callable[..., httpx.Response]


@pytest.fixture
def clip(site: Installation) -> Iterator[Clip]:
    """A clip in three versions: Alice's, Bob's other SQL, Alice's other title."""
    clip = site.clip("Counted", "SELECT 1 AS n\nFROM range(3)")
    for author, title, sql in (
        ("Bob", "Counted", "SELECT 2 AS n\nFROM range(3)"),
        ("Alice", "Counted <again>", "SELECT 2 AS n\nFROM range(3)"),
    ):
        clip = site.clips.save(
            clip.id, title=title, sql=sql, description="", author=author, now=site.clock()
        )
    yield clip
    site.clips.archive(clip.id, now=site.clock())


def history(clip: Clip) -> str:
    return f"{clip_address(clip)}/history"


def test_each_version_shows_what_it_changed(clip: Clip, alice: httpx.Client) -> None:
    page = alice.get(history(clip)).text
    third, second, first = (page.index(f"<h2>Version {number}") for number in (3, 2, 1))
    assert third < second < first
    assert "<del>Counted</del> <ins>Counted &lt;again&gt;</ins>" in page[third:second]
    assert "<table>" not in page[third:second]
    assert '<td class="gone"><code>SELECT 1 AS n</code></td>' in page[second:first]
    assert '<td class="new"><code>SELECT 2 AS n</code></td>' in page[second:first]
    assert "Bob" in page[second:first]
    assert page.count('value="3"><button class="small"') == 0


def test_any_two_versions_stand_beside_each_other(clip: Clip, alice: httpx.Client) -> None:
    page = alice.get(history(clip), params={"from": "1", "to": "3"}).text
    assert "Version 1 and version 3" in page
    assert '<td class="gone"><code>SELECT 1 AS n</code></td>' in page
    page = alice.get(history(clip), params={"from": "2", "to": "3"}).text
    assert "Their SQL is the same." in page


@pytest.mark.parametrize(
    ("query", "status"),
    [("from=1", 400), ("from=1&to=x", 400), ("from=1&to=9", 404), ("version=1", 400)],
)
def test_versions_that_are_not_there_are_said(
    clip: Clip, alice: httpx.Client, query: str, status: int
) -> None:
    assert alice.get(f"{history(clip)}?{query}").status_code == status


def test_an_older_version_comes_back_as_the_newest(
    site: Installation, clip: Clip, alice: httpx.Client, send: Send
) -> None:
    answer = send(alice, history(clip), {"version": "1"}, to=f"{clip_address(clip)}/restore")
    assert answer.status_code == 303
    now = site.clips.find(clip.id)
    assert (now.version, now.title, now.sql) == (4, "Counted", "SELECT 1 AS n\nFROM range(3)")
    assert now.author == "Alice"
    wrong = send(alice, history(now), {"version": "9"}, to=f"{clip_address(now)}/restore")
    assert wrong.status_code == 404


def test_a_copy_is_ones_own_and_says_where_it_comes_from(
    site: Installation, clip: Clip, bob: httpx.Client, send: Send
) -> None:
    answer = send(bob, clip_address(clip), to=f"{clip_address(clip)}/copy")
    assert answer.status_code == 303
    assert answer.headers["Location"].endswith("/edit")
    page = bob.get(answer.headers["Location"].removesuffix("/edit")).text
    assert f'Copied from <a href="/clips/{clip.id}">another clip</a>, its version 3' in page
    assert "Copy of Counted &lt;again&gt;" in page
    copied = next(other for other in site.clips.list() if other.origin == clip.id)
    assert (copied.author, copied.sql, copied.origin_version) == ("Bob", clip.sql, 3)
    site.clips.archive(copied.id, now=site.clock())


def test_the_home_page_is_filled_and_emptied_from_the_clip(
    site: Installation, clip: Clip, alice: httpx.Client, send: Send
) -> None:
    assert "Show on the home page" in alice.get(clip_address(clip)).text
    send(alice, clip_address(clip), to=f"{clip_address(clip)}/pin")
    assert site.clips.find(clip.id).pinned
    assert html.escape(clip.title) in alice.get("/").text
    send(alice, clip_address(clip), to=f"{clip_address(clip)}/pin")
    assert not site.clips.find(clip.id).pinned


@pytest.mark.parametrize("change", ["restore", "copy", "pin"])
def test_nothing_changes_without_the_pages_own_form(
    site: Installation, clip: Clip, alice: httpx.Client, stranger: httpx.Client, change: str
) -> None:
    count = len(site.clips.list())
    for client in (alice, stranger):
        answer = client.post(f"{clip_address(clip)}/{change}", data={"version": "1"})
        assert answer.status_code in (303, 403)
    assert site.clips.find(clip.id).version == 3
    assert len(site.clips.list()) == count
