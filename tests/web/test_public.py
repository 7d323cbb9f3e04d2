"""What a link opens for anybody, and what it never tells."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta
from http.cookiejar import CookieJar

import httpx
import pytest

from tests.web.installation import Installation
from turnout.clips.clip import Clip
from turnout.config import Clips as ClipSettings
from turnout.warehouse import Column, Table, Type

SQL = "SELECT company_uuid, count(*) AS people FROM userdata.companyperson GROUP BY 1 ORDER BY 1"
FACES = ("", ".csv", ".json", "/chart.svg")


@pytest.fixture(scope="module")
def clip(site: Installation) -> Clip:
    return site.clip("People by company", SQL, description="Everybody counts")


@pytest.fixture(scope="module")
def token(clip: Clip, site: Installation) -> str:
    return site.link(clip)


def test_a_link_opens_the_answer_as_page_data_and_drawing(
    token: str, stranger: httpx.Client
) -> None:
    page = stranger.get(f"/s/{token}")
    assert page.status_code == 200
    assert "<h1>People by company</h1>" in page.text
    assert "Everybody counts" in page.text
    assert '<td>acme</td><td class="number">2</td>' in page.text
    assert "anyone with this link can see it" in page.text
    assert "Shared by Alice" in page.text
    assert stranger.get(f"/s/{token}.csv").text.splitlines()[1] == "acme,2"
    assert stranger.get(f"/s/{token}.json").json()["values"] == [["acme", 2], ["globex", 1]]
    assert stranger.get(f"/s/{token}/chart.svg").content.startswith(b"<svg")


def test_the_page_leads_nowhere_into_the_house(token: str, stranger: httpx.Client) -> None:
    page = stranger.get(f"/s/{token}").text
    inside = set(re.findall(r'(?:href|src|srcset|action)="(/[^"]*)"', page))
    allowed = (f"/s/{token}", "/static/")
    assert {path for path in inside if not path.startswith(allowed)} == {"/"}
    assert "<form" not in page


@pytest.mark.parametrize("words", ["-people-by-company", "-any-other-words", "-", "-x.y", "-ä"])
def test_the_words_after_the_token_do_not_matter(
    words: str, token: str, stranger: httpx.Client
) -> None:
    for face in FACES:
        answer = stranger.get(f"/s/{token}{words}{face}")
        assert answer.status_code == 200, face
        assert (
            answer.headers["Content-Type"]
            == (stranger.get(f"/s/{token}{face}").headers["Content-Type"])
        )


def test_every_link_that_opens_nothing_gets_the_same_404(
    clip: Clip, site: Installation, stranger: httpx.Client
) -> None:
    past = site.clock() - timedelta(days=2)
    expired = site.link(clip, now=past, expires_at=past + timedelta(days=1))
    revoked = site.link(clip)
    site.links.revoke(site.links.of(clip.id)[0].id, now=site.clock())
    gone = site.clip("Put away", "SELECT 1")
    put_away = site.link(gone)
    site.clips.archive(gone.id, now=site.clock())
    unknown = "a" * 28
    odd = ["x", "A" * 28, "a" * 27, "a" * 29, "%00", "%ff", "%ed%a0%80", "ä", "'", "a" * 4000]
    for face in FACES:
        answers = {
            (answer.status_code, answer.content, without_time(answer))
            for name in (unknown, expired, revoked, put_away, *odd)
            for answer in [stranger.get(f"/s/{name}{face}")]
        }
        assert len(answers) == 1
        ((status, body, _),) = answers
        assert status == 404
        assert b"There is no clip at this address." in body


def without_time(answer: httpx.Response) -> tuple[tuple[str, str], ...]:
    """An answer's headers, but for the time they were sent."""
    return tuple((name, value) for name, value in answer.headers.multi_items() if name != "date")


def test_what_is_not_there_says_the_same_to_programs_in_json(stranger: httpx.Client) -> None:
    answer = stranger.get(f"/s/{'a' * 28}.json")
    assert answer.headers["Content-Type"] == "application/json"
    assert answer.json()["error"] == "There is no clip at this address."


