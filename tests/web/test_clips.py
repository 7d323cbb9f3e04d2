"""A clip's page and its other faces, for people who are signed in."""

from __future__ import annotations

import csv
from collections.abc import Callable
from datetime import timedelta

import httpx
import pytest

from tests.web.installation import PASSWORD, Installation, fill
from turnout.access.people import OWNER
from turnout.clips.clip import Clip
from turnout.config import Clips as ClipSettings
from turnout.warehouse import Column, Table, Type
from turnout.web.address import clip_address


@pytest.fixture(scope="module")
def members(site: Installation) -> Clip:
    sql = "SELECT company_uuid, person_uuid FROM userdata.companyperson ORDER BY 1, 2"
    return site.clip("Members of companies", sql)


@pytest.fixture(scope="module")
def long(site: Installation) -> Clip:
    return site.clip("Long", "SELECT i AS n, 'x' AS letter, 1.5 AS a FROM range(2500) t(i)")


def test_a_page_shows_the_answer_its_age_and_its_sql(members: Clip, alice: httpx.Client) -> None:
    page = alice.get(clip_address(members))
    assert page.status_code == 200
    assert "<h1>Members of companies</h1>" in page.text
    assert "<td>globex</td><td>charlie</td>" in page.text
    assert "as of <time" in page.text
    assert "FROM userdata.companyperson" in page.text
    assert "version 1" in page.text
    assert page.headers["Cache-Control"] == "no-store"


def test_other_words_in_the_address_lead_to_the_right_ones(
    members: Clip, alice: httpx.Client
) -> None:
    for words in ("", "-members", "-who-knows", "-members-of-companies-2"):
        answer = alice.get(f"/clips/{members.id}{words}")
        assert answer.status_code == 303
        assert answer.headers["Location"] == f"/clips/{members.id}-members-of-companies"


def test_an_address_that_holds_no_clip_is_a_page_that_says_so(alice: httpx.Client) -> None:
    for address in ("nothing1", "-", "a" * 500, "%00", "%ff", "%ed%a0%80", "..%2f..", "ä", "x.xml"):
        answer = alice.get(f"/clips/{address}")
        assert answer.status_code == 404, address
        assert answer.headers["Content-Type"].startswith("text/html")
    assert alice.get("/clips/nothing1.json").json()["error"].startswith("There is no clip")


def test_csv_and_json_hold_what_the_page_shows(members: Clip, alice: httpx.Client) -> None:
    text = alice.get(clip_address(members, "csv"))
    assert text.headers["Content-Type"] == "text/csv; charset=utf-8"
    assert text.text.splitlines()[:2] == ["company_uuid,person_uuid", "acme,alice"]
    assert 'filename="members-of-companies.csv"' in text.headers["Content-Disposition"]
    data = alice.get(clip_address(members, "json"))
    assert data.headers["Content-Type"] == "application/json"
    assert data.json()["values"] == [["acme", "alice"], ["acme", "bob"], ["globex", "charlie"]]
    objects = alice.get(clip_address(members, "json"), params={"_shape": "objects"}).json()
    assert objects["values"][0] == {"company_uuid": "acme", "person_uuid": "alice"}


def test_a_part_of_the_rows_can_be_asked_for(long: Clip, alice: httpx.Client) -> None:
    part = alice.get(clip_address(long, "json"), params={"_offset": 2400, "_limit": 3}).json()
    assert [row[0] for row in part["values"]] == [2400, 2401, 2402]
    assert part["row_count"] == 2500
    text = alice.get(clip_address(long, "csv"), params={"_offset": 2499}).text
    assert [row[0] for row in csv.reader(text.splitlines())] == ["n", "2499"]
    assert alice.get(clip_address(long, "json"), params={"_offset": 9999}).json()["values"] == []


def test_a_large_answer_is_streamed_whole(site: Installation, alice: httpx.Client) -> None:
    clip = site.clip("Large", "SELECT i, repeat('x', 90) AS filling FROM range(20000) t(i)")
    answer = alice.get(clip_address(clip, "csv"))
    assert "Content-Length" not in answer.headers
    rows = answer.text.splitlines()
    assert (len(rows), rows[-1]) == (20_001, "19999," + "x" * 90)


