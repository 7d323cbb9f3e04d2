"""A column changes its type by somebody's word: no value is lost, and loads keep to it."""

import json
from typing import Any

import pytest

from tests.events.house import House
from tests.events.upkeeping import keep_up
from turnout.errors import BadRequest, NotFound
from turnout.events.upkeep.retype import retype


def press(house: House, **properties: Any) -> None:
    house.receive(
        {"type": "track", "event": "Pressed", "userId": "alice", "properties": properties}
    )


def change(house: House, type_: str, column: str = "analytics.pressed.n") -> str:
    return keep_up(house, retype, column=column, type=type_).sentence


def values(house: House) -> list[Any]:
    return [
        row["n"] for row in house.rows("SELECT n FROM analytics.pressed ORDER BY received_at, id")
    ]


def load_in_order(house: House, *sent: Any) -> None:
    for number, value in enumerate(sent):
        house.receive(
            {
                "type": "track",
                "event": "Pressed",
                "userId": "alice",
                "messageId": f"m{number}",
                "properties": {"n": value},
            },
            received_at=f"2026-03-01T12:00:0{number}.000Z",
        )
        house.load()


def rescued(house: House) -> list[Any]:
    rows = house.rows("SELECT _rescued FROM analytics.pressed ORDER BY received_at, id")
    return [json.loads(row["_rescued"]) if row["_rescued"] else None for row in rows]


def discards(house: House) -> list[tuple[str, str]]:
    rows = house.rows("SELECT row_id, reason FROM _turnout.discards ORDER BY row_id")
    return [(row["row_id"], row["reason"]) for row in rows]


@pytest.mark.parametrize("has_journal", [True, False])
def test_what_was_rescued_comes_into_the_column_when_it_fits(
    house: House, has_journal: bool
) -> None:
    load_in_order(house, 1, "A-12", 3)
    assert values(house) == [1, None, 3]
    if not has_journal:
        for file in house.journal_folder.glob("*.ndjson"):
            file.unlink()
    assert change(house, "text") == ("analytics.pressed.n is text now. Later events keep to it.")
    assert values(house) == ["1", "A-12", "3"]
    assert rescued(house) == [None, None, None]
    assert discards(house) == []


def test_what_does_not_fit_is_rescued_and_noted(house: House) -> None:
    load_in_order(house, "one", 2, "3", True, 4.5)
    assert change(house, "integer").startswith("analytics.pressed.n is integer now; 3 values")
    assert values(house) == [None, 2, 3, None, None]
    assert rescued(house) == [{"n": "one"}, None, None, {"n": "true"}, {"n": "4.5"}]
    assert discards(house) == [
        ("m0", "not_an_integer"), ("m3", "not_an_integer"), ("m4", "not_an_integer"),
    ]  # fmt: skip
    change(house, "text")
    assert values(house) == ["one", "2", "3", "true", "4.5"]
    assert rescued(house) == [None] * 5
    assert discards(house) == []


def test_values_of_further_spellings_stay_rescued(house: House) -> None:
    press(house, **{"n": True, "N": [1, 2], "n.": "x"})
    house.load()
    for type_ in ("float", "integer", "boolean"):
        change(house, type_)
        [left] = rescued(house)
        kept = [*left.values(), *filter(None, values(house))]
        assert sorted(map(str, kept)) == ["True", "[1, 2]", "x"], type_
    assert values(house) == [True]


def test_columns_named_like_what_is_worked_with_are_retyped(house: House) -> None:
    names = ("stored", "brought", "fits", "key", "rescued", "misfit", "t")
    press(house, n="one", **dict.fromkeys(names, "5"))
    house.load()
    for name in ("n", *names):
        keep_up(house, retype, column=f"analytics.pressed.{name}", type="integer")
    columns = ", ".join(names)
    assert house.row(f"SELECT n, {columns} FROM analytics.pressed") == {
        "n": None,
        **dict.fromkeys(names, 5),
    }
    assert rescued(house) == [{"n": "one"}]


