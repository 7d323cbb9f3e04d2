"""`turnout.events` where it is used: behind the real loader, and in the follower's sandbox."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import duckdb
import pytest

from tests.events.house import House
from tests.events.identity.ledger import Call, Ledger
from turnout.clips.worker import SETTINGS
from turnout.config import Membership
from turnout.events.door.line import Sender
from turnout.events.identity import tables
from turnout.events.loading.load import Loader

VIEWS = ("events", "account_users", "identity_map", "identity_problems")
COLUMNS = [
    *("id", "timestamp", "received_at", "loaded_at", "source", "schema", "type", "event"),
    *("event_text", "user_id", "anonymous_id", "resolved_user_id", "account_id"),
    *("account_rule", "properties"),
]
QUESTION = "SELECT event, count(DISTINCT account_id) AS accounts FROM turnout.events GROUP BY event"


def at(hour: int) -> dict[str, str]:
    return {"timestamp": f"2026-11-01T{hour:02}:00:00Z"}


def test_every_view_and_table_answers_before_the_first_event(house: House) -> None:
    for view in VIEWS:
        assert house.rows(f"SELECT * FROM turnout.{view}") == []
    for table in tables.LEARNED:
        assert house.rows(f"SELECT * FROM {table.schema}.{table.name}") == []
    assert house.warehouse.query("SELECT * FROM turnout.events").schema.names == COLUMNS


def test_opening_again_writes_nothing_also_after_events(house: House) -> None:
    house.receive({"type": "track", "event": "A", "userId": "alice", "context": {"groupId": "x"}})
    house.load()
    version = house.warehouse.version
    Loader(house.journal_folder, house.warehouse).close()
    assert house.warehouse.version == version


def test_what_an_sdk_sends_is_put_down_to_people_and_accounts(house: House) -> None:
    house.receive(
        {"type": "page", "anonymousId": "x", "messageId": "visit", "name": "Pricing", **at(1)},
        {"type": "identify", "anonymousId": "x", "userId": "alice", "messageId": "i", **at(2)},
        {"type": "group", "userId": "alice", "groupId": "acme", "messageId": "g", **at(3)},
        {"type": "track", "userId": "alice", "event": "Did It", "messageId": "t", **at(4)},
        {
            "type": "track",
            "anonymousId": "x",
            "event": "Did It",
            "messageId": "n",
            **at(5),
            "context": {"groupId": 12},
            "properties": {"n": 1},
        },
    )
    house.load()
    rows = house.rows(
        "SELECT id, type, event, resolved_user_id AS who, account_id, account_rule "
        'FROM turnout.events ORDER BY "timestamp"'
    )
    assert [tuple(row.values()) for row in rows] == [
        ("visit", "page", None, "alice", None, "no_membership"),
        ("i", "identify", None, "alice", None, "no_membership"),
        ("g", "group", None, "alice", "acme", "explicit"),
        ("t", "track", "did_it", "alice", "acme", "membership"),
        ("n", "track", "did_it", "alice", "12", "explicit"),
    ]
    assert house.value("SELECT properties FROM turnout.events WHERE id = 'n'") == '{"n":1}'


def test_a_repeat_teaches_nothing(house: House) -> None:
    call = {"type": "group", "userId": "alice", "groupId": "acme", "messageId": "g", **at(3)}
    house.receive(call)
    house.load()
    learned = house.rows("SELECT * FROM turnout.account_users")
    house.receive({**call, "groupId": "globex"}, {**call, **at(9)})
    assert house.load().duplicates == 2
    assert house.rows("SELECT * FROM turnout.account_users") == learned


def test_a_company_among_the_traits_is_an_account(house: House) -> None:
    house.receive(
        {
            "type": "identify",
            "userId": "alice",
            **at(1),
            "traits": {"company": {"id": 77, "name": "Acme"}},
        },
        {"type": "track", "userId": "alice", "event": "A", "messageId": "t", **at(2)},
    )
    house.load()
    assert house.value("SELECT account_id FROM turnout.events WHERE id = 't'") == "77"


def test_events_of_every_source_are_there_as_soon_as_it_sends(house: House) -> None:
    house.receive({"type": "track", "event": "A", "userId": "alice", "messageId": "a"})
    house.load()
    mobile = Sender("bob-key", "app", "mobile")
    house.receive({"type": "screen", "userId": "bob", "messageId": "b"}, sender=mobile)
    house.load()
    rows = house.rows('SELECT id, source, "schema" FROM turnout.events ORDER BY id')
    assert [tuple(row.values()) for row in rows] == [
        ("a", "web", "analytics"),
        ("b", "app", "mobile"),
    ]


def test_a_copied_table_of_a_base_tables_name_is_no_source(house: House) -> None:
    with house.warehouse.transaction() as transaction:
        transaction.execute("CREATE SCHEMA userdata")
        for name in ("tracks", "identifies", "groups", "pages", "screens", "aliases"):
            transaction.execute(f"CREATE TABLE userdata.{name} (id VARCHAR)")
    loader = Loader(house.journal_folder, house.warehouse)
    assert house.rows(QUESTION) == []
    loader.close()


def test_the_follower_answers_in_its_sandbox(house: House, tmp_path: Path) -> None:
    house.receive(
        {"type": "group", "userId": "alice", "groupId": "acme", **at(1)},
        {"type": "track", "userId": "alice", "event": "Did It", **at(2)},
    )
    house.load()
    path = tmp_path / "follower-17.duckdb"
    house.warehouse.publish(path)
    with duckdb.connect(str(path), config=SETTINGS) as follower:
        follower.execute("SET disabled_filesystems = 'LocalFileSystem'")
        follower.execute("SET lock_configuration = true")
        assert follower.execute(f"{QUESTION} ORDER BY event").fetchall() == [
            ("did_it", 1),
            (None, 1),
        ]
        for view in VIEWS:
            follower.execute(f"SELECT * FROM turnout.{view}").fetchall()


def test_a_load_that_fails_leaves_views_and_tables_as_they_were(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    ledger.load(Call("identify", 1, user_id="alice", anonymous_id="x"))
    learned = ledger.learned()
    note = ledger.identity.note

    def torn(*given: Any) -> None:
        note(*given)
        raise ConnectionResetError

    monkeypatch.setattr(ledger.identity, "note", torn)
    with pytest.raises(ConnectionResetError):
        ledger.load(Call("track", 2, user_id="bob", anonymous_id="x", schema="mobile"))
    assert ledger.learned() == learned
    ledger.open()
    ledger.load(Call("track", 2, user_id="bob", anonymous_id="x", schema="mobile"))
    assert ledger.rows("SELECT count(*) FROM turnout.events") == [(2,)]


def test_a_warehouse_of_an_older_version_learns_from_its_events(ledger: Ledger) -> None:
    ledger.load(
        Call("page", 1, anonymous_id="x", id="visit"),
        Call("identify", 2, user_id="alice", anonymous_id="x", company="acme"),
        Call("group", 3, user_id="alice", group_id="globex"),
    )
    learned = ledger.learned()
    assert learned["identity_runs"]
    with ledger.warehouse.transaction() as transaction:
        for name in ledger.rows("SELECT name FROM _turnout.view_definitions"):
            transaction.execute(f"DROP VIEW {name[0]}")
        for table in tables.TABLES:
            transaction.execute(f"DROP TABLE {table.schema}.{table.name}")
    ledger.open()
    assert ledger.learned() == learned
    assert ledger.events()["visit"] == ("alice", None)


def test_declaring_a_table_changes_the_views_at_the_next_start(ledger: Ledger) -> None:
    ledger.load(Call("group", 1, user_id="alice", group_id="acme", id="g"))
    ledger.membership = Membership("userdata.member", "company", "person")
    ledger.open()
    assert ledger.rows("SELECT * FROM turnout.account_users") == []
    ledger.membership = None
    ledger.open()
    assert ledger.rows("SELECT account_id FROM turnout.account_users") == [("acme",)]


def test_views_name_every_table_with_its_schema(ledger: Ledger) -> None:
    """The follower's file has another name, and the search path is the user's."""
    for name, text in ledger.rows("SELECT name, definition FROM _turnout.view_definitions"):
        for table in re.findall(r'(?:FROM|JOIN)\s+("\w+"(?:\."\w+")?)', text):
            assert "." in table, (name, table)
