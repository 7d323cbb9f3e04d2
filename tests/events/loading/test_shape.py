from __future__ import annotations

import json
from datetime import datetime
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.events.house import House
from turnout.events.loading import family, plan, routing


def track(id_: str, **properties: Any) -> dict[str, Any]:
    return track_of("Bought", id_, properties)


def track_of(event: str, id_: str, properties: dict[str, Any]) -> dict[str, Any]:
    return {
        "type": "track",
        "event": event,
        "userId": "alice",
        "messageId": id_,
        "properties": properties,
    }


at = datetime.fromisoformat  # the warehouse keeps UTC without saying so

TYPES: list[tuple[Any, str, Any]] = [
    (True, "boolean", True),
    (5, "integer", 5),
    (-5, "integer", -5),
    (2**63 - 1, "integer", 2**63 - 1),
    (2**63, "text", str(2**63)),
    (2**80, "text", str(2**80)),
    (5.0, "float", 5.0),
    (5.25, "float", 5.25),
    ("hello", "text", "hello"),
    ("", "text", ""),
    ("5", "text", "5"),
    ("2026-03-04", "time", at("2026-03-04")),
    ("2026-03-04T10:20", "time", at("2026-03-04T10:20")),
    ("2026-03-04 10:20:30.5+02:00", "time", at("2026-03-04T08:20:30.5")),
    ("2026-03-04T10:20:30Z", "time", at("2026-03-04T10:20:30")),
    ("2026-02-30", "text", "2026-02-30"),
    ("2026-03-04T10:20:30+99:99", "text", "2026-03-04T10:20:30+99:99"),
    ("2026-03-04T10:20:30+24:00", "text", "2026-03-04T10:20:30+24:00"),
    ("0000-03-04T10:20:30Z", "text", "0000-03-04T10:20:30Z"),
    ("0000-03-04", "text", "0000-03-04"),
    ("2026-03-04T10:20:30+99:99Z", "text", "2026-03-04T10:20:30+99:99Z"),
    ("-001-03-04T10:20:30Z", "text", "-001-03-04T10:20:30Z"),
    ("2026-03-04 or so", "text", "2026-03-04 or so"),
    ("infinity", "text", "infinity"),
    (["a", 1, None], "text", '["a",1,null]'),
    ([], "text", "[]"),
    (1772618400, "integer", 1772618400),
]


def test_the_first_value_fixes_the_type(house: House) -> None:
    house.receive(track("a", **{f"v{n}": sent for n, (sent, _, _) in enumerate(TYPES)}))
    house.load()
    types = house.types("bought")
    row = house.row("SELECT * FROM analytics.bought")
    for number, (sent, type_, stored) in enumerate(TYPES):
        assert (sent, types[f"v{number}"], row[f"v{number}"]) == (sent, type_, stored)


NOTHING: list[Any] = [None, {}]


@pytest.mark.parametrize("sent", NOTHING)
def test_what_holds_no_value_makes_no_column(house: House, sent: Any) -> None:
    house.receive(track("a", value=sent))
    house.load()
    assert "value" not in house.types("bought")


# first value, later value → type afterwards, later value as stored, what was rescued of it
CONFLICTS: list[tuple[Any, Any, str, Any, Any]] = [
    ("x", True, "text", "true", None),
    ("x", 12.5, "text", "12.5", None),
    ("x", [1], "text", "[1]", None),
    (1.5, 2, "float", 2.0, None),
    (1, 2.5, "float", 2.5, None),
    (1, "2", "integer", None, "2"),
    (1, "two", "integer", None, "two"),
    (1, True, "integer", None, True),
    (1, "", "integer", None, None),
    (1, 2**80, "integer", None, 2**80),
    (1, [1], "integer", None, [1]),
    (True, 1, "boolean", None, 1),
    (True, "true", "boolean", None, "true"),
    ("2026-03-04", "soon", "time", None, "soon"),
    ("2026-03-04", 5, "time", None, 5),
    (1.5, "2.5", "float", None, "2.5"),
    (1.5, 10**400, "float", None, 10**400),
    (1.5, -(10**400), "float", None, -(10**400)),
    (1.5, 2**53 + 1, "float", float(2**53), 2**53 + 1),
    (1.5, 10**50 + 1, "float", 1e50, 10**50 + 1),
    (1.5, 2**60, "float", float(2**60), None),
]


@pytest.mark.parametrize("together", [True, False])
def test_a_later_value_is_cast_or_widens_or_is_rescued(house: House, together: bool) -> None:
    names = [f"v{number}" for number in range(len(CONFLICTS))]
    events = [
        track("a", **{name: case[0] for name, case in zip(names, CONFLICTS, strict=True)}),
        track("b", **{name: case[1] for name, case in zip(names, CONFLICTS, strict=True)}),
    ]
    if together:
        house.receive(*events)
        house.load()
    else:
        for event in events:
            house.receive(event)
            house.load()
    types = house.types("bought")
    row = house.row("SELECT * FROM analytics.bought WHERE id = 'b'")
    rescued = json.loads(row["_rescued"])
    for name, (first, later, type_, stored, saved) in zip(names, CONFLICTS, strict=True):
        seen = types[name], row[name], rescued.get(name)
        assert (first, later, *seen) == (first, later, type_, stored, saved)
    discards = house.rows("SELECT table_name, row_id, column_name FROM _turnout.discards")
    assert {row["column_name"] for row in discards} == set(rescued)
    assert {(row["table_name"], row["row_id"]) for row in discards} == {("analytics.bought", "b")}