def test_names_that_have_been_given_an_underscore_are_retyped_too(house: House) -> None:
    press(house, **{"order": "5", "2fa": "true"})
    house.load()
    change(house, "integer", "analytics.pressed._order")
    change(house, "boolean", "analytics.pressed._2fa")
    assert house.row("SELECT _order, _2fa FROM analytics.pressed") == {"_order": 5, "_2fa": True}


def test_a_text_that_only_looks_like_json_is_quoted(house: House) -> None:
    load_in_order(house, "NaN", "-Infinity", "5", '{"a":1}')
    change(house, "json")
    assert values(house) == ['"NaN"', '"-Infinity"', "5", '{"a":1}']


def test_later_loads_keep_to_the_chosen_type(house: House) -> None:
    load_in_order(house, 1, 2.5)
    assert house.types("pressed")["n"] == "float"
    change(house, "integer")
    house.receive(
        {"type": "track", "event": "Pressed", "userId": "a", "messageId": "late",
         "properties": {"n": 9.99}}
    )  # fmt: skip
    house.load()
    assert house.types("pressed")["n"] == "integer"
    assert house.row("SELECT n, _rescued FROM analytics.pressed WHERE id = 'late'") == {
        "n": None,
        "_rescued": '{"n":9.99}',
    }


def test_a_time_that_becomes_text_is_spelled_as_it_was_sent(house: House) -> None:
    load_in_order(house, "2024-01-02", "2024-01-02T03:04:05+01:00")
    assert house.types("pressed")["n"] == "time"
    change(house, "text")
    assert values(house) == ["2024-01-02", "2024-01-02T03:04:05+01:00"]
    change(house, "timestamp")
    assert [value.isoformat() for value in values(house)] == [
        "2024-01-02T00:00:00",
        "2024-01-02T02:04:05",
    ]


def test_json_holds_arrays_and_texts_and_later_ones_too(house: House) -> None:
    load_in_order(house, ["a", 1], "plain", 5)
    change(house, "json")
    assert [json.loads(value) for value in values(house)] == [["a", 1], "plain", 5]
    press(house, n="later")
    press(house, n={"inside": 1})
    assert house.load().rejected == 0
    found = house.rows("SELECT n FROM analytics.pressed WHERE n IS NOT NULL")
    assert sorted(str(json.loads(row["n"])) for row in found) == [
        "5", "['a', 1]", "later", "plain",
    ]  # fmt: skip


def test_booleans_come_out_of_texts(house: House) -> None:
    load_in_order(house, "x", True, "false")
    change(house, "boolean")
    assert values(house) == [None, True, False]
    assert house.types("pressed")["n"] == "boolean"


def test_users_follow_their_identifies(house: House) -> None:
    for plan in (1, "two"):
        house.receive({"type": "identify", "userId": f"user-{plan}", "traits": {"plan": plan}})
        house.load()
    change(house, "text", "analytics.identifies.plan")
    rows = house.rows("SELECT id, plan FROM analytics.users ORDER BY id")
    assert rows == [{"id": "user-1", "plan": "1"}, {"id": "user-two", "plan": "two"}]
    house.receive({"type": "identify", "userId": "user-1", "traits": {"plan": "three"}})
    house.load()
    assert house.value("SELECT plan FROM analytics.users WHERE id = 'user-1'") == "three"


@pytest.mark.parametrize(
    ("column", "type_", "error", "says"),
    [
        ("analytics.pressed.id", "text", BadRequest, "own columns"),
        ("analytics.pressed._rescued", "text", BadRequest, "own columns"),
        ("analytics.users.plan", "text", BadRequest, "follows from analytics.identifies"),
        ("analytics.pressed.nothing", "text", NotFound, "has no column 'nothing'"),
        ("analytics.nothing.n", "text", NotFound, "no table of events"),
        ("analytics.pressed.n", "number", BadRequest, "no type 'number'"),
    ],
)
def test_what_cannot_be_retyped_is_said_plainly(
    house: House, column: str, type_: str, error: type[Exception], says: str
) -> None:
    load_in_order(house, 1)
    with pytest.raises(error, match=says):
        change(house, type_, column)


def test_the_type_it_has_already_changes_nothing(house: House) -> None:
    load_in_order(house, 1)
    assert change(house, "integer") == "analytics.pressed.n is integer already."
