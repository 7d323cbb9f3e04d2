"""Tables whose rows are read together get what each would have got by itself."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.events.house import House
from turnout.events.loading import family

at = datetime.fromisoformat  # the warehouse keeps UTC without saying so


def track(number: int, event: str, properties: dict[str, Any]) -> dict[str, Any]:
    return {
        "type": "track",
        "event": event,
        "userId": "alice",
        "messageId": str(number),
        "properties": properties,
    }


def receive(house: House, *events: tuple[str, dict[str, Any]]) -> None:
    house.receive(*(track(number, *event) for number, event in enumerate(events)))
    house.load()


def test_each_table_has_its_own_rows_in_their_order(house: House) -> None:
    receive(house, *((f"Event {n % 3}", {f"only_{n % 3}": n, "shared": n}) for n in range(30)))
    for number in range(3):
        rows = house.rows(f"SELECT id, event, only_{number}, shared FROM analytics.event_{number}")
        wanted = range(number, 30, 3)
        assert [row["id"] for row in rows] == [str(n) for n in wanted]
        assert {row["event"] for row in rows} == {f"event_{number}"}
        assert (
            [row[f"only_{number}"] for row in rows] == [row["shared"] for row in rows] == [*wanted]
        )
        assert f"only_{(number + 1) % 3}" not in house.types(f"event_{number}")


def test_one_name_may_have_other_types_in_other_tables(house: House) -> None:
    receive(
        house,
        ("A", {"size": 5}),
        ("B", {"size": "large"}),
        ("C", {"size": {"x": 1.5}}),
        ("D", {"size": -5}),
        ("E", {"size": "2026-03-04"}),
        ("F", {"Size": True, "SIZE": [1]}),
        ("G", {}),
    )
    assert house.value("SELECT size FROM analytics.a") == 5
    assert house.value("SELECT size FROM analytics.b") == "large"
    assert house.value("SELECT size_x FROM analytics.c") == 1.5
    assert house.value("SELECT size FROM analytics.d") == -5
    assert house.value("SELECT size FROM analytics.e") == at("2026-03-04")
    assert house.value("SELECT count(*) FROM analytics.f WHERE size IS NOT NULL") == 1
    assert house.value("SELECT count(*) FROM analytics.g") == 1


def test_a_value_that_does_not_fit_is_rescued_and_its_neighbours_are_not_touched(
    house: House,
) -> None:
    receive(house, ("A", {"n": 5, "day": "2026-03-04"}), ("B", {"m": 5, "day": "2026-03-04"}))
    house.receive(
        track(10, "A", {"n": 2**63, "day": "2026-03-05"}),
        track(11, "B", {"m": 6, "day": "some day"}),
        track(12, "C", {"n": 7}),
    )
    house.load()
    a = house.row("SELECT n, day, _rescued FROM analytics.a WHERE id = '10'")
    b = house.row("SELECT m, day, _rescued FROM analytics.b WHERE id = '11'")
    assert a == {"n": None, "day": at("2026-03-05"), "_rescued": '{"n":9223372036854775808}'}
    assert b == {"m": 6, "day": None, "_rescued": '{"day":"some day"}'}
    assert house.value("SELECT n FROM analytics.c") == 7
    assert house.value("SELECT count(*) FROM _turnout.discards") == 2


values = st.sampled_from(
    [
        1,
        -1,
        2**63,
        2**53,
        1.5,
        True,
        None,
        "",
        "x",
        "2026-03-04",
        "2026-03-04T10:20:30Z",
        [1],
        {"a": 1},
    ]
)
properties = st.dictionaries(st.sampled_from(["p", "q", "P", "r s"]), values, max_size=4)


@given(st.lists(st.tuples(st.sampled_from(["A", "B", "C"]), properties), min_size=1, max_size=9))
@settings(
    max_examples=12, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None
)
def test_together_or_apart_the_rows_are_the_same(
    tmp_path_factory: pytest.TempPathFactory, events: list[tuple[str, dict[str, Any]]]
) -> None:
    told = []
    for columns_max in (1_000, 0):
        house = House(tmp_path_factory.mktemp("house"))
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(family, "SHEET_COLUMNS_MAX", columns_max)
            receive(house, *events)
        names = {event.lower() for event, _ in events}
        told.append(
            [_without_times(house.rows(f"FROM analytics.{name}")) for name in sorted(names)]
        )
        house.loader.close()
        house.warehouse.close()
    assert told[0] == told[1]


def _without_times(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    left_out = {"received_at", "timestamp", "uuid_ts", "loaded_at"}
    return [{name: row[name] for name in row if name not in left_out} for row in rows]
