"""Copied databases: connected by the owner, followed by everybody, never with a password shown."""

from __future__ import annotations

import re
import stat
import tomllib
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import httpx
import pytest

from tests.web.installation import PASSWORD, Installation, token_in
from turnout.demo.cluster import Cluster
from turnout.state.request import Requests
from turnout.sync.run import Progress
from turnout.sync.standing import Standing, UnderWay

Send = Callable[..., httpx.Response]
DEMO = Path(__file__).parents[2] / "turnout" / "demo" / "schema.sql"
MINUTE = timedelta(minutes=1)


@pytest.fixture
def shop(cluster: Cluster, database: str) -> str:
    """The pretend company's empty database, by its address with the password in it."""
    with cluster.connect(database) as connection:
        connection.execute(DEMO.read_bytes())
    return cluster.leader_url("postgres", database)


@pytest.fixture(scope="module")
def house(make_installation: Callable[..., Installation]) -> Installation:
    """An installation whose turnout.toml may be changed."""
    installation = make_installation()
    installation.people.add("Alice", "owner", PASSWORD, now=installation.clock())
    return installation


@pytest.fixture
def owner(house: Installation) -> Iterator[httpx.Client]:
    token = house.people.open_session(house.people.find("Alice"), now=house.clock())
    with httpx.Client(base_url=house.url, cookies={"turnout_session": token}, timeout=60) as client:
        yield client


@pytest.fixture
def standing(site: Installation) -> Iterator[Callable[[Standing], None]]:
    """Says how the copying of `app` stands."""
    yield lambda standing: site.standings.update(app=standing)
    site.standings.clear()


def looked_at(client: httpx.Client, send: Send, url: str, name: str) -> str:
    """The address of the page with what was seen."""
    answer = send(client, "/databases/new", {"url": url, "name": name})
    assert answer.status_code == 303, answer.text
    return str(answer.headers["Location"])


def ticks(html: str) -> dict[str, str]:
    """Every ticked column by its field, and the tables chosen for the parts."""
    boxes = re.findall(r'<input type="checkbox" name="(column-\d+-\d+)" checked>', html)
    parts = re.findall(
        r'<input type="hidden" name="(company|person|membership)" value="(.*?)">', html
    )
    return dict.fromkeys(boxes, "on") | dict(parts)


def field_of(html: str, column: str) -> str:
    found = re.search(rf'name="(column-\d+-\d+)"[^>]*><span><code>{column}</code>', html)
    assert found, column
    return found[1]


def test_a_database_is_looked_at_and_what_is_ticked_is_written(
    owner: httpx.Client, send: Send, house: Installation, shop: str
) -> None:
    page = looked_at(owner, send, shop, "crm")
    html = owner.get(page).text
    password = shop.partition("://")[2].partition("@")[0].partition(":")[2]
    assert password not in html
    assert "Because it is called companyperson" in html
    assert 'title="an e-mail address">personal</span>' in html
    fields = ticks(html)
    del fields[field_of(html, "industry")]
    answer = send(owner, page, fields)
    assert (answer.status_code, answer.headers["Location"]) == (303, "/databases/crm")
    text = (house.config.home / "turnout.toml").read_text()
    source = tomllib.loads(text)["sources"]["crm"]
    assert password not in text
    assert list(source["tables"]) == ["company", "person", "companyperson"]
    assert "industry" not in source["tables"]["company"]["columns"]
    assert "email" not in source["tables"]["person"]["columns"]
    kept = house.config.home / source["password_file"]
    assert (kept.read_text(), stat.S_IMODE(kept.stat().st_mode)) == (f"{password}\n", 0o600)
    assert "Start Turnout again" in owner.get("/databases/crm").text
    assert owner.get(page).status_code == 404


def test_other_tables_can_be_named_for_the_parts(
    owner: httpx.Client, send: Send, shop: str
) -> None:
    page = looked_at(owner, send, shop, "other")
    proposed = {"company": "subscription", "person": "person", "membership": ""}
    html = owner.get(page, params=proposed).text
    assert re.search(r"<bdi>subscription</bdi> <span class=\"mark good\">company</span>", html)
    assert "Who belongs to which account" not in html


def test_personal_columns_need_a_reason(
    owner: httpx.Client, send: Send, house: Installation, shop: str
) -> None:
    page = looked_at(owner, send, shop, "asked")
    html = owner.get(page).text
    fields = ticks(html) | {field_of(html, "email"): "on"}
    refused = send(owner, page, fields)
    assert refused.status_code == 400
    assert "person.email looks personal" in refused.text
    assert f'name="{field_of(html, "email")}" checked' in refused.text
    assert send(owner, page, fields | {"reason": "newsletter, agreed to"}).status_code == 303
    source = tomllib.loads((house.config.home / "turnout.toml").read_text())["sources"]["asked"]
    assert source["tables"]["person"]["personal"] == {"email": "newsletter, agreed to"}


def test_other_columns_of_a_copied_database_are_chosen_and_all_else_stays(
    owner: httpx.Client, send: Send, house: Installation, shop: str
) -> None:
    page = looked_at(owner, send, shop, "again")
    send(owner, page, ticks(owner.get(page).text))
    path = house.config.home / "turnout.toml"
    head, mark, tail = path.read_text().partition("[sources.again.tables.person]\n")
    path.write_text(f"{head}{mark}where = \"country = 'AT'\"  # ours alone\n{tail}")

    looked = send(owner, "/databases/new", {}, to="/databases/again/look").headers["Location"]
    html = owner.get(looked).text
    assert "GRANT SELECT" in html
    fields = ticks(html)
    assert field_of(html, "closed_at") in fields
    del fields[field_of(html, "seats")], fields[field_of(html, "time_zone")]
    fields |= {field_of(html, "email"): "on", "reason": "agreed to"}
    assert send(owner, looked, fields).status_code == 303
    text = path.read_text()
    assert "where = \"country = 'AT'\"  # ours alone" in text
    source = tomllib.loads(text)["sources"]["again"]
    assert "seats" not in source["tables"]["company"]["columns"]
    assert source["tables"]["person"]["personal"] == {"email": "agreed to"}
    assert source["password_file"] == "data/again.password"