def test_no_cookie_is_set_and_none_is_read(
    token: str, clip: Clip, alice: httpx.Client, stranger: httpx.Client
) -> None:
    for path in (*(f"/s/{token}{face}" for face in FACES), f"/s/{'a' * 28}", f"/s/{token}?x=1"):
        ours, theirs = alice.get(path), stranger.get(path)
        assert "Set-Cookie" not in theirs.headers
        assert re.sub(r"\d+ s ago", "", ours.text) == re.sub(r"\d+ s ago", "", theirs.text)
        assert "Vary" not in theirs.headers
    assert isinstance(stranger.cookies.jar, CookieJar)
    assert list(stranger.cookies.jar) == []
    # Nor does being signed in open a closed one.
    assert alice.get(f"/s/{'a' * 28}").status_code == 404
    assert clip.id not in stranger.get(f"/s/{token}").text


@pytest.mark.parametrize("face", FACES)
def test_headers_keep_the_token_out_of_other_places_and_let_scripts_read_the_data(
    face: str, token: str, stranger: httpx.Client
) -> None:
    for path in (f"/s/{token}{face}", f"/s/{'a' * 28}{face}"):
        headers = stranger.get(path).headers
        assert headers["Referrer-Policy"] == "no-referrer"
        assert headers["X-Robots-Tag"] == "noindex"
        assert headers["Access-Control-Allow-Origin"] == "*"
        assert "Access-Control-Allow-Credentials" not in headers
        assert headers["X-Content-Type-Options"] == "nosniff"


@pytest.mark.parametrize("face", FACES)
def test_an_answer_is_kept_for_less_than_a_minute_by_nobody_in_between(
    face: str, token: str, stranger: httpx.Client
) -> None:
    keep = stranger.get(f"/s/{token}{face}").headers["Cache-Control"]
    found = re.fullmatch(r"private, max-age=(\d+)", keep)
    assert found
    assert 0 < int(found[1]) <= 60
    assert stranger.get(f"/s/{'a' * 28}{face}").headers["Cache-Control"] == "no-store"


def test_a_script_of_another_site_may_ask_whether_its_copy_still_holds(
    token: str, stranger: httpx.Client
) -> None:
    asked = stranger.options(
        f"/s/{token}.json",
        headers={
            "Origin": "https://sheets.example",
            "Access-Control-Request-Method": "GET",
            "Access-Control-Request-Headers": "if-none-match",
        },
    )
    assert asked.is_success
    assert asked.headers["Access-Control-Allow-Origin"] == "*"
    assert "If-None-Match" in asked.headers["Access-Control-Allow-Headers"]
    assert "ETag" in stranger.get(f"/s/{token}.json").headers["Access-Control-Expose-Headers"]


def test_who_polls_gets_304_and_nothing_runs(
    token: str, site: Installation, stranger: httpx.Client
) -> None:
    for face in FACES[1:]:
        etag = stranger.get(f"/s/{token}{face}").headers["ETag"]
        runs = site.runner.runs
        answer = stranger.get(f"/s/{token}{face}", headers={"If-None-Match": etag})
        assert (answer.status_code, answer.content) == (304, b"")
        assert answer.headers["Access-Control-Allow-Origin"] == "*"
        assert site.runner.runs == runs


@pytest.mark.parametrize("face", FACES)
def test_head_says_the_same_without_the_body(face: str, token: str, stranger: httpx.Client) -> None:
    for path in (f"/s/{token}{face}", f"/s/{'a' * 28}{face}"):
        got, headed = stranger.get(path), stranger.head(path)
        assert headed.status_code == got.status_code
        assert headed.content == b""
        for name in ("Content-Type", "ETag", "Cache-Control"):
            assert headed.headers.get(name) == got.headers.get(name)


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
def test_a_link_only_reads(method: str, token: str, stranger: httpx.Client) -> None:
    answer = stranger.request(method, f"/s/{token}")
    assert answer.status_code == 405
    assert "cannot be used that way" in answer.text


@pytest.mark.parametrize("face", FACES)
def test_an_unknown_parameter_is_refused_by_its_name(
    face: str, token: str, stranger: httpx.Client
) -> None:
    answer = stranger.get(f"/s/{token}{face}?company=globex&_theme=light")
    assert answer.status_code == 400
    said = answer.json()["error"] if face else answer.text.replace("&#39;", "'")
    assert "Nothing here is called 'company'" in said


