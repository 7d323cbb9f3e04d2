from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import httpx
import pytest

from tests.web.installation import PASSWORD, Installation, token_in

Send = Callable[..., httpx.Response]


@pytest.fixture(scope="module")
def fresh(make_installation: Callable[..., Installation]) -> Installation:
    """An installation nobody owns yet, behind a proxy that speaks https."""
    return make_installation(public_url="https://turnout.example")


def test_before_there_is_an_owner_the_sign_in_page_points_to_the_console(
    fresh: Installation,
) -> None:
    page = httpx.get(f"{fresh.url}/sign-in")
    assert "one-time link on its console" in page.text
    assert "<form" not in page.text


def test_the_console_link_makes_the_owner_once(fresh: Installation, send: Send) -> None:
    path = f"/welcome/{fresh.people.invite(None, now=fresh.clock())}"
    # Plain http here, as behind a proxy: cookies marked Secure are passed on by hand.
    with httpx.Client(base_url=fresh.url) as alice, httpx.Client(base_url=fresh.url) as charlie:
        page = alice.get(path)
        assert page.headers["Referrer-Policy"] == "no-referrer"
        cookies = {"turnout_visit": visit_cookie(page)}
        early = charlie.get(path)

        short = {"name": "Alice", "password": "short", "form_token": token_in(page.text)}
        refused = alice.post(path, data=short, headers=cookie_header(cookies))
        assert refused.status_code == 400
        assert "at least 10 characters" in refused.text
        assert 'value="Alice"' in refused.text
        assert "short" not in refused.text

        good = short | {"password": PASSWORD}
        welcome = alice.post(path, data=good, headers=cookie_header(cookies))
        assert (welcome.status_code, welcome.headers["Location"]) == (303, "/")
        cookie = welcome.headers["Set-Cookie"]
        assert "HttpOnly" in cookie
        assert "SameSite=lax" in cookie
        assert "Secure" in cookie

        late = charlie.post(
            path,
            data={"name": "Charlie", "password": PASSWORD, "form_token": token_in(early.text)},
            headers=cookie_header({"turnout_visit": visit_cookie(early)}),
        )
        assert late.status_code == 403
        assert "already has an owner" in late.text
        assert charlie.get(path).status_code == 404
    assert [fresh.people.owner().name] == ["Alice"]  # type: ignore[union-attr]


def test_a_link_for_somebody_signs_in_at_once_and_only_once(
    site: Installation, stranger: httpx.Client
) -> None:
    path = f"/welcome/{site.people.invite(site.people.find('Bob'), now=site.clock())}"
    assert stranger.head(path).status_code == 405  # only looking does not use it up
    first = stranger.get(path)
    assert (first.status_code, first.headers["Location"]) == (303, "/")
    assert "Bob" in stranger.get("/").text
    again = httpx.get(site.url + path)
    assert again.status_code == 404
    assert "not valid" in again.text


def test_name_and_password_open_a_session_and_sign_out_closes_it(
    site: Installation, stranger: httpx.Client, send: Send
) -> None:
    asked = stranger.get("/sources")
    assert (asked.status_code, asked.headers["Location"]) == (303, "/sign-in?next=%2Fsources")
    answer = send(
        stranger,
        "/sign-in?next=%2Fsources",
        {"name": "Alice", "password": PASSWORD, "next": "/sources"},
        to="/sign-in",
    )
    assert (answer.status_code, answer.headers["Location"]) == (303, "/sources")
    session = stranger.cookies["turnout_session"]
    assert stranger.get("/sources").status_code == 200
    assert send(stranger, "/", to="/sign-out").headers["Location"] == "/sign-in"
    assert stranger.get("/").status_code == 303
    kept = httpx.get(site.url, cookies={"turnout_session": session})
    assert kept.status_code == 303


def test_a_wrong_password_and_an_unknown_name_get_the_same_page(
    stranger: httpx.Client, send: Send
) -> None:
    answers = [
        send(stranger, "/sign-in", {"name": name, "password": "wrong password"})
        for name in ("Alice", "Nobody")
    ]
    assert [answer.status_code for answer in answers] == [403, 403]
    known, unknown = (answer.text for answer in answers)
    assert known.replace("Alice", "Nobody") == unknown


def test_guessing_is_stopped_with_429_and_goes_on_after_a_minute(
    make_installation: Callable[..., Installation], send: Send
) -> None:
    installation = make_installation()
    installation.people.add("Alice", "owner", PASSWORD, now=installation.clock())
    with httpx.Client(base_url=installation.url) as stranger:
        wrong = {"name": "Alice", "password": "wrong password"}
        statuses = [send(stranger, "/sign-in", wrong).status_code for _ in range(10)]
        assert statuses == [403] * 10
        right = {"name": "Alice", "password": PASSWORD}
        refused = send(stranger, "/sign-in", right)
        assert (refused.status_code, refused.headers["Retry-After"]) == (429, "60")
        installation.clock.offset = timedelta(minutes=2)
        assert send(stranger, "/sign-in", right).status_code == 303


def test_a_session_does_not_outlive_its_time(site: Installation) -> None:
    past = site.clock() - timedelta(days=31)
    token = site.people.open_session(site.people.find("Alice"), now=past)
    answer = httpx.get(site.url, cookies={"turnout_session": token})
    assert answer.status_code == 303


def test_the_page_that_was_asked_for_is_remembered_with_its_question(
    stranger: httpx.Client, send: Send
) -> None:
    asked = stranger.get("/clips/abc?_offset=1000&x=%26").headers["Location"]
    next_path = httpx.URL(asked).params["next"]
    assert next_path == "/clips/abc?_offset=1000&x=%26"
    fields = {"name": "Alice", "password": PASSWORD, "next": next_path}
    assert send(stranger, asked, fields, to="/sign-in").headers["Location"] == next_path


def test_nobody_is_sent_to_another_site_after_signing_in(
    stranger: httpx.Client, send: Send
) -> None:
    fields = {"name": "Alice", "password": PASSWORD, "next": "//evil.example"}
    assert send(stranger, "/sign-in", fields).headers["Location"] == "/"


def visit_cookie(page: httpx.Response) -> str:
    return page.headers["Set-Cookie"].partition("turnout_visit=")[2].partition(";")[0]


def cookie_header(cookies: dict[str, str]) -> dict[str, str]:
    return {"Cookie": "; ".join(f"{name}={value}" for name, value in cookies.items())}