@pytest.mark.parametrize("face", ["csv", "json", "chart"])
def test_who_has_the_answer_already_gets_304_and_nothing_runs(
    face: str, site: Installation, alice: httpx.Client
) -> None:
    clip = site.clip(f"Kept {face}", "SELECT i AS n, i * i AS square FROM range(9) t(i)")
    path = f"{clip_address(clip)}/chart.svg" if face == "chart" else clip_address(clip, face)
    first = alice.get(path)
    assert first.status_code == 200
    assert first.headers["Cache-Control"] == "private, no-cache"
    runs = site.runner.runs
    for known in (first.headers["ETag"], f'"other", {first.headers["ETag"]}', "*"):
        again = alice.get(path, headers={"If-None-Match": known})
        assert (again.status_code, again.content) == (304, b"")
        assert again.headers["ETag"] == first.headers["ETag"]
    assert alice.get(path, headers={"If-None-Match": '"other"'}).status_code == 200
    assert site.runner.runs == runs


def test_a_new_version_is_a_new_answer(site: Installation, alice: httpx.Client) -> None:
    clip = site.clip("Changing", "SELECT 1 AS n")
    first = alice.get(clip_address(clip, "csv"))
    site.clips.save(
        clip.id,
        title=clip.title,
        sql="SELECT 2 AS n",
        description="",
        author="Alice",
        now=site.clock(),
    )
    second = alice.get(clip_address(clip, "csv"), headers={"If-None-Match": first.headers["ETag"]})
    assert (second.status_code, second.text.split()) == (200, ["n", "2"])


def test_head_says_the_same_without_the_body(members: Clip, alice: httpx.Client) -> None:
    for path in (clip_address(members), clip_address(members, "csv")):
        got, headed = alice.get(path), alice.head(path)
        assert (headed.status_code, headed.content) == (200, b"")
        for name in ("Content-Type", "Cache-Control"):
            assert headed.headers[name] == got.headers[name]


def test_many_rows_are_turned_over_by_the_thousand(long: Clip, alice: httpx.Client) -> None:
    page = alice.get(clip_address(long)).text
    assert page.count("<tr>") == 1001
    assert "Rows 1–1,000 of 2,500" in page
    address = clip_address(long)
    assert f'rel="next" href="{address}?_offset=1000"' in page
    assert 'rel="prev"' not in page
    last = alice.get(address, params={"_offset": 2000}).text
    assert "Rows 2,001–2,500 of 2,500" in last
    assert f'rel="prev" href="{address}?_offset=1000"' in last
    assert 'rel="next"' not in last
    assert "There are only 2,500 rows" in alice.get(address, params={"_offset": 10**12}).text


@pytest.mark.parametrize(
    ("query", "name"),
    [
        ("?company=acme", "company"),
        ("?_limit=5", "_limit"),
        ("?_offset=-1", "_offset"),
        ("?_offset=1&_offset=2", "_offset"),
        ("?_offset=" + "0" * 5000, "_offset"),
        ("?<script>=1", "&lt;script&gt;"),
    ],
)
def test_a_question_mark_with_what_is_not_known_is_400(
    query: str, name: str, members: Clip, alice: httpx.Client
) -> None:
    answer = alice.get(clip_address(members) + query)
    assert answer.status_code == 400
    assert f"&#39;{name}&#39;" in answer.text


def test_an_answer_that_was_cut_says_so_everywhere(
    make_installation: Callable[..., Installation],
) -> None:
    small = make_installation(clips=ClipSettings(workers=1, rows_max=50))
    with opened(small) as alice:
        clip = small.clip("Cut", "SELECT i FROM range(51) t(i)")
        page = alice.get(clip_address(clip)).text
        assert "This answer was cut at 50 rows" in page
        assert "50 rows, cut" in page
        data = alice.get(clip_address(clip, "json"))
        assert data.json()["truncated"] is True
        assert data.headers["X-Clip-Truncated"] == "true"
        whole = small.clip("Whole", "SELECT i FROM range(50) t(i)")
        assert "cut" not in alice.get(clip_address(whole)).text


