"""Writing a clip: run, save, and what is said when that does not work."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

import httpx
import pytest

from tests.web.installation import PASSWORD, Installation, fill
from turnout.access.people import OWNER
from turnout.clips.clip import Clip
from turnout.config import Clips as ClipSettings
from turnout.web import assets
from turnout.web.address import clip_address
from turnout.web.editor import example_sql

Send = Callable[..., httpx.Response]

ENDLESS = "SELECT count(*) FROM range(100000000000) a(i) WHERE a.i % 7 = 3"


@pytest.fixture
def clip(site: Installation) -> Iterator[Clip]:
    clip = site.clip("People of Acme", "SELECT 'alice' AS person", description="Who works there")
    yield clip
    if any(clip.id == kept.id for kept in site.clips.list()):
        site.clips.archive(clip.id, now=site.clock())


def written(sql: str, action: str = "run", **fields: str) -> dict[str, str]:
    """The editor's form as somebody filled it in."""
    return {
        "title": "New",
        "description": "",
        "version": "0",
        "sql": sql,
        "action": action,
    } | fields


def shown_sql(page: str) -> str:
    """What stands in the editor's field."""
    found = re.search(r"<textarea[^>]*>\n(.*?)</textarea>", page, re.DOTALL)
    assert found
    return found[1]


def test_it_begins_with_a_query_that_works_beside_the_tables_there_are(
    alice: httpx.Client, send: Send
) -> None:
    page = alice.get("/clips/new").text
    assert "FROM analytics.tracks" in shown_sql(page)
    for name in ("companyperson", "company_uuid", "tracks", "user_id"):
        assert name in page
    ran = send(alice, "/clips/new", written(shown_sql(page)))
    assert "signed_in</td>" in ran.text


def test_without_any_table_there_still_is_a_query_that_needs_none() -> None:
    assert "FROM" not in example_sql([])


def test_a_run_shows_rows_time_and_count_and_keeps_what_was_written(
    alice: httpx.Client, send: Send, site: Installation
) -> None:
    sql = "SELECT person_uuid AS who, 7 AS n\nFROM userdata.companyperson -- <all>\nORDER BY 1"
    before = len(site.clips.list())
    page = send(alice, "/clips/new", written(sql.replace("\n", "\r\n"), title="Who & <where>"))
    assert page.status_code == 200
    assert "<td>bob</td>" in page.text
    assert "3 rows" in page.text
    assert re.search(r"<span>[\d.]+ (ms|s)</span>", page.text)
    assert shown_sql(page.text) == sql.replace("<", "&lt;").replace(">", "&gt;")
    assert 'value="Who &amp; &lt;where&gt;"' in page.text
    assert len(site.clips.list()) == before


def test_a_run_shows_the_first_rows_of_many(alice: httpx.Client, send: Send) -> None:
    page = send(alice, "/clips/new", written("FROM range(5000)")).text
    assert "5,000 rows" in page
    assert "the first 200 are shown" in page
    assert page.count("<tr>") == 201


def test_a_run_that_finds_nothing_says_so(alice: httpx.Client, send: Send) -> None:
    page = send(alice, "/clips/new", written("SELECT 1 AS n WHERE false")).text
    assert "No rows." in page


def test_a_run_of_a_changed_clip_changes_nothing_yet(
    clip: Clip, alice: httpx.Client, send: Send, site: Installation
) -> None:
    edit = f"{clip_address(clip)}/edit"
    assert shown_sql(alice.get(edit).text) == "SELECT &#39;alice&#39; AS person"
    page = send(alice, edit, written("SELECT 'bob' AS person", version="1"))
    assert "bob" in page.text
    assert site.clips.find(clip.id) == clip


def test_save_makes_a_clip_and_goes_there(
    alice: httpx.Client, send: Send, site: Installation
) -> None:
    fields = written("SELECT 41 + 1 AS answer", "save", title="  The   answer ", description="All")
    answer = send(alice, "/clips/new", fields)
    assert answer.status_code == 303
    assert answer.headers["Location"].endswith("-the-answer")
    page = alice.get(answer.headers["Location"]).text
    assert '<span class="figure">42</span>' in page
    assert "version 1" in page
    assert "by Alice" in page


