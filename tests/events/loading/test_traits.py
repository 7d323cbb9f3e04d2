"""Traits in the context of an identify call, as RudderStack's libraries send them."""

from __future__ import annotations

from typing import Any

from tests.events.house import House


def identify(id_: str, in_context: Any, **members: Any) -> dict[str, Any]:
    call = {"type": "identify", "userId": "alice", "messageId": id_}
    return {**call, "context": {"traits": in_context}, **members}


def test_they_are_traits_of_the_user(house: House) -> None:
    house.receive(identify("a", {"email": "alice@acme.example", "address": {"city": "Oslo"}}))
    house.load()
    kept = {"email": "alice@acme.example", "address_city": "Oslo"}
    assert house.row("SELECT email, address_city FROM analytics.users") == kept
    assert house.row("SELECT email, address_city FROM analytics.identifies") == kept
    assert house.value("SELECT context_traits_email FROM analytics.identifies") == kept["email"]


def test_the_calls_own_traits_win_key_by_key(house: House) -> None:
    own = {"plan": "pro", "address": {"street": "Main"}, "seats": None}
    house.receive(
        identify(
            "a", {"plan": "free", "age": 41, "seats": 5, "address": {"city": "Oslo"}}, traits=own
        )
    )
    house.load()
    columns = set(house.types("users"))
    assert not columns & {"seats", "address_city"}
    assert house.row("SELECT plan, age, address_street FROM analytics.users") == {
        "plan": "pro",
        "age": 41,
        "address_street": "Main",
    }


def test_null_in_them_clears_a_trait(house: House) -> None:
    house.receive(identify("a", {"plan": "pro", "city": "Oslo"}, timestamp="2026-03-01"))
    house.receive(identify("b", {"plan": None}, timestamp="2026-03-02"))
    house.load()
    assert house.row("SELECT plan, city FROM analytics.users") == {"plan": None, "city": "Oslo"}


def test_what_is_no_object_changes_nothing(house: House) -> None:
    odd: list[Any] = ["text", [{"plan": "x"}], {}, None, 5]
    for number, traits in enumerate(odd):
        house.receive(identify(f"m{number}", traits, traits={"plan": f"p{number}"}))
    house.load()
    rows = house.rows("SELECT plan FROM analytics.identifies ORDER BY id")
    assert [row["plan"] for row in rows] == ["p0", "p1", "p2", "p3", "p4"]


def test_in_other_calls_they_are_nobodys(house: House) -> None:
    house.receive(
        {"type": "page", "userId": "alice", "context": {"traits": {"plan": "free"}}},
        {"type": "group", "userId": "alice", "groupId": "g", "context": {"traits": {"plan": "x"}}},
    )
    house.load()
    assert house.value("SELECT count(*) FROM analytics.users") == 0
    assert "plan" not in {*house.types("pages"), *house.types("accounts")}
