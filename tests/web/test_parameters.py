"""Parameters of a clip: a form whose address says the same, and values that a link fixes."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Callable

import httpx
import pytest

from tests.web.installation import Installation
from turnout.clips.clip import Clip
from turnout.web.address import clip_address
from turnout.web.notices import forget_broken

Send = Callable[..., httpx.Response]

SQL = """\
-- :company  one of acme, globex = acme  Customer
-- :least    number = 0
SELECT company_uuid, count(*) AS people FROM userdata.companyperson
WHERE company_uuid = :company GROUP BY 1 HAVING count(*) >= :least
"""


@pytest.fixture(scope="module")
def clip(site: Installation) -> Clip:
    return site.clip("People of a customer", SQL)


@pytest.fixture
def link(site: Installation, clip: Clip) -> Callable[..., str]:
    """A new link's address; what is said is fixed."""

    def make(made_of: Clip = clip, **pinned: str) -> str:
        alice = site.people.find("Alice")
        pins = {name: (text,) for name, text in pinned.items()}
        _, token = site.links.create(
            made_of.id, alice.name, pinned=pins, expires_at=None, now=site.clock()
        )
        return f"/s/{token}"

    return make


def values(client: httpx.Client, address: str) -> object:
    answer = client.get(address)
    assert answer.status_code == 200, answer.text
    return answer.json()["values"]


def test_the_page_asks_with_the_defaults_and_offers_the_rest(
    clip: Clip, alice: httpx.Client
) -> None:
    page = alice.get(clip_address(clip)).text
    assert '<td>acme</td><td class="number">2</td>' in page
    assert "<span>Customer</span>" in page
    assert "<option selected>acme</option>" in page
    assert "<option>globex</option>" in page


def test_the_address_says_what_was_chosen_everywhere(clip: Clip, alice: httpx.Client) -> None:
    address = clip_address(clip)
    page = alice.get(address, params={"company": "globex"}).text
    assert '<td>globex</td><td class="number">1</td>' in page
    assert "<option selected>globex</option>" in page
    hrefs = {html.unescape(found) for found in re.findall(r'href="(/clips/[^"]+)"', page)}
    assert f"{address}.csv?company=globex" in hrefs
    assert values(alice, f"{address}.json?company=globex") == [["globex", 1]]
    assert alice.get(f"{address}.csv?company=globex&_header=0").text == "globex,1\r\n"
    moved = alice.get(f"/clips/{clip.id}-old-words?company=globex")
    assert moved.headers["Location"] == f"{address}?company=globex"


def test_answers_to_different_values_are_never_taken_for_each_other(
    clip: Clip, alice: httpx.Client
) -> None:
    address = f"{clip_address(clip)}.json"
    acme, globex = (alice.get(address, params={"company": name}) for name in ("acme", "globex"))
    assert acme.headers["ETag"] != globex.headers["ETag"]
    again = alice.get(
        address, params={"company": "globex"}, headers={"If-None-Match": acme.headers["ETag"]}
    )
    assert again.status_code == 200
    assert again.json()["values"] == [["globex", 1]]


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("company=initech", "must be one of acme, globex"),
        ("company=acme&company=globex", "more than once"),
        ("company=acme' OR 1=1 --", "must be one of"),
        ("least=many", "must be a number"),
        ("customer=acme", "Nothing here is called"),
    ],
)
@pytest.mark.parametrize("face", ["", ".json", "/chart.svg"])
def test_what_does_not_fit_is_said_and_runs_nothing(  # noqa: PLR0917 - one row of a table
    clip: Clip, alice: httpx.Client, link: Callable[..., str], query: str, words: str, face: str
) -> None:
    for address in (clip_address(clip), link()):
        answer = alice.get(f"{address}{face}?{query}")
        assert answer.status_code == 400
        assert words in html.unescape(answer.text)


def test_without_a_value_the_page_asks_for_one_and_data_is_refused(
    site: Installation, alice: httpx.Client, link: Callable[..., str]
) -> None:
    clip = site.clip("Of whom", "-- :who  text\nSELECT :who AS who")
    for address in (clip_address(clip), link(clip)):
        page = alice.get(address)
        assert page.status_code == 200
        assert "Choose Who to see the answer." in page.text
        refused = alice.get(f"{address}.json")
        assert refused.status_code == 400
        assert "'who' needs a value" in json.loads(refused.text)["error"]
        assert values(alice, f"{address}.json?who=%27%3B%20DROP") == [["'; DROP"]]
    assert "Choose: Who" not in alice.get("/").text  # it is not pinned there


def test_the_home_page_says_what_a_card_needs(site: Installation, alice: httpx.Client) -> None:
    clip = site.clip("Of whom, pinned", "-- :who  text\nSELECT :who AS who")
    site.clips.pin(clip.id, pinned=True)
    assert "Choose: Who" in alice.get("/").text
    site.clips.archive(clip.id, now=site.clock())