def test_save_makes_a_version_and_saving_the_same_again_none(
    clip: Clip, bob: httpx.Client, send: Send, site: Installation
) -> None:
    edit = f"{clip_address(clip)}/edit"
    fields = written("SELECT 'bob' AS person", "save", title="Renamed", version="1")
    answer = send(bob, edit, fields)
    assert answer.headers["Location"] == f"/clips/{clip.id}-renamed"
    versions = site.clips.versions(clip.id)
    assert [(one.version, one.author) for one in versions] == [(2, "Bob"), (1, "Alice")]
    assert send(bob, edit, fields | {"version": "2"}).status_code == 303
    assert len(site.clips.versions(clip.id)) == 2


def test_two_who_write_at_once_are_told_and_nothing_is_lost(
    clip: Clip, alice: httpx.Client, bob: httpx.Client, send: Send, site: Installation
) -> None:
    edit = f"{clip_address(clip)}/edit"
    assert send(bob, edit, written("SELECT 'by bob' AS x", "save", version="1")).is_redirect
    late = send(alice, edit, written("SELECT 'by alice' AS x", "save", version="1"))
    assert late.status_code == 403
    assert "Bob saved a newer version" in late.text
    assert "by alice" in shown_sql(late.text)
    assert site.clips.find(clip.id).sql == "SELECT 'by bob' AS x"
    assert 'name="version" value="2"' in late.text
    assert send(alice, edit, written("SELECT 'by alice' AS x", "save", version="2")).is_redirect


@pytest.mark.parametrize("version", ["", "one", "-1", "٣", "9" * 5000])
def test_a_version_nobody_was_shown_saves_nothing(
    version: str, clip: Clip, alice: httpx.Client, send: Send, site: Installation
) -> None:
    edit = f"{clip_address(clip)}/edit"
    answer = send(alice, edit, written("SELECT 0", "save", version=version))
    assert answer.status_code == 403
    assert site.clips.find(clip.id) == clip


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        (written("SELECT 1", "save", title="  "), "A clip needs a title."),
        (written("  ", "save"), "A clip needs a query."),
        (written("SELECT 1", "save", title="x" * 201), "The title is longer than 200 characters."),
        (written("SELECT '" + "x" * 100_000 + "'", "save"), "longer than 100 KB"),
        (written("SELECT '\0'", "save"), "a character that no text may hold"),
    ],
)
def test_what_cannot_be_kept_is_said_and_still_stands_in_the_form(
    fields: dict[str, str], said: str, alice: httpx.Client, send: Send
) -> None:
    answer = send(alice, "/clips/new", fields)
    assert answer.status_code == 400
    assert said in answer.text
    assert f'value="{fields["title"].strip()}"' in answer.text


def test_an_error_is_said_in_the_engines_words(alice: httpx.Client, send: Send) -> None:
    answer = send(alice, "/clips/new", written("SELECT persom_uuid FROM userdata.companyperson"))
    assert answer.status_code == 422
    assert "&#34;persom_uuid&#34; not found" in answer.text
    assert "person_uuid" in answer.text  # the engine's guess of what was meant
    assert 'role="alert"' in answer.text
    assert "Traceback" not in answer.text


@pytest.mark.parametrize(
    ("sql", "said"),
    [
        ("", "There is no query here."),
        ("SELECT 1; SELECT 2", "A clip is one statement; this text holds 2."),
        ("INSERT INTO userdata.companyperson VALUES ('x', 'y')", "Clips only read;"),
        ("DELETE FROM userdata.companyperson", "Clips only read;"),
        ("UPDATE userdata.companyperson SET person_uuid = 'x'", "Clips only read;"),
        ("CREATE TABLE x (i INT)", "Clips only read;"),
        ("DROP TABLE userdata.companyperson", "Clips only read;"),
        ("COPY userdata.companyperson TO '/tmp/out.csv'", "Clips write no files."),
        ("ATTACH '/tmp/other.duckdb'", "no other database can be attached"),
        ("SET memory_limit = '10GB'", "Settings are fixed in clips."),
        ("PRAGMA version", "PRAGMA is not available in clips"),
        ("CALL pragma_version()", "CALL is not available in clips."),
        ("LOAD httpfs", "Extensions cannot be loaded in clips."),
        ("INSTALL httpfs", "Extensions cannot be loaded in clips."),
        ("BEGIN", "needs no transaction"),
        ("PREPARE x AS SELECT 1", "Prepared statements are not available in clips."),
        ("SELECT * FROM read_text('/etc/passwd')", "files and web addresses are closed"),
        ("SELECT * FROM 'https://example.com/x.csv'", "files and web addresses are closed"),
    ],
)
def test_what_is_not_reading_is_refused_in_a_clear_sentence(
    sql: str, said: str, alice: httpx.Client, send: Send
) -> None:
    answer = send(alice, "/clips/new", written(sql))
    assert answer.status_code == 422
    reason = re.search(r'<p class="reason"[^>]*>(.*?)</p>', answer.text, re.DOTALL)
    assert reason
    assert said in reason[1]


