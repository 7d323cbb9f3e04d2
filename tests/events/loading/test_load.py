from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
import structlog

from tests.events.house import House
from turnout.config import Membership
from turnout.errors import LoadFailed, WarehouseUnavailable
from turnout.events import layout
from turnout.events.door.line import Sender
from turnout.events.loading.load import Loader
from turnout.events.loading.shape import Shaper
from turnout.warehouse import Column, Table, Type
from turnout.warehouse.duckdb import DuckDBTransaction

BUTTON = "Pressed Big Button"


def track(id_: str, event: str = BUTTON, **members: Any) -> dict[str, Any]:
    return {"type": "track", "event": event, "userId": "alice", "messageId": id_, **members}


def test_every_table_answers_before_the_first_event(house: House) -> None:
    for table in [*layout.BOOK_TABLES, *layout.core_tables("analytics")]:
        assert house.rows(f'SELECT * FROM {table.schema}."{table.name}"') == []
    assert house.loader.load() is None
    assert house.loader.backlog_bytes() == 0


def test_opening_again_writes_nothing(house: House) -> None:
    version = house.warehouse.version
    Loader(house.journal_folder, house.warehouse)
    assert house.warehouse.version == version


def test_the_six_calls_become_rows_of_their_tables(house: House) -> None:
    house.receive(
        track("t", properties={"price": 9.5}),
        {"type": "identify", "userId": "alice", "traits": {"email": "alice@acme.example"}},
        {"type": "group", "userId": "alice", "groupId": "acme", "traits": {"plan": "pro"}},
        {"type": "page", "anonymousId": "x", "name": "Home", "properties": {"url": "/"}},
        {"type": "screen", "anonymousId": "x", "properties": {"name": "Start"}},
        {"type": "alias", "userId": "alice", "previousId": "x"},
    )
    assert house.load().stored == 6
    assert house.row("SELECT event, event_text, _properties FROM analytics.tracks") == {
        "event": "pressed_big_button",
        "event_text": BUTTON,
        "_properties": '{"price":9.5}',
    }
    assert house.value("SELECT price FROM analytics.pressed_big_button") == 9.5
    assert house.value("SELECT email FROM analytics.identifies") == "alice@acme.example"
    assert house.row("SELECT id, email FROM analytics.users") == {
        "id": "alice",
        "email": "alice@acme.example",
    }
    assert house.row("SELECT group_id, plan FROM analytics.groups") == {
        "group_id": "acme",
        "plan": "pro",
    }
    assert house.row("SELECT id, plan FROM analytics.accounts") == {"id": "acme", "plan": "pro"}
    assert house.row("SELECT name, url FROM analytics.pages") == {"name": "Home", "url": "/"}
    assert house.value("SELECT name FROM analytics.screens") == "Start"
    assert house.value("SELECT previous_id FROM analytics.aliases") == "x"
    assert house.value("SELECT DISTINCT _source FROM analytics.tracks") == "web"


def test_each_source_fills_its_own_schema(house: House) -> None:
    house.receive(track("a"))
    house.receive(track("a"), sender=Sender("bob-key", "app", "mobile"))
    assert house.load().stored == 2
    assert house.value("SELECT _source FROM mobile.pressed_big_button") == "app"
    assert house.rows("SELECT * FROM mobile.accounts") == []


def test_event_names_of_one_spelling_share_a_table(house: House) -> None:
    house.receive(track("a", "Signed Up"), track("b", "signed_up"))
    house.load()
    rows = house.rows("SELECT event_text FROM analytics.signed_up ORDER BY id")
    assert [row["event_text"] for row in rows] == ["Signed Up", "signed_up"]


