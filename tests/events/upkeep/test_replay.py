"""Rows are made again from the journal, and only those it still has."""

from typing import Any

import pytest

from tests.events.house import House
from tests.events.upkeeping import keep_up
from turnout.errors import NotFound, Stopped
from turnout.events.upkeep.replay import replay

EVERYTHING = (
    "SELECT * EXCLUDE (uuid_ts, loaded_at) FROM analytics.{} ORDER BY id",
    ("tracks", "pressed", "identifies", "users", "groups", "accounts"),
)


def receive_all(house: House) -> None:
    for number in range(40):
        house.receive(
            {
                "type": "track",
                "event": "Pressed",
                "userId": f"user-{number % 5}",
                "messageId": f"press-{number}",
                "properties": {"n": number or "none", "flag": number % 2 == 0},
            }
        )
    house.receive({"type": "identify", "userId": "alice", "traits": {"plan": "free"}})
    house.receive({"type": "identify", "userId": "alice", "traits": {"plan": "pro"}})
    house.receive({"type": "group", "userId": "alice", "groupId": "acme", "traits": {"size": 5}})
    house.load()


def content(house: House) -> list[Any]:
    sql, tables = EVERYTHING
    return [house.rows(sql.format(table)) for table in tables]


def test_replaying_everything_changes_nothing(house: House) -> None:
    receive_all(house)
    before = content(house)
    books = house.rows("SELECT * FROM _turnout.source_counts")
    discards = house.value("SELECT count(*) FROM _turnout.discards")
    report = keep_up(house, replay)
    assert report.sentence == "Rebuilt 43 events from the journal."
    assert content(house) == before
    assert house.rows("SELECT * FROM _turnout.source_counts") == books
    assert house.value("SELECT count(*) FROM _turnout.discards") == discards


def test_lost_and_spoiled_rows_come_back(house: House) -> None:
    receive_all(house)
    before = content(house)
    with house.warehouse.transaction() as transaction:
        transaction.execute("DELETE FROM analytics.tracks WHERE id = 'press-7'")
        transaction.execute("UPDATE analytics.pressed SET flag = NULL, user_id = 'nobody'")
        transaction.execute("DELETE FROM analytics.users")
        transaction.execute("UPDATE analytics.accounts SET size = 0")
    house.loader.refresh()
    keep_up(house, replay)
    assert content(house) == before


def test_what_comes_again_after_a_replay_is_a_duplicate_still(house: House) -> None:
    receive_all(house)
    keep_up(house, replay)
    house.receive({"type": "track", "event": "Pressed", "userId": "u", "messageId": "press-3"})
    assert house.load().duplicates == 1
    assert house.value("SELECT count(*) FROM analytics.pressed WHERE id = 'press-3'") == 1


def test_a_row_older_than_the_journal_stays_also_when_its_id_came_again(house: House) -> None:
    first = {"type": "track", "event": "Pressed", "messageId": "old", "properties": {"n": 1}}
    house.receive(first | {"userId": "alice"}, received_at="2020-01-01T00:00:00.000Z")
    house.load()
    for file in house.journal_folder.glob("*.ndjson"):
        file.unlink()
    house.receive(first | {"userId": "bob"})
    house.load()
    report = keep_up(house, replay, is_plan=True)
    assert report.result == {"rows": 0, "older": 1}
    assert "1 older ones stay" in report.sentence
    keep_up(house, replay)
    assert house.value("SELECT user_id FROM analytics.pressed") == "alice"


def test_one_table_a_range_and_a_source_are_rebuilt_alone(house: House) -> None:
    for day, name in ((1, "Early"), (2, "Late")):
        house.receive(
            {"type": "track", "event": name, "userId": "alice", "properties": {"n": day}},
            received_at=f"2026-03-0{day}T12:00:00.000Z",
        )
    house.load()

    def spoil() -> None:
        with house.warehouse.transaction() as transaction:
            transaction.execute("UPDATE analytics.early SET n = 0")
            transaction.execute("UPDATE analytics.late SET n = 0")

    cases: list[tuple[dict[str, Any], tuple[int, int]]] = [
        ({"table": "analytics.late"}, (0, 2)),
        ({"until": "2026-03-02T00:00:00+00:00"}, (1, 0)),
        ({"since": "2026-03-02T00:00:00+00:00"}, (0, 2)),
        ({"source": "web"}, (1, 2)),
        ({"source": "another"}, (0, 0)),
    ]
    for parameters, expected in cases:
        spoil()
        keep_up(house, replay, **parameters)
        found = tuple(house.value(f"SELECT n FROM analytics.{name}") for name in ("early", "late"))
        assert found == expected, parameters


def test_an_unknown_table_is_named(house: House) -> None:
    with pytest.raises(NotFound, match=r"no table of events 'analytics\.nothing'"):
        keep_up(house, replay, table="analytics.nothing")
    with pytest.raises(NotFound):
        keep_up(house, replay, table="_turnout.loads")


def test_stopped_anywhere_every_row_is_whole_and_the_next_run_finishes(house: House) -> None:
    receive_all(house)
    before = content(house)
    with house.warehouse.transaction() as transaction:
        transaction.execute("UPDATE analytics.pressed SET user_id = 'nobody'")

    def stop(*_: object) -> None:
        raise Stopped

    with pytest.raises(Stopped):
        keep_up(house, replay, tell=stop)
    keep_up(house, replay)
    assert content(house) == before


def test_the_plan_says_how_far_back_the_journal_goes(house: House) -> None:
    assert "empty" in keep_up(house, replay, is_plan=True).sentence
    house.receive({"type": "page", "userId": "alice"}, received_at="2026-03-01T12:00:00.000Z")
    house.load()
    report = keep_up(house, replay, is_plan=True)
    assert "back to 2026-03-01 12:00:00 UTC" in report.sentence
    assert report.result["rows"] == 1