def test_an_endless_query_is_stopped_in_time_and_the_next_one_runs(
    make_installation: Callable[..., Installation], send: Send
) -> None:
    hurried = make_installation(clips=ClipSettings(workers=1, timeout_s=0.5))
    alice = hurried.people.add("Alice", OWNER, PASSWORD, now=hurried.clock())
    fill(hurried)
    token = hurried.people.open_session(alice, now=hurried.clock())
    cookies = {"turnout_session": token}
    with httpx.Client(base_url=hurried.url, cookies=cookies, timeout=20) as client:
        stopped = send(client, "/clips/new", written(ENDLESS))
        assert stopped.status_code == 504
        assert "ran longer than the 0.5 s allowed and was stopped" in stopped.text
        assert "count before joining" in stopped.text
        assert ENDLESS in shown_sql(stopped.text)
        after = send(client, "/clips/new", written("SELECT 6 * 7 AS answer"))
        assert '<span class="figure">42</span>' in after.text


def test_before_anything_is_published_the_editor_says_what_it_waits_for(
    make_installation: Callable[..., Installation], send: Send
) -> None:
    new = make_installation()
    alice = new.people.add("Alice", OWNER, PASSWORD, now=new.clock())
    token = new.people.open_session(alice, now=new.clock())
    cookies = {"turnout_session": token}
    with httpx.Client(base_url=new.url, cookies=cookies, timeout=20) as client:
        answer = send(client, "/clips/new", written("SELECT 1"))
    assert answer.status_code == 503
    assert "There is nothing to query yet" in answer.text
    assert "No tables yet." in answer.text


def test_a_clip_put_away_is_gone_with_its_links_and_its_notice(
    clip: Clip, alice: httpx.Client, send: Send, site: Installation
) -> None:
    shared = f"/s/{site.link(clip)}"
    broken = {"title": clip.title, "sql": "SELECT broken", "description": "", "author": "Alice"}
    site.clips.save(clip.id, **broken, now=site.clock())
    assert alice.get(shared).status_code == 422
    assert "“People of Acme” is broken" in alice.get("/").text
    address = clip_address(clip)
    answer = send(alice, f"{address}/edit", to=f"{address}/archive")
    assert (answer.status_code, answer.headers["Location"]) == (303, "/clips")
    assert alice.get(address).status_code == 404
    assert alice.get(shared).status_code == 404
    assert "is broken" not in alice.get("/").text
    assert clip.title not in alice.get("/clips").text


def test_a_query_is_laid_out_without_being_run(
    site: Installation, alice: httpx.Client, send: Send
) -> None:
    runs = site.runner.runs
    draft = "-- :plan one of free, pro = pro\nselect :plan as plan"
    page = send(alice, "/clips/new", written(draft, "format"))
    assert shown_sql(page.text) == "-- :plan one of free, pro = pro\nSELECT\n  :plan AS plan"
    odd = send(alice, "/clips/new", written("SELEC 1", "format"))
    assert odd.status_code == 400
    assert shown_sql(odd.text) == "SELEC 1"
    assert site.runner.runs == runs


def test_a_selected_part_is_run_with_the_parameters_above_it(
    alice: httpx.Client, send: Send
) -> None:
    sql = "-- :n number = 3\nWITH a AS (SELECT :n + 1 AS x)\nSELECT * FROM nothing"
    page = send(alice, "/clips/new", written(sql, selection="SELECT :n + 1 AS x"))
    assert ">4</" in page.text
    assert "Only the selected part was run." in page.text


def test_completion_learns_every_table_and_nobody_else_does(
    alice: httpx.Client, stranger: httpx.Client
) -> None:
    found = alice.get("/clips/schema.json").json()
    assert found["userdata"]["companyperson"]["company_uuid"] == "text"
    assert stranger.get("/clips/schema.json").status_code == 401


def test_without_the_bundled_editor_the_form_is_the_editor(
    alice: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "/static/editor.js?v=" in alice.get("/clips/new").text
    without = {name: each for name, each in assets.assets().items() if name != "editor.js"}
    monkeypatch.setattr(assets, "assets", lambda: without)
    page = alice.get("/clips/new").text
    assert "editor.js" not in page
    assert "<textarea" in page