def test_a_closed_link_does_not_say_what_parameters_it_knew(stranger: httpx.Client) -> None:
    assert stranger.get(f"/s/{'a' * 28}.csv?company=globex").status_code == 404


def test_the_sql_is_shown_only_when_the_link_says_so(
    clip: Clip, token: str, site: Installation, stranger: httpx.Client
) -> None:
    for face in FACES:
        assert "companyperson" not in stranger.get(f"/s/{token}{face}").text
    open_book = stranger.get(f"/s/{site.link(clip, shows_sql=True)}").text
    assert "FROM userdata.companyperson" in open_book


def test_strangers_never_see_an_error_of_the_database_and_the_owner_is_told(
    site: Installation, stranger: httpx.Client, alice: httpx.Client
) -> None:
    broken = site.clip("Broken <one>", "SELECT secret_column FROM userdata.companyperson")
    token = site.link(broken)
    for face in FACES:
        answer = stranger.get(f"/s/{token}{face}")
        assert answer.status_code == 422
        assert "This clip is broken; its owner has been told." in answer.text
        for word in ("secret_column", "companyperson", "person_uuid", "Binder", "LINE 1"):
            assert word not in answer.text
    assert "“Broken &lt;one&gt;” is broken" in alice.get("/").text
    site.clips.save(
        broken.id,
        title="Mended",
        sql="SELECT 1 AS one",
        description="",
        author="Alice",
        now=site.clock(),
    )
    assert stranger.get(f"/s/{token}.json").json()["values"] == [[1]]
    assert alice.get(f"/clips/{broken.id}-mended").status_code == 200
    assert "is broken" not in alice.get("/").text


def test_a_refused_query_and_one_too_slow_say_no_more_than_a_broken_one(
    make_installation: Callable[..., Installation],
) -> None:
    hurried = make_installation(clips=ClipSettings(workers=1, timeout_s=0.3))
    hurried.publish()
    endless = "SELECT count(*) FROM range(100000000000) t(i) WHERE i % 7 = 3"
    for sql in ("COPY x TO '/tmp/secret.csv'", endless):
        path = f"{hurried.url}/s/{hurried.link(hurried.clip('Quiet', sql))}.json"
        answer = httpx.get(path, timeout=20)
        assert answer.status_code == 422
        assert answer.json() == {
            "error": "This clip is broken; its owner has been told.",
            "hint": None,
        }


def test_an_old_answer_that_stands_in_hides_why(
    make_installation: Callable[..., Installation],
) -> None:
    eager = make_installation(clips=ClipSettings(workers=1, fresh_for_s=0))
    eager.follower.note("analytics", eager.clock() - timedelta(hours=3))
    eager.write(Table("analytics", "moods", (Column("mood", Type.TEXT),)), mood=["good"])
    eager.publish()
    token = eager.link(eager.clip("Moods", "SELECT mood FROM analytics.moods"))
    assert httpx.get(f"{eager.url}/s/{token}.csv").status_code == 200
    with eager.warehouse.transaction() as transaction:
        transaction.execute("DROP TABLE analytics.moods")
    eager.publish()
    page = httpx.get(f"{eager.url}/s/{token}", timeout=20)
    assert page.status_code == 200
    assert '<span class="figure">good</span>' in page.text
    assert "3 h old" in page.text
    assert "could not be computed; its owner has been told" in page.text
    assert "does not exist" not in page.text
    data = httpx.get(f"{eager.url}/s/{token}.json", timeout=20)
    assert data.headers["X-Clip-Stale"] == "true"
    assert "does not exist" not in data.text
    assert data.json()["is_stale"] is True


def test_before_anything_is_published_a_page_waits_and_data_is_asked_for_later(
    make_installation: Callable[..., Installation],
) -> None:
    new = make_installation()
    token = new.link(new.clip("Early", "SELECT 1"))
    page = httpx.get(f"{new.url}/s/{token}")
    assert page.status_code == 200
    assert "Being prepared…" in page.text
    assert page.headers["Cache-Control"] == "no-store"
    data = httpx.get(f"{new.url}/s/{token}.csv")
    assert data.status_code == 503
    assert int(data.headers["Retry-After"]) > 0