def test_null_is_a_dash_and_not_a_word(site: Installation, alice: httpx.Client) -> None:
    clip = site.clip("Nulls", "SELECT NULL::TEXT AS a, NULL::INT AS b, 'NULL' AS c, '' AS d")
    page = alice.get(clip_address(clip)).text
    assert page.count('<span title="NULL">–</span>') == 2
    assert "<td>NULL</td><td></td>" in page
    assert alice.get(clip_address(clip, "csv")).text == 'a,b,c,d\r\n,,NULL,""\r\n'


def test_a_query_that_fails_says_so_in_the_engines_words(
    site: Installation, alice: httpx.Client
) -> None:
    clip = site.clip("Broken", "SELECT no_such_column FROM userdata.companyperson")
    page = alice.get(clip_address(clip))
    assert page.status_code == 422
    assert "no_such_column" in page.text
    assert f'href="{clip_address(clip)}/edit">Change the query' in page.text
    data = alice.get(clip_address(clip, "json"))
    assert data.status_code == 422
    assert "no_such_column" in data.json()["error"]
    assert data.headers["Cache-Control"] == "no-store"


def test_an_old_answer_stands_in_marked_with_its_age_and_the_reason(
    make_installation: Callable[..., Installation],
) -> None:
    eager = make_installation(clips=ClipSettings(workers=1, fresh_for_s=0))
    eager.follower.note("analytics", eager.clock() - timedelta(hours=3))
    table = Table("analytics", "moods", (Column("mood", Type.TEXT),))
    eager.write(table, mood=["good"])
    eager.publish()
    with opened(eager) as alice:
        clip = eager.clip("Moods", "SELECT mood FROM analytics.moods ORDER BY mood", pinned=True)
        fresh = alice.get(clip_address(clip, "csv"))
        assert "X-Clip-Stale" not in fresh.headers
        with eager.warehouse.transaction() as transaction:
            transaction.execute("DROP TABLE analytics.moods")
        eager.publish()

        page = alice.get(clip_address(clip))
        assert page.status_code == 200
        assert '<span class="figure">good</span>' in page.text
        assert '<span class="mark warn">3 h old</span>' in page.text
        assert "could not be computed" in page.text
        assert "moods does not exist" in page.text
        stale = alice.get(
            clip_address(clip, "csv"), headers={"If-None-Match": fresh.headers["ETag"]}
        )
        assert (stale.status_code, stale.headers["X-Clip-Stale"]) == (200, "true")
        assert alice.get(clip_address(clip, "json")).json()["is_stale"] is True
        assert "3 h old" in alice.get("/").text


def test_who_is_not_signed_in_gets_the_way_in_or_a_refusal_in_json(
    members: Clip, stranger: httpx.Client
) -> None:
    address = clip_address(members)
    for path in (address, f"{address}/edit", f"{address}/share", "/clips", "/clips/new"):
        page = stranger.get(path)
        assert page.status_code == 303
        assert page.headers["Location"].startswith("/sign-in?next=%2Fclips")
    for path in (f"{address}.csv", f"{address}.json", f"{address}/chart.svg", "/clips/no.json"):
        data = stranger.get(path)
        assert (data.status_code, data.json()["error"]) == (401, "Please sign in.")
    asked = stranger.get(address, headers={"Accept": "application/json"})
    assert asked.status_code == 401


def opened(installation: Installation) -> httpx.Client:
    """Alice's browser, signed in to a new installation of hers."""
    alice = installation.people.add("Alice", OWNER, PASSWORD, now=installation.clock())
    if not installation.follower.is_level:
        fill(installation)
    token = installation.people.open_session(alice, now=installation.clock())
    cookies = {"turnout_session": token}
    return httpx.Client(base_url=installation.url, cookies=cookies, timeout=30)
