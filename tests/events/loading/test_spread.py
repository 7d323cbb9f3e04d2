from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.events.house import House
from turnout.events.loading.spread import joined

UNCHANGED: list[dict[str, Any]] = [
    {"a": {"0": "ab"}},
    {"a": {"0": "a", "2": "b"}},
    {"a": {"0": "a", "1": "b", "x": "c"}},
    {"a": {"0": "a", "1": 5}},
    {"a": '{"0":"a"}'},
    {"0": "a", "1": "b"},
]


def compact(document: Any) -> str:
    return json.dumps(document, separators=(",", ":"), ensure_ascii=False)


@given(st.text(min_size=1))
def test_a_spread_text_is_put_together_again(text: str) -> None:
    spread = {str(place): character for place, character in enumerate(text)}
    document = {"traits": {"name": spread, "age": 5}, "n": 1.50}
    assert json.loads(joined(compact(document))) == {"traits": {"name": text, "age": 5}, "n": 1.5}


@pytest.mark.parametrize("document", UNCHANGED, ids=compact)
def test_other_objects_stay_as_they_are(document: dict[str, Any]) -> None:
    assert joined(compact(document)) == compact(document)


def test_spread_texts_of_contexts_and_of_groups_become_columns(house: House) -> None:
    spread = {"0": "p", "1": "r", "2": "o"}
    house.receive(
        {
            "type": "group",
            "userId": "alice",
            "groupId": "acme",
            "traits": {"plan": spread},
            "context": {"traits": spread},
        },
        {"type": "identify", "userId": "alice", "traits": {"plan": spread}},
    )
    house.load()
    assert house.row("SELECT plan, context_traits FROM analytics.groups") == {
        "plan": "pro",
        "context_traits": "pro",
    }
    assert house.value("SELECT plan_0 FROM analytics.identifies") == "p"