def test_discards_of_a_duplicate_are_not_written_twice(house: House) -> None:
    house.receive(track("a", value=1), track("b", value="x"))
    house.load()
    house.receive(track("b", value="x"))
    house.load()
    assert house.value("SELECT count(*) FROM _turnout.discards") == 1


def test_objects_are_flattened_and_arrays_stay_json(house: House) -> None:
    house.receive(track("a", cart={"total": 5, "items": [{"sku": 1}], "by": {"Card": True}}))
    house.load()
    assert house.row("SELECT cart_total, cart_items, cart_by_card FROM analytics.bought") == {
        "cart_total": 5,
        "cart_items": '[{"sku":1}]',
        "cart_by_card": True,
    }


def test_objects_below_the_deepest_level_become_json_text(house: House) -> None:
    deep: Any = {"end": 1}
    for _ in range(14):
        deep = {"d": deep}
    house.receive(track("a", **deep))
    house.load()
    [column] = [name for name in house.types("bought") if name.startswith("d_")]
    value = house.value(f"SELECT {column} FROM analytics.bought")
    assert json.loads(value)["d"]


def test_a_key_that_is_now_an_object_and_now_a_value_keeps_both(house: House) -> None:
    house.receive(track("a", place="Rome"), track("b", place={"city": "Oslo"}))
    house.load()
    assert house.rows("SELECT place, place_city, _rescued FROM analytics.bought ORDER BY id") == [
        {"place": "Rome", "place_city": None, "_rescued": None},
        {"place": None, "place_city": "Oslo", "_rescued": None},
    ]


def test_of_two_keys_for_one_column_the_one_spelled_like_it_wins(house: House) -> None:
    house.receive(track("a", firstName="Ann", first_name="Alice"), track("b", firstName="Bob"))
    house.load()
    first, second = house.rows("SELECT first_name, _rescued FROM analytics.bought ORDER BY id")
    assert (first["first_name"], json.loads(first["_rescued"])) == ("Alice", {"firstName": "Ann"})
    assert second == {"first_name": "Bob", "_rescued": None}


def test_a_value_that_loses_and_is_inexact_is_rescued_once(house: House) -> None:
    house.receive(track("a", first_name=1.5, firstName=2**53 + 1))
    house.load()
    assert house.value("SELECT _rescued FROM analytics.bought") == f'{{"firstName":{2**53 + 1}}}'
    assert [row["reason"] for row in house.rows("SELECT reason FROM _turnout.discards")] == [
        "name_taken"
    ]


@pytest.mark.parametrize("key", ["items", "it's", 'say "so"'])
def test_members_of_an_array_are_not_those_of_an_object_with_numbers_for_keys(
    house: House, key: str
) -> None:
    house.receive(track("a", **{key: ["x", "y"]}), track("b", **{key: {"1": 5}}))
    house.load()
    column = next(name for name in house.types("bought") if name.endswith("_1"))
    rows = house.rows(f"SELECT {column} AS one FROM analytics.bought ORDER BY id")
    assert [row["one"] for row in rows] == [None, 5]


ODD_KEYS = [
    "a b",
    "a/b",
    "a~b",
    "it's",
    'say "so"',
    "$",
    "*",
    "#",
    "",
    "0",
    "é",
    "select",
    "%s",
    "?",
]


def test_keys_of_any_spelling_become_columns(house: House) -> None:
    house.receive(track("a", **{key: number for number, key in enumerate(ODD_KEYS, 1)}))
    house.load()
    row = house.row("SELECT * FROM analytics.bought")
    rescued = json.loads(row["_rescued"] or "{}")
    values = {value for name, value in row.items() if isinstance(value, int)}
    assert values | set(rescued.values()) == set(range(1, len(ODD_KEYS) + 1))


def test_new_properties_become_new_columns_and_old_rows_stay(house: House) -> None:
    house.receive(track("a", price=5))
    house.load()
    house.receive(track("b", color="red"))
    house.load()
    assert house.rows("SELECT id, price, color FROM analytics.bought ORDER BY id") == [
        {"id": "a", "price": 5, "color": None},
        {"id": "b", "price": None, "color": "red"},
    ]