def test_a_fixed_value_is_neither_seen_nor_changed(
    stranger: httpx.Client, link: Callable[..., str]
) -> None:
    address = link(company="globex")
    page = stranger.get(address).text
    assert '<td>globex</td><td class="number">1</td>' in page
    assert "Customer" not in page
    assert "acme" not in page
    assert values(stranger, f"{address}.json") == [["globex", 1]]
    assert values(stranger, f"{address}.json?least=2") == []
    for query in ("company=acme", "company=", "company=globex", "company=acme&company=globex"):
        answer = stranger.get(f"{address}.json?{query}")
        assert answer.status_code == 400, query
        assert "acme" not in answer.text


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT company_uuid FROM userdata.companyperson",
        "-- :company one of acme, globex = acme\nSELECT company_uuid FROM userdata.companyperson",
        "-- :company  one of acme, initech = acme\nSELECT :company AS company",
    ],
)
def test_a_value_that_lost_its_place_closes_the_link_instead_of_opening_everything(
    site: Installation, stranger: httpx.Client, link: Callable[..., str], sql: str
) -> None:
    clip = site.clip("Fixed", "-- :company  one of acme, globex = acme\nSELECT :company AS company")
    address = link(clip, company="globex")
    assert values(stranger, f"{address}.json") == [["globex"]]
    site.clips.save(
        clip.id, title=clip.title, sql=sql, description="", author="Alice", now=site.clock()
    )
    for face in ("", ".json", ".csv", "/chart.svg"):
        answer = stranger.get(address + face)
        assert answer.status_code == 422
        assert "This clip is broken; its owner has been told." in answer.text
        assert "acme" not in answer.text
    forget_broken(site.state, clip)  # the home page tells of it, to other tests too


def test_choices_come_from_another_clip(site: Installation, alice: httpx.Client) -> None:
    source = site.clip("Customers", "SELECT DISTINCT company_uuid FROM userdata.companyperson")
    clip = site.clip(
        "One customer", f"-- :company  one of clip {source.id}\nSELECT :company AS company"
    )
    page = alice.get(clip_address(clip)).text
    assert "<option>acme</option>" in page
    assert "<option>globex</option>" in page
    assert values(alice, f"{clip_address(clip)}.json?company=acme") == [["acme"]]
    assert alice.get(f"{clip_address(clip)}.json?company=initech").status_code == 400
    site.clips.archive(source.id, now=site.clock())
    answer = alice.get(clip_address(clip))
    assert answer.status_code == 422
    assert "takes its choices from the clip" in answer.text


def test_a_link_is_made_with_what_it_fixes(
    clip: Clip, alice: httpx.Client, stranger: httpx.Client, send: Send
) -> None:
    page = f"{clip_address(clip)}/share"
    refused = send(alice, page, {"expiry": "30", "pin:company": "initech"})
    assert refused.status_code == 400
    refused = send(alice, page, {"expiry": "30", "pin:other": "x"})
    assert refused.status_code == 400
    made = send(
        alice, page, {"expiry": "30", "label": "Globex", "pin:company": "globex", "pin:least": ""}
    )
    assert made.status_code == 303
    text = alice.get(page).text
    assert "Fixed: <strong>company</strong> = globex" in text
    address = html.unescape(re.findall(r'value="(http[^"]+\.json)" readonly', text)[0])
    assert values(stranger, address) == [["globex", 1]]


def test_a_draft_is_run_with_the_values_beside_it(alice: httpx.Client, send: Send) -> None:
    draft = {"title": "", "sql": SQL, "action": "run"}
    first = send(alice, "/clips/new", draft)
    assert '<td>acme</td><td class="number">2</td>' in first.text
    second = send(alice, "/clips/new", draft | {"value:company": "globex"})
    assert '<td>globex</td><td class="number">1</td>' in second.text
    assert "<option selected>globex</option>" in second.text
    wrong = send(alice, "/clips/new", draft | {"value:company": "initech"})
    assert wrong.status_code == 400


def test_a_declaration_that_nobody_understands_is_not_saved(
    alice: httpx.Client, send: Send
) -> None:
    draft = {"title": "Odd", "sql": "-- :plan colour\nSELECT 1", "action": "save"}
    answer = send(alice, "/clips/new", draft)
    assert answer.status_code == 400
    assert "has no type that is known here" in html.unescape(answer.text)


@pytest.mark.parametrize(
    ("declared", "given", "expression", "expected"),
    [
        ("number", "3", ":v + 1", 4),
        ("number", "0.10", "typeof(:v)", "DECIMAL(2,2)"),
        ("date", "2026-01-31", ":v + 1", "2026-02-01"),
        ("yes or no", "yes", "NOT :v", False),
        ("text", "a'b\"c;--", "length(:v)", 8),
        ("many of a, b, c", "b", "'b' = ANY(:v)", True),
    ],
)
def test_the_engine_is_given_values_of_their_own_type(  # noqa: PLR0917 - one row of a table
    site: Installation,
    alice: httpx.Client,
    declared: str,
    given: str,
    expression: str,
    expected: object,
) -> None:
    clip = site.clip(f"A {declared}", f"-- :v {declared}\nSELECT {expression} AS x")
    answer = alice.get(f"{clip_address(clip)}.json", params={"v": given})
    assert answer.json()["values"] == [[expected]]
