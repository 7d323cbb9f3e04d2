"""A chosen source in turnout.toml: beside what stands there, and read again as it was meant."""

from __future__ import annotations

import stat
import string
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from turnout.config import effective_url, load_config
from turnout.errors import ConfigError
from turnout.sync.facts import ServerFacts
from turnout.sync.offer.choice import SourceChoice, TableChoice, choose
from turnout.sync.offer.offer import make_offer
from turnout.sync.offer.writing import keep_password, with_source, write_source

URL = "postgresql://turnout@db.example/app?sslmode=verify-full"
BEFORE = """\
# Ours. Ask Alice before you change it.
[web]
port = 9000  # behind the proxy

[sources.billing]  # the old one
url = "postgresql://turnout@billing.example/billing"
schema = "billing"

[sources.billing.tables.invoice]
columns = ["uuid", "amount"]  # not the address
where = "amount > 0"

[clips]
fresh_for_s = 10
"""


def chosen(facts: ServerFacts, name: str = "app") -> SourceChoice:
    return choose(
        make_offer(facts), name=name, url=URL, schema="userdata", password_file="data/app.password"
    )


def test_a_first_file(demo_like: ServerFacts, golden: Callable[[str, str], None]) -> None:
    golden("source-added.toml", with_source("", chosen(demo_like)))


def test_comments_and_order_of_what_stands_there_stay(
    demo_like: ServerFacts, golden: Callable[[str, str], None]
) -> None:
    written = with_source(BEFORE, chosen(demo_like))
    golden("source-added-beside.toml", written)
    assert [line for line in BEFORE.splitlines() if line not in written] == []


def test_a_source_that_is_there_is_changed_only_when_asked(demo_like: ServerFacts) -> None:
    choice = SourceChoice(
        "billing", URL, "billing", (TableChoice("invoice", ("uuid",)), TableChoice("plan", ("id",)))
    )
    with pytest.raises(ConfigError, match="has a source 'billing' already"):
        with_source(BEFORE, choice)
    changed = with_source(BEFORE, choice, replace=True)
    assert 'columns = ["uuid"]  # not the address\nwhere = "amount > 0"' in changed
    read = tomllib.loads(changed)["sources"]["billing"]
    assert read["url"] == "postgresql://turnout@billing.example/billing"
    assert list(read["tables"]) == ["invoice", "plan"]


def test_what_is_said_of_a_column_goes_with_it(demo_like: ServerFacts) -> None:
    before = """
[sources.app]
url = "postgresql://turnout@db/app"
[sources.app.tables.person]
columns = ["uuid", "email", "updated_at"]
cursor = "updated_at"
person = "uuid"
treat = { email = "hash:email" }
"""
    person = TableChoice("person", ("uuid", "city"), {"personal": {"city": "agreed to"}})
    changed = with_source(before, SourceChoice("app", URL, "userdata", (person,)), replace=True)
    assert tomllib.loads(changed)["sources"]["app"]["tables"]["person"] == {
        "columns": ["uuid", "city"],
        "person": "uuid",
        "treat": {},
        "personal": {"city": "agreed to"},
    }


def test_a_membership_that_is_declared_stays(demo_like: ServerFacts) -> None:
    declared = '[identity.membership]\ntable = "userdata.other"\n'
    written = with_source(declared, chosen(demo_like))
    assert tomllib.loads(written)["identity"]["membership"] == {"table": "userdata.other"}


def test_what_would_not_be_valid_is_not_written(tmp_path: Path) -> None:
    path = tmp_path / "turnout.toml"
    path.write_text(BEFORE)
    reserved = SourceChoice("app", URL, "analytics", (TableChoice("company", ("uuid",)),))
    with pytest.raises(ConfigError, match="a schema Turnout fills itself"):
        write_source(tmp_path, reserved)
    assert path.read_text() == BEFORE
    assert [each.name for each in tmp_path.iterdir()] == ["turnout.toml"]


def test_the_password_is_in_a_file_of_its_owner_and_nowhere_else(
    tmp_path: Path, demo_like: ServerFacts
) -> None:
    place = keep_password(tmp_path, "app", "p@ss/w:rd")
    path = write_source(tmp_path, chosen(demo_like))
    assert stat.S_IMODE((tmp_path / place).stat().st_mode) == 0o600
    assert "p@ss" not in path.read_text()
    source = load_config(tmp_path, {}).sources["app"]
    assert effective_url(source) == URL.replace("turnout@", "turnout:p%40ss%2Fw%3Ard@")


def test_a_file_that_only_its_owner_reads_stays_so(tmp_path: Path, demo_like: ServerFacts) -> None:
    path = tmp_path / "turnout.toml"
    path.touch(mode=0o600)
    write_source(tmp_path, chosen(demo_like))
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


@given(st.text(string.printable + 'é"\\.\n', min_size=1, max_size=20), st.text(min_size=1))
def test_names_of_any_kind_are_read_again_as_they_were(label: str, column: str) -> None:
    choice = SourceChoice("app", URL, "userdata", (TableChoice(label, (column,)),))
    read = tomllib.loads(with_source(BEFORE, choice))
    assert read["sources"]["app"]["tables"] == {label: {"columns": [column]}}