def test_a_repeat_in_one_batch_and_across_batches_is_a_duplicate_everywhere(house: House) -> None:
    house.receive(track("a", properties={"n": 1}), track("b"), track("a", properties={"n": 2}))
    load = house.load()
    assert (load.stored, load.duplicates) == (2, 1)
    house.receive(track("b"), track("c"), track("a", "Another Event"), track("c"))
    load = house.load()
    assert (load.received, load.stored, load.duplicates) == (4, 1, 3)
    assert house.value("SELECT count(*) FROM analytics.tracks") == 3
    assert house.value("SELECT count(*) FROM analytics.pressed_big_button") == 3
    assert house.value("SELECT n FROM analytics.pressed_big_button WHERE id = 'a'") == 1
    assert house.value("SELECT count(*) FROM analytics.another_event") == 0


def test_a_repeated_identify_changes_no_user(house: House) -> None:
    call = {"type": "identify", "userId": "alice", "messageId": "i"}
    house.receive({**call, "traits": {"plan": "pro"}})
    house.load()
    house.receive({**call, "traits": {"plan": "free"}})
    assert house.load().duplicates == 1
    assert house.value("SELECT plan FROM analytics.users") == "pro"


def test_rejected_events_are_kept_and_counted(house: House) -> None:
    house.receive(track("a"), {"type": "track", "messageId": "b"}, "text")
    load = house.load()
    assert (load.received, load.stored, load.rejected) == (3, 1, 2)
    rows = house.rows("SELECT id, source, reason, head FROM _turnout.rejected_events ORDER BY head")
    assert [row["reason"] for row in rows] == ["not_an_object", "missing_event"]
    assert rows[1]["id"] == "b"
    assert json.loads(rows[1]["head"]) == {"type": "track", "messageId": "b"}
    books = house.row("SELECT received, stored, duplicates, rejected FROM _turnout.loads")
    assert books == {"received": 3, "stored": 1, "duplicates": 0, "rejected": 2}


def test_a_line_that_is_no_json_does_not_hold_up_the_others(house: House) -> None:
    house.receive(track("a"))
    house.keep([b'{"id":"x","type":"track","event":{"event":"\\ud800"}}\n', b"noise\n"])
    house.receive(track("b"))
    load = house.load()
    assert (load.received, load.stored, load.rejected) == (4, 2, 2)
    assert house.value("SELECT count(*) FROM _turnout.rejected_events") == 2


def test_loading_goes_on_where_it_stopped_also_after_a_restart(house: House) -> None:
    for number in range(10):
        house.receive(track(str(number)))
    loads = []
    while load := Loader(house.journal_folder, house.warehouse).load(bytes_max=500):
        loads.append(load.stored)
    assert sum(loads) == 10
    assert len(loads) > 1
    assert house.value("SELECT count(*) FROM analytics.tracks") == 10


STEPS = ["prepare", "append", "merge", "execute", "widen"]


class Cut(Exception):
    """The plug was pulled here."""


def cut_after(monkeypatch: pytest.MonkeyPatch, steps: int) -> None:
    """From now on the transaction's step number `steps` fails."""
    left = steps

    def wrap(name: str) -> None:
        real = getattr(DuckDBTransaction, name)

        def step(self: DuckDBTransaction, *given: Any, **named: Any) -> Any:
            nonlocal left
            left -= 1
            if left < 0:
                raise Cut(name)
            return real(self, *given, **named)

        monkeypatch.setattr(DuckDBTransaction, name, step)

    for name in STEPS:
        wrap(name)


def contents(house: House) -> dict[str, list[dict[str, Any]]]:
    """All of the warehouse but the times of loading."""
    moving = {"uuid_ts", "loaded_at", "updated_at", "duration_s"}
    return {
        f"{table.schema}.{table.name}": sorted(
            (
                {name: value for name, value in row.items() if name not in moving}
                for row in house.rows(f'SELECT * FROM {table.schema}."{table.name}"')
            ),
            key=str,
        )
        for table in house.warehouse.tables()
    }