def test_context_is_in_every_table_and_traits_in_it_touch_no_user(house: House) -> None:
    context = {"ip": "10.0.0.1", "page": {"url": "/x"}, "traits": {"plan": "pro"}}
    house.receive({**track("a"), "context": context, "channel": "server"})
    house.load()
    for table in ("tracks", "bought"):
        row = house.row(
            f"SELECT context_ip, context_page_url, context_traits_plan, channel "
            f"FROM analytics.{table}"
        )
        assert list(row.values()) == ["10.0.0.0", "/x", "pro", "server"]
    assert house.rows("SELECT * FROM analytics.users") == []


def test_numbers_as_ids_become_text(house: House) -> None:
    house.receive({**track("a"), "userId": 17}, {**track("b"), "userId": " bob "})
    house.load()
    rows = house.rows("SELECT user_id FROM analytics.tracks ORDER BY id")
    assert [row["user_id"] for row in rows] == ["17", "bob"]


def test_beyond_the_last_column_values_are_rescued(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(plan, "COLUMNS_MAX", 16)
    house.receive(track("a", **{f"p{number:02}": number for number in range(20)}))
    house.load()
    assert len(house.types("bought")) == 16
    row = house.row("SELECT * FROM analytics.bought")
    rescued = json.loads(row["_rescued"])
    kept = {name: value for name, value in row.items() if name.startswith("p")}
    assert {**kept, **rescued} == {f"p{number:02}": number for number in range(20)}


def test_beyond_the_last_event_table_events_are_in_tracks_only(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(routing, "EVENT_TABLES_MAX", 2)
    house.receive(*[track_of(f"Event {n}", str(n), {"n": n}) for n in range(4)])
    assert house.load().stored == 4
    names = {table.name for table in house.warehouse.tables("analytics")}
    assert {name for name in names if name.startswith("event_")} == {"event_0", "event_1"}
    assert house.value("SELECT count(*) FROM analytics.tracks WHERE event = 'event_3'") == 1
    house.receive(track_of("Event 1", "more", {"n": 9}))
    house.load()
    assert house.value("SELECT count(*) FROM analytics.event_1") == 2


@pytest.mark.parametrize("sent", [7, "x", [1]], ids=repr)
def test_an_event_of_thousands_of_properties_loads_whole_and_soon(house: House, sent: Any) -> None:
    properties = {f"p{number:04}": sent for number in range(3_000)} | {"none": None, "in": {"a": 1}}
    house.receive(track("a", **properties))
    assert house.load().duration_s < 15
    row = house.row("SELECT * FROM analytics.bought")
    assert len(row) == plan.COLUMNS_MAX
    kept = {name for name, value in row.items() if name.startswith("p") and value is not None}
    rescued = json.loads(row["_rescued"])
    assert kept | {name for name in rescued if name.startswith("p")} >= set(properties) - {
        "none",
        "in",
    }
    assert "none" not in rescued
    assert set(map(str, rescued.values())) - {str(sent)} <= {"1"}
    assert json.loads(house.value("SELECT _properties FROM analytics.tracks")) == properties


def test_events_of_ever_new_properties_load_a_few_at_a_time(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(family, "PATHS_MAX", 40)
    events = [track(f"e{n}", **{f"p{n}_{k}": k for k in range(12)}) for n in range(20)]
    house.receive(*events)
    load = house.load()
    assert (load.stored, load.rejected) == (20, 0)
    assert len([name for name in house.types("bought") if name.startswith("p")]) == 240


def test_more_spellings_than_columns_take_are_rescued(house: House) -> None:
    spellings = {f"{'!' * number}price": number for number in range(200)}
    house.receive(track("a", **spellings))
    house.load()
    row = house.row("SELECT price, _rescued FROM analytics.bought")
    assert {row["price"], *json.loads(row["_rescued"]).values()} == set(range(200))


def test_ten_times_the_nulls_of_a_person_load_soon(house: House) -> None:
    traits = {f"t{number}": None for number in range(3_000)}
    house.receive({"type": "identify", "userId": "alice", "traits": {**traits, "plan": "pro"}})
    assert house.load().duration_s < 15
    cleared = json.loads(house.value("SELECT _cleared FROM analytics.identifies"))
    assert set(cleared) == set(traits)


values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"]), max_size=6)
    | st.sampled_from(["2026-03-04", "2026-03-04T10:00:00Z", "", "0", "true"]),
    lambda inner: (
        st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner, max_size=3)
    ),
    max_leaves=8,
)


@given(st.lists(st.dictionaries(st.sampled_from("abcd"), values), min_size=1, max_size=6))
@settings(
    max_examples=10,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
def test_any_properties_load_and_every_event_is_counted(
    tmp_path_factory: pytest.TempPathFactory, properties: list[dict[str, Any]]
) -> None:
    house = House(tmp_path_factory.mktemp("any"))
    try:
        for half in (properties[::2], properties[1::2]):
            if half:
                house.receive(*[track("", **each) for each in half])
                assert house.load().stored == len(half)
        kept = house.rows("SELECT _properties FROM analytics.tracks")
        assert len(kept) == len(properties)
    finally:
        house.warehouse.close()
