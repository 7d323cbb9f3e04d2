"""No other site can make a signed-in browser change anything."""

from __future__ import annotations

import httpx
import pytest

from tests.web.installation import Installation, token_in
from turnout.web.site import ROUTES

CHANGES = sorted(path for route in ROUTES if "POST" in route.http_methods for path in route.paths)


def test_the_changes_are_known() -> None:
    assert len(CHANGES) == 20


@pytest.mark.parametrize("path", CHANGES)
def test_a_change_without_the_forms_token_is_refused(path: str, alice: httpx.Client) -> None:
    clip_id = "nothing1"
    path = (
        path.replace("{address:str}", clip_id)
        .replace("{link_id:int}", "1")
        .replace("{token:str}", "x")
    )
    for fields in ({}, {"form_token": ""}, {"form_token": "0" * 64}, {"form_token": "é"}):
        answer = alice.post(path, data=fields)
        assert answer.status_code == 403, path
        assert "not sent from a page" in answer.text


def test_a_token_is_good_for_one_browser_only(
    alice: httpx.Client, bob: httpx.Client, site: Installation
) -> None:
    token = token_in(bob.get("/clips/new").text)
    stolen = {"form_token": token, "title": "x", "sql": "SELECT 1", "action": "save"}
    assert alice.post("/clips/new", data=stolen).status_code == 403
    assert bob.post("/clips/new", data=stolen).status_code == 303


def test_a_form_sent_as_json_is_refused(alice: httpx.Client) -> None:
    token = token_in(alice.get("/clips/new").text)
    assert alice.post("/clips/new", json={"form_token": token}).status_code == 403


def test_a_giant_form_is_refused_in_plain_words(alice: httpx.Client) -> None:
    answer = alice.post("/clips/new", data={"sql": "x" * 1_000_000})
    assert answer.status_code == 413
    assert "larger than allowed" in answer.text
