"""Where the data comes from: sources with their keys and counts, and copied tables."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta

import httpx
import pytest
from markupsafe import escape

from tests.web.installation import Installation
from turnout.access.keys import WriteKey
from turnout.events import layout
from turnout.web.snippets import snippets
from turnout.web.sources import source_address

Send = Callable[..., httpx.Response]
DAY = timedelta(days=1)


def test_what_arrived_adds_up_before_the_readers_eyes(
    alice: httpx.Client, site: Installation
) -> None:
    hour = site.clock().replace(minute=0, second=0, microsecond=0, tzinfo=None)
    counts = {"received": [10, 5], "stored": [7, 5], "duplicates": [2, 0], "rejected": [1, 0]}
    site.write(
        layout.SOURCE_COUNTS, source=["web app", "web app"], hour=[hour, hour - DAY], **counts
    )
    numbers = re.findall(r"<dd>([\d,]+)</dd>", alice.get("/sources").text)
    assert numbers == ["15", "12", "2", "1"]
    page = alice.get(source_address("web app")).text
    lines = re.findall(r'<tr><th scope="row">(.*?)</th>(.*?)</tr>', page)
    sums = {label: re.findall(r"(\d+)</td>", cells) for label, cells in lines}
    assert sums == {
        "This hour": ["10", "7", "2", "1"],
        "24 hours": ["10", "7", "2", "1"],
        "All": ["15", "12", "2", "1"],
    }


def test_a_copied_table_says_its_columns_its_rows_its_age_and_what_went_wrong(
    alice: httpx.Client,
) -> None:
    page = alice.get("/sources").text
    assert "<code>company_uuid</code> <code>person_uuid</code>" in page
    assert "3 rows" in page
    assert re.search(r"Copied <time[^>]*>\d+ min ago</time>; the last try", page)
    assert '<p class="reason">The source cannot be reached.</p>' in page
    assert "postgresql://" not in page


def test_the_owner_adds_a_source_and_every_snippet_names_host_and_key(
    alice: httpx.Client, send: Send, site: Installation
) -> None:
    fields = {"source": "back <end>", "kind": "mobile"}
    answer = send(alice, "/sources", fields)
    (key,) = keys_of(site, "back <end>")
    assert key.kind == "mobile"
    address = source_address("back <end>")
    assert (answer.status_code, answer.headers["Location"]) == (303, address)
    page = alice.get(address).text
    assert "<bdi>back &lt;end&gt;</bdi>" in page
    assert page.count(key.key) > 12
    shown = snippets(key, site.config.collector.url)
    assert [one.language for one in shown[:3]] == ["Kotlin", "Swift", "C#"]
    assert len({one.language for one in shown}) == 12
    for one in shown:
        assert key.key in one.text
        assert "127.0.0.1" in one.text
        assert str(escape(one.text)) in page


def test_a_key_is_rotated_without_a_gap(
    alice: httpx.Client, send: Send, site: Installation
) -> None:
    send(alice, "/sources", {"source": "rotated", "kind": "browser"})
    (old,) = keys_of(site, "rotated")
    site.keys.change(old.key, origins=["https://app.acme.example"], rate_per_s=7)
    page = "/sources/rotated"
    assert "Add a second key" in alice.get(page).text
    assert "It is the only active key" in alice.get(page).text
    send(alice, page, to=f"{page}/keys")
    _, new = keys_of(site, "rotated")
    assert (new.kind, new.origins, new.rate_per_s) == ("browser", old_origins(site, old), 7)
    site.keys.note_uses({old.key: site.clock()})
    both = alice.get(page).text
    assert "last used" in both
    assert "not used yet" in both
    send(alice, page, {"key": old.key}, to=f"{page}/keys/revoke")
    assert old.key not in site.keys.active()
    after = alice.get(page).text
    assert old.key not in after
    assert "It lets nothing in any more." in after


def test_a_key_is_changed_and_what_cannot_be_is_said(
    alice: httpx.Client, send: Send, site: Installation
) -> None:
    key = site.keys.create("changed")
    fields = {
        "key": key.key, "kind": "browser", "ip": "drop", "rate_per_s": "50",
        "origins": "https://app.acme.example\r\nhttps://www.acme.example/",
    }  # fmt: skip
    assert send(alice, "/sources/changed", fields, to="/sources/changed/keys/change").is_redirect
    (changed,) = keys_of(site, "changed")
    assert (changed.kind, changed.ip, changed.rate_per_s) == ("browser", "drop", 50)
    assert changed.origins == ("https://app.acme.example", "https://www.acme.example")
    for wrong in ({"origins": "nowhere"}, {"rate_per_s": "-1"}, {"rate_per_s": "9" * 40},
                  {"kind": "car"}, {"ip": "double"}):  # fmt: skip
        answer = send(
            alice, "/sources/changed", {**fields, **wrong}, to="/sources/changed/keys/change"
        )
        assert answer.status_code == 400, wrong
    emptied = {**fields, "origins": "", "rate_per_s": ""}
    send(alice, "/sources/changed", emptied, to="/sources/changed/keys/change")
    (changed,) = keys_of(site, "changed")
    assert (changed.origins, changed.rate_per_s) == ((), None)


def test_a_source_needs_a_name_and_a_key_is_its_own(
    alice: httpx.Client, send: Send, site: Installation
) -> None:
    assert send(alice, "/sources", {"source": " "}).status_code == 400
    site.keys.create("one")
    other = site.keys.create("another")
    for key in (other.key, "nothing", ""):
        for action in ("keys/change", "keys/revoke", "test"):
            answer = send(alice, "/sources/one", {"key": key}, to=f"/sources/one/{action}")
            assert answer.status_code == 404
    assert alice.get("/sources/nobody").status_code == 404


@pytest.mark.parametrize(
    "name", ["web", "Web", "keys", "a/b", "..", "🎉", "<script>", "x" * 60, "%2e%2e", "a b"]
)
def test_every_name_has_an_address_of_its_own(
    alice: httpx.Client, site: Installation, name: str
) -> None:
    site.keys.create(name)
    page = alice.get(source_address(name))
    assert page.status_code == 200
    assert f"<h1><bdi>{escape(name)}</bdi></h1>" in page.text


def test_a_member_sees_the_sources_and_changes_no_key(
    bob: httpx.Client, send: Send, site: Installation
) -> None:
    key = site.keys.create("kept")
    page = bob.get("/sources/kept").text
    assert key.key in page
    assert "New source" not in bob.get("/sources").text
    assert "/sources/kept/keys" not in page
    for path in ("", "/kept/keys", "/kept/keys/change", "/kept/keys/revoke"):
        fields = {"source": "x", "key": key.key, "kind": "browser"}
        refused = send(bob, "/sources", fields, to=f"/sources{path}")
        assert refused.status_code == 403
        assert "Only the owner changes write keys." in refused.text
    assert key.key in site.keys.active()


def test_a_test_event_that_cannot_be_sent_says_why(
    alice: httpx.Client, send: Send, site: Installation
) -> None:
    key = site.keys.create("lonely")
    answer = send(alice, "/sources/lonely", {"key": key.key}, to="/sources/lonely/test")
    assert answer.status_code == 503
    assert "The collector does not answer." in answer.text
    assert key.key not in answer.text


def keys_of(site: Installation, source: str) -> list[WriteKey]:
    return [key for key in site.keys.list() if key.source == source]


def old_origins(site: Installation, key: WriteKey) -> tuple[str, ...]:
    return next(each.origins for each in site.keys.list() if each.key == key.key)