def test_cut_between_any_two_steps_and_run_again_the_result_is_the_same(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = [
        track("a", properties={"n": 1}),
        {"type": "identify", "userId": "alice", "messageId": "i", "traits": {"age": 5}},
    ]
    second = [
        track("a"),
        track("b", properties={"n": 2.5, "color": "red"}),
        track("c", "Another", properties={"x": 1}),
        {"type": "identify", "userId": "alice", "messageId": "j", "traits": {"age": 5.5}},
        {"type": "track"},
    ]
    house.receive(*first)
    house.load()
    house.receive(*second)
    before = contents(house)
    for steps in range(1_000):
        with monkeypatch.context() as patch:
            cut_after(patch, steps)
            try:
                house.load()
            except (Cut, LoadFailed):
                pass
            else:
                break
        assert contents(house) == before, f"cut after {steps} steps"
    assert steps > 10
    assert house.loader.load() is None
    after = contents(house)
    assert len(after["analytics.tracks"]) == 3
    assert after["analytics.users"][0]["age"] == 5.5
    assert len(after["_turnout.rejected_events"]) == 1


def test_a_table_that_cannot_be_written_holds_back_no_other(house: House) -> None:
    with house.warehouse.transaction() as transaction:
        transaction.prepare(
            Table("analytics", "pressed_big_button", (Column("received_at", Type.BOOLEAN),))
        )
    loader = Loader(house.journal_folder, house.warehouse)
    house.receive(track("a"), track("b", "Another"))
    load = loader.load()
    assert load is not None
    assert (load.received, load.stored, load.rejected) == (2, 1, 1)
    assert house.rows("SELECT id FROM analytics.tracks") == [{"id": "b"}]
    row = house.row("SELECT id, source, reason, head FROM _turnout.rejected_events")
    assert (row["id"], row["source"], row["reason"]) == ("a", "web", "not_loadable")
    assert json.loads(row["head"])["messageId"] == "a"


def test_one_id_under_two_event_names_is_one_event(house: House) -> None:
    house.receive(track("x", "A"), track("x", "B"))
    load = house.load()
    assert (load.stored, load.duplicates, load.rejected) == (1, 1, 0)
    assert house.value("SELECT event_text FROM analytics.tracks") == "A"


def break_on(monkeypatch: pytest.MonkeyPatch, sign: bytes, error: Exception) -> None:
    """From now on shaping fails wherever `sign` is among the lines."""
    real = Shaper.shape

    def shape(self: Shaper, text: bytes, *given: Any) -> Any:
        if sign in text:
            raise error
        return real(self, text, *given)

    monkeypatch.setattr(Shaper, "shape", shape)


def test_an_event_that_breaks_loading_is_rejected_alone(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    break_on(monkeypatch, b"poison", RuntimeError("odd"))
    events = [track(f"e{number}") for number in range(40)]
    bad = [
        track("bad 1", properties={"text": "poison" + "x" * 9_000}),
        track("bad 2", properties={"text": "poison"}),
    ]
    house.receive(*events[:7], bad[0], *events[7:23], {"no": "type"}, *events[23:], bad[1])
    with structlog.testing.capture_logs() as logs:
        load = house.load()
    assert (load.received, load.stored, load.rejected) == (43, 40, 3)
    assert house.value("SELECT count(*) FROM analytics.pressed_big_button") == 40
    rows = house.rows(
        "SELECT id, source, head FROM _turnout.rejected_events "
        "WHERE reason = 'not_loadable' ORDER BY id"
    )
    assert [(row["id"], row["source"]) for row in rows] == [("bad 1", "web"), ("bad 2", "web")]
    assert len(rows[0]["head"]) == 4_096
    [said] = [entry for entry in logs if entry["log_level"] == "error"]
    assert (said["events"], said["problems"]) == (2, ["RuntimeError"])
    assert house.loader.load() is None
    house.receive(track("after"))
    assert house.load().stored == 1


def test_an_event_that_breaks_the_engine_for_good_is_rejected_alone(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = Shaper.shape

    def shape(self: Shaper, text: bytes, *given: Any) -> Any:
        if b"poison" in text:
            self.engine.close()
        return real(self, text, *given)

    monkeypatch.setattr(Shaper, "shape", shape)
    house.receive(track("a"), track("b", properties={"text": "poison"}), track("c"))
    load = house.load()
    assert (load.stored, load.rejected) == (2, 1)


def test_a_warehouse_that_is_away_makes_no_event_rejected(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    house.receive(track("a"))
    with monkeypatch.context() as patch:
        break_on(patch, b"Button", WarehouseUnavailable())
        with pytest.raises(WarehouseUnavailable):
            house.load()
    assert (house.load().stored, house.rows("FROM _turnout.rejected_events")) == (1, [])


TIMES = [
    # sentAt, timestamp → timestamp, when it arrives at 10:00:00
    (None, "2026-03-04T09:00:00Z", "2026-03-04T09:00:00"),
    ("2026-03-04T09:59:59Z", "2026-03-04T09:00:00Z", "2026-03-04T09:00:00"),
    ("2026-03-04T12:00:00Z", "2026-03-04T11:59:50Z", "2026-03-04T09:59:50"),
    ("2026-03-04T13:00:00+01:00", "2026-03-04T12:59:50+01:00", "2026-03-04T09:59:50"),
    ("2026-03-04T10:00:00Z", "2025-01-01T00:00:00", "2025-01-01T00:00:00"),
    ("2026-03-04T10:00:00Z", None, "2026-03-04T10:00:00"),
    ("yesterday", "2026-03-04T09:00:00Z", "2026-03-04T09:00:00"),
    ("2026-03-04T10:00:00Z", "yesterday", "2026-03-04T10:00:00"),
    ("2026-03-04T10:00:00Z", 1772618400, "2026-03-04T10:00:00"),
]


@pytest.mark.parametrize(("sent_at", "called_at", "expected"), TIMES)
def test_the_time_of_a_call_is_freed_from_the_clients_clock(
    house: House, sent_at: Any, called_at: Any, expected: str
) -> None:
    house.receive(
        track("a", timestamp=called_at), received_at="2026-03-04T10:00:00.000Z", sentAt=sent_at
    )
    house.load()
    assert house.value('SELECT "timestamp" FROM analytics.tracks') == datetime.fromisoformat(
        expected
    )


def test_a_time_that_cannot_be_read_is_noted(house: House) -> None:
    house.receive(track("a", timestamp="yesterday"))
    house.load()
    rows = house.rows("SELECT table_name, column_value, reason FROM _turnout.discards")
    assert {row["table_name"] for row in rows} == {
        "analytics.tracks",
        "analytics.pressed_big_button",
    }
    assert {(row["column_value"], row["reason"]) for row in rows} == {
        ("yesterday", "bad_timestamp")
    }


def identify(id_: str, at: str, **traits: Any) -> dict[str, Any]:
    return {
        "type": "identify",
        "userId": "alice",
        "messageId": id_,
        "timestamp": at,
        "traits": traits,
    }


@pytest.mark.parametrize("together", [True, False])
@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (1, 2, 0)])
def test_the_last_writer_of_a_trait_is_the_last_by_time_whatever_the_order(
    house: House, order: tuple[int, ...], together: bool
) -> None:
    calls = [
        identify("i1", "2026-03-01T10:00:00Z", plan="free", city="Rome", seats=1),
        identify("i2", "2026-03-02T10:00:00Z", plan="pro", seats=2),
        identify("i3", "2026-03-03T10:00:00Z", seats=None),
    ]
    arranged = [calls[number] for number in order]
    if together:
        house.receive(*arranged)
        house.load()
    else:
        for call in arranged:
            house.receive(call)
            house.load()
    columns = set(house.types("users"))
    assert house.row('SELECT plan, city, "timestamp" FROM analytics.users') == {
        "plan": "pro",
        "city": "Rome",
        "timestamp": datetime(2026, 3, 3, 10),  # noqa: DTZ001 -- the warehouse keeps UTC
    }
    assert "seats" not in columns or house.value("SELECT seats FROM analytics.users") is None


def test_many_users_at_once_are_each_their_own(house: House) -> None:
    calls = [
        {**identify(f"i{number}", "2026-03-01T10:00:00Z", n=number), "userId": f"user {number}"}
        for number in range(900)
    ]
    house.receive(*calls)
    house.load()
    house.receive(
        *[{**call, "messageId": f"{call['messageId']} again", "timestamp": None} for call in calls]
    )
    house.load()
    assert house.value("SELECT count(*) FROM analytics.users") == 900
    assert house.value("SELECT count(*) FROM analytics.users WHERE id = 'user ' || n") == 900


def test_the_ancestors_join_runs_as_written(house: House) -> None:
    house.receive(track("a"), {**track("b"), "userId": "charlie"})
    house.load()
    with house.warehouse.transaction() as transaction:
        transaction.prepare(
            Table(
                "userdata",
                "companyperson",
                (Column("person_uuid", Type.TEXT), Column("company_uuid", Type.TEXT)),
            )
        )
        transaction.execute("INSERT INTO userdata.companyperson VALUES ('alice', 'acme')")
    sql = """
        SELECT company_uuid
        FROM userdata.companyperson AS userdata
        INNER JOIN analytics.pressed_big_button AS analytics
        ON userdata.person_uuid = analytics.user_id
    """
    assert house.rows(sql) == [{"company_uuid": "acme"}]


def test_a_key_that_is_there_twice_costs_no_event(house: House) -> None:
    house.receive(track("a", properties={"n": 1}))
    [block] = [path.read_bytes() for path in house.journal_folder.glob("*.ndjson")]
    [line] = [line for line in block.splitlines() if b'"a"' in line]
    twice = line.replace(b'{"n": 1}', b'{"x":null,"x":"said","n":[{"y":1,"y":2}]}')
    assert twice != line
    house.keep([twice.replace(b'"a"', b'"b"') + b"\n"])
    load = house.load()
    assert (load.received, load.stored, load.rejected) == (2, 2, 0)
    assert house.value("SELECT x FROM analytics.pressed_big_button WHERE id = 'b'") == "said"
    assert house.value("SELECT _rescued FROM analytics.pressed_big_button WHERE id = 'b'") == (
        '{"n":[{"y":2}]}'
    )


def test_what_the_door_knew_already_is_counted_as_a_duplicate(house: House) -> None:
    house.receive(track("a"))
    known: dict[str, Any] = {"id": "a", "source": "web", "schema": "analytics"}
    known |= {"received_at": "2026-03-04T10:20:30.000Z", "duplicate": True}
    house.keep([json.dumps(known, separators=(",", ":")).encode() + b"\n"])
    load = house.load()
    assert (load.received, load.stored, load.duplicates) == (2, 1, 1)
    assert house.row("SELECT * EXCLUDE (loaded_at) FROM _turnout.duplicate_events") == {
        "id": "a",
        "source": "web",
        "schema_name": "analytics",
        "received_at": datetime.fromisoformat("2026-03-04T10:20:30"),
    }


def test_a_file_that_holds_nothing_but_damage_counts_as_no_event(house: House) -> None:
    house.journal_folder.mkdir(exist_ok=True)
    (house.journal_folder / "0-torn.ndjson").write_bytes(b'{"id":"torn","type":')
    assert house.loader.load() is None
    assert house.loader.backlog_bytes() == 0
    assert house.value("SELECT count(*) FROM _turnout.rejected_events") == 0


def test_every_schema_that_events_fill_is_as_new_as_what_was_loaded(tmp_path: Path) -> None:
    house = House(tmp_path)
    house.receive(track("a"), sender=Sender("bob-key", "app", "mobile"))
    house.load()
    assert house.loader.schemas == ["analytics", "mobile", "turnout"]


def test_what_a_copied_table_decides_is_only_as_new_as_the_copy(tmp_path: Path) -> None:
    house = House(tmp_path)
    declared = Membership(table="userdata.companyperson", account="company_uuid", user="id")
    loader = Loader(house.journal_folder, house.warehouse, declared)
    assert loader.schemas == ["analytics"]
