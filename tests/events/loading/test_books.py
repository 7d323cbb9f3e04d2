from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest

from tests.events.house import House
from turnout.events import layout
from turnout.events.door.line import Sender
from turnout.events.loading import plan, routing
from turnout.events.loading.shape import Shaper

AT = "2026-03-04T10:20:30.000Z"
HOUR = datetime.fromisoformat("2026-03-04T10:00:00")
BOB = Sender("bob-key", "app", "mobile")


def track(id_: str, event: str = "Bought", **members: Any) -> dict[str, Any]:
    return {"type": "track", "event": event, "userId": "alice", "messageId": id_, **members}


def counts(house: House) -> list[tuple[Any, ...]]:
    rows = house.rows("SELECT * FROM _turnout.source_counts ORDER BY source, hour")
    for row in rows:
        assert row["received"] == row["stored"] + row["duplicates"] + row["rejected"]
    return [tuple(row.values()) for row in rows]


def test_each_sources_hours_add_up_over_many_loads(house: House) -> None:
    house.receive(track("a"), track("a"), {"type": "track"}, received_at=AT)
    house.receive(track("a"), sender=BOB, received_at=AT)
    house.load()
    assert counts(house) == [("app", HOUR, 1, 1, 0, 0), ("web", HOUR, 3, 1, 1, 1)]
    house.receive(track("a"), track("b"), received_at=AT)
    house.receive(track("c"), received_at="2026-03-04T11:00:00.000Z")
    house.load()
    assert counts(house) == [
        ("app", HOUR, 1, 1, 0, 0),
        ("web", HOUR, 5, 2, 2, 1),
        ("web", HOUR.replace(hour=11), 1, 1, 0, 0),
    ]


def test_a_line_that_is_no_json_is_counted_for_no_source(house: House) -> None:
    house.keep([b"noise\n"])
    house.receive(track("a"))
    house.load()
    assert [(row[0], *row[2:]) for row in counts(house)] == [("", 1, 0, 0, 1), ("web", 1, 1, 0, 0)]


def test_the_books_add_up_also_after_sifting(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    real = Shaper.shape

    def shape(self: Shaper, text: bytes, *given: Any) -> Any:
        if b"poison" in text:
            raise RuntimeError
        return real(self, text, *given)

    monkeypatch.setattr(Shaper, "shape", shape)
    house.receive(
        track("a"), track("b", properties={"x": "poison"}), track("a"), {"no": 1}, received_at=AT
    )
    house.load()
    assert counts(house) == [("web", HOUR, 4, 1, 1, 2)]
    rejected = house.row("FROM _turnout.rejected_events WHERE reason = 'not_loadable'")
    assert (rejected["id"], rejected["schema_name"]) == ("b", "analytics")
    assert rejected["loaded_at"] > rejected["received_at"]


def test_every_repeat_is_kept_in_the_books(house: House) -> None:
    house.receive(track("a"), track("a"), received_at=AT)
    house.load()
    house.receive(track("a"), track("b"), received_at=AT)
    house.load()
    rows = house.rows("SELECT * FROM _turnout.duplicate_events")
    assert [(row["id"], row["source"], row["schema_name"]) for row in rows] == [
        ("a", "web", "analytics"),
        ("a", "web", "analytics"),
    ]


@pytest.mark.parametrize("switch", [False, {"all": False}])
def test_an_event_withheld_from_warehouses_is_counted_and_not_kept(
    house: House, switch: Any
) -> None:
    house.receive(
        track("a", integrations={"Warehouses": switch}),
        track("b", integrations={"Warehouses": {"all": True}, "All": False}),
        track("c", integrations={"Warehouses": True}),
    )
    load = house.load()
    assert (load.stored, load.rejected) == (2, 1)
    row = house.row("SELECT id, reason, head FROM _turnout.rejected_events")
    assert row == {"id": "a", "reason": "withheld", "head": None}


def test_a_full_table_and_a_full_schema_are_noticed_once(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(plan, "COLUMNS_MAX", 16)
    monkeypatch.setattr(routing, "EVENT_TABLES_MAX", 1)
    for number in range(2):
        house.receive(
            track(f"a{number}", properties={f"p{place}": place for place in range(20)}),
            track(f"b{number}", "Zebra"),
        )
        house.load()
    rows = house.rows("SELECT subject, reason FROM _turnout.notices ORDER BY subject")
    assert [tuple(row.values()) for row in rows] == [
        ("analytics", "event_tables_max"),
        ("analytics.bought", "columns_max"),
    ]


def test_events_of_tomorrow_are_counted_and_stored_as_they_are(house: House) -> None:
    house.receive(
        track("a", timestamp="2026-03-05T10:20:31Z"),
        track("b", timestamp="2026-03-05T10:20:29Z"),
        received_at=AT,
    )
    assert house.load().ahead == 1
    assert house.value("SELECT ahead FROM _turnout.loads") == 1
    assert house.value("SELECT max(timestamp) FROM analytics.tracks") == datetime.fromisoformat(
        "2026-03-05T10:20:31"
    )


def test_the_books_have_the_columns_that_pages_and_queries_rely_on() -> None:
    columns = {
        table.name: [column.name for column in table.columns] for table in layout.BOOK_TABLES
    }
    assert columns["duplicate_events"] == [
        "id", "source", "schema_name", "received_at", "loaded_at",
    ]  # fmt: skip
    assert {"schema_name", "loaded_at"} <= set(columns["rejected_events"])
    assert "source" in columns["discards"]
