"""*What leaves*: the page, and the files for an auditor."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from html import unescape

import httpx
import pytest

from tests.web.installation import PASSWORD, Installation
from turnout.sync.privacy.scan import Finding, record
from turnout.sync.selection import selected_tables

AT = datetime(2026, 11, 1, tzinfo=UTC)


@pytest.fixture(scope="module")
def copied(make_installation: Callable[..., Installation]) -> Installation:
    installation = make_installation()
    installation.people.add("Alice", "owner", PASSWORD, now=installation.clock())
    (selected,) = selected_tables("app", installation.config.sources["app"])
    with installation.warehouse.transaction() as transaction:
        found = [Finding("companyperson", "company_uuid", "ip", 0.125)]
        record(transaction, "app", selected, found, AT, whole=True)
    return installation


@pytest.fixture
def client(copied: Installation) -> Iterator[httpx.Client]:
    token = copied.people.open_session(copied.people.find("Alice"), now=copied.clock())
    url, cookies = copied.url, {"turnout_session": token}
    with httpx.Client(base_url=url, cookies=cookies, timeout=30) as client:
        yield client


def test_the_page_names_what_leaves_and_what_was_found(client: httpx.Client) -> None:
    page = unescape(client.get("/privacy").text)
    for said in ("What leaves, and what does not", "company_uuid", "12.5 % look like IP addresses"):
        assert said in page
    assert "GRANT SELECT" in page
    assert 'href="/sources" aria-current="page"' in page
    assert 'href="/privacy"' in client.get("/sources").text


def test_an_auditor_takes_it_along_as_csv_and_as_json(client: httpx.Client) -> None:
    answer = client.get("/privacy.csv")
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    assert 'filename="what-leaves.csv"' in answer.headers["content-disposition"]
    lines = list(csv.DictReader(io.StringIO(answer.text)))
    assert [line["column"] for line in lines] == ["company_uuid", "person_uuid"]
    said = client.get("/privacy.json").json()
    assert said["sources"][0]["tables"][0]["leaving"][0]["found"][0]["share"] == 0.125


def test_nobody_sees_it_without_signing_in(copied: Installation) -> None:
    for address in ("/privacy", "/privacy.csv", "/privacy.json"):
        answer = httpx.get(f"{copied.url}{address}", timeout=30)
        assert answer.status_code in (302, 303, 401)
        assert "company_uuid" not in answer.text