def test_nothing_ticked_writes_nothing(owner: httpx.Client, send: Send, shop: str) -> None:
    page = looked_at(owner, send, shop, "empty")
    parts = {"company": "company", "person": "person", "membership": "companyperson"}
    assert "Nothing is ticked" in send(owner, page, parts).text


@pytest.mark.parametrize(
    ("fields", "status", "said"),
    [
        (
            {"url": "postgresql://nobody:hidden@127.0.0.1:1/x", "name": "x"},
            503,
            "cannot be reached",
        ),
        ({"url": "nowhere", "name": "x"}, 400, "not the address of a database"),
        ({"url": "oracle://a@b/c", "name": "x"}, 400, "no source of the kind"),
        ({"url": "postgresql://a@b/c", "name": "Über"}, 400, "lower-case letters"),
        ({"url": "postgresql://a@b/c", "name": "new"}, 400, "lower-case letters"),
    ],
)
def test_what_cannot_be_looked_at_says_why_and_keeps_what_was_typed(
    owner: httpx.Client, send: Send, fields: dict[str, str], status: int, said: str
) -> None:
    answer = send(owner, "/databases/new", fields)
    assert answer.status_code == status
    assert said in answer.text
    assert "hidden" not in answer.text.replace('type="hidden"', "")
    assert f'name="name" value="{fields["name"]}"' in answer.text


def test_only_the_owner_connects_and_only_the_browser_that_looked_sees_it(
    owner: httpx.Client, send: Send, house: Installation, bob: httpx.Client, shop: str
) -> None:
    assert bob.get("/databases/new").status_code == 403
    assert send(bob, "/databases/app", to="/databases/app/look").status_code == 403
    page = looked_at(owner, send, shop, "mine")
    token = house.people.open_session(house.people.find("Alice"), now=house.clock())
    with httpx.Client(base_url=house.url, cookies={"turnout_session": token}) as elsewhere:
        assert elsewhere.get(page).status_code == 404
    form_token = token_in(owner.get("/databases/new").text)
    assert owner.post(page, data={"form_token": form_token[:-1] + "x"}).status_code == 403


def test_what_was_looked_at_is_forgotten_after_a_while(
    owner: httpx.Client, send: Send, house: Installation, shop: str
) -> None:
    page = looked_at(owner, send, shop, "late")
    house.clock.offset = timedelta(minutes=31)
    try:
        assert owner.get(page).status_code == 404
    finally:
        house.clock.offset = timedelta()


def test_a_copy_that_runs_says_how_far_it_is(
    alice: httpx.Client, site: Installation, standing: Callable[[Standing], None]
) -> None:
    began_at = site.clock() - MINUTE
    at = Progress("companyperson", 600_000, 1_200_000, 1, 3)
    standing(Standing(began_at=began_at, progress=at, under_way=(UnderWay(at, began_at),)))
    for page in ("/sources", "/sources/copies", "/databases/app", "/databases/app/standing"):
        html = alice.get(page).text
        assert "600,000 of about 1,200,000 rows" in html, page
        assert re.search(r"(9|10),\d{3} a second, (59|60|61) s left", html), page
        assert "1 of 3 tables done" in html, page


def test_a_copy_that_failed_says_why_and_when_it_is_tried_again(
    alice: httpx.Client, site: Installation, standing: Callable[[Standing], None]
) -> None:
    now = site.clock()
    standing(
        Standing(
            tries=1, problem="The source <b> is away.", failed_at=now, next_at=now + 5 * MINUTE
        )
    )
    html = alice.get("/databases/app").text
    assert "The source &lt;b&gt; is away." in html
    assert re.search(r"next in [45] min", html)
    assert '<span class="mark bad">not copied</span>' in html


def test_anybody_who_is_signed_in_asks_for_a_copy_and_the_owner_for_all_anew(
    alice: httpx.Client, bob: httpx.Client, send: Send, site: Installation
) -> None:
    refused = send(bob, "/databases/app", {"whole": "1"}, to="/databases/app/copy")
    assert refused.status_code == 403
    assert "Copy all anew" not in bob.get("/databases/app").text
    for client, fields in ((bob, {}), (alice, {"whole": "1"})):
        answer = send(client, "/databases/app", fields, to="/databases/app/copy")
        assert answer.headers["Location"] == "/databases/app?asked"
    asked = [each for each in Requests(site.state).waiting() if each.job == "sync app"]
    assert [request.parameters for request in asked] == [{}, {"whole": True}]
    assert "Asked for." in bob.get("/databases/app?asked").text


def test_the_owner_alone_sees_the_statements_for_a_role(
    alice: httpx.Client, bob: httpx.Client
) -> None:
    statement = "GRANT SELECT (&#34;company_uuid&#34;, &#34;person_uuid&#34;)"
    assert statement in alice.get("/databases/app").text
    assert statement not in bob.get("/databases/app").text


def test_what_is_not_there_is_not_there(alice: httpx.Client) -> None:
    for page in ("/databases/nothing", "/databases/nothing/standing"):
        assert alice.get(page).status_code == 404


def test_strangers_see_no_database(stranger: httpx.Client) -> None:
    for page in ("/databases/new", "/databases/app", "/databases/app/standing", "/sources/copies"):
        answer = stranger.get(page)
        assert (answer.status_code, "reader@" in answer.text) == (303, False), page
