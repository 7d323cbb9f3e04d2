"""Where the data comes from: keys, counts, rejected events, copied tables."""

from __future__ import annotations

import re
from collections.abc import Callable

import httpx

from tests.web.installation import Installation

Send = Callable[..., httpx.Response]


def test_what_arrived_adds_up_before_the_readers_eyes(alice: httpx.Client) -> None:
    page = alice.get("/sources").text
    numbers = [int(one.replace(",", "")) for one in re.findall(r"<dd>([\d,]+)</dd>", page)]
    received, *parts = numbers
    assert (received, parts) == (1340, [1290, 40, 10])
    assert received == sum(parts)


def test_a_rejected_event_is_shown_with_its_reason_and_as_text(alice: httpx.Client) -> None:
    page = alice.get("/sources").text
    assert "<td>no_user</td>" in page
    assert "&lt;b&gt;bold&lt;/b&gt;" in page
    assert "<b>" not in page


def test_a_copied_table_says_its_columns_its_rows_its_age_and_what_went_wrong(
    alice: httpx.Client,
) -> None:
    page = alice.get("/sources").text
    assert "<code>company_uuid</code> <code>person_uuid</code>" in page
    assert "3 rows" in page
    assert re.search(r"Copied <time[^>]*>\d+ min ago</time>; the last try", page)
    assert '<p class="reason">The source cannot be reached.</p>' in page
    assert "postgresql://" not in page


def test_the_owner_makes_a_key_with_a_snippet_and_revokes_it(
    alice: httpx.Client, send: Send, site: Installation
) -> None:
    answer = send(alice, "/sources", {"source": "back <end>"}, to="/sources/keys")
    assert (answer.status_code, answer.headers["Location"]) == (303, "/sources")
    (key,) = [key for key in site.keys.list() if key.source == "back <end>"]
    page = alice.get("/sources").text
    assert "<h3>back &lt;end&gt; " in page
    assert f'analytics.write_key = "{key.key}"' in page
    assert f'analytics.host = "{site.config.collector.url}"' in page
    send(alice, "/sources", {"key": key.key}, to="/sources/keys/revoke")
    assert key.key not in site.keys.active()
    after = alice.get("/sources").text
    assert key.key not in after
    assert "it lets nothing in any more" in after


def test_a_key_needs_a_name_and_only_a_key_can_be_revoked(alice: httpx.Client, send: Send) -> None:
    nameless = send(alice, "/sources", {"source": " "}, to="/sources/keys")
    assert nameless.status_code == 400
    unknown = send(alice, "/sources", {"key": "nothing"}, to="/sources/keys/revoke")
    assert unknown.status_code == 404


def test_a_member_sees_the_sources_and_changes_no_key(
    bob: httpx.Client, send: Send, site: Installation
) -> None:
    key = site.keys.create("kept")
    page = bob.get("/sources").text
    assert key.key in page
    assert "New write key" not in page
    assert "/sources/keys/revoke" not in page
    for path in ("/sources/keys", "/sources/keys/revoke"):
        refused = send(bob, "/sources", {"source": "x", "key": key.key}, to=path)
        assert refused.status_code == 403
        assert "Only the owner changes write keys." in refused.text
    assert key.key in site.keys.active()
