from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.events.house import ACME, CLOCK, LIMITS, House
from turnout.events.door.line import Arrival
from turnout.events.door.message import judge_batch, parse_batch
from turnout.events.loading.once import with_keys_once

PLAIN = '{"type":"track","event":"Bought","messageId":"plain","userId":"bob","properties":{"a":1}}'


def rows(folder: Path, *events: str) -> list[dict[str, Any]]:
    """The rows of these events, as their senders wrote them, in one load."""
    house = House(folder)
    batch = parse_batch(b'{"batch":[%b]}' % ",".join(events).encode())
    house.keep(judge_batch(batch, Arrival(ACME, *CLOCK.now()), LIMITS).lines)
    load = house.load()
    assert (load.stored, load.rejected) == (len(events), 0)
    return house.rows("SELECT * FROM analytics.bought ORDER BY id")


@pytest.mark.parametrize(
    ("sent", "column", "kept"),
    [
        ('"userId":null,"userId":"alice"', "user_id", "alice"),
        ('"userId":"ghost","userId":"alice"', "user_id", "alice"),
        ('"userId":"alice","properties":{"plan":"free","plan":"pro"}', "plan", "pro"),
        ('"userId":"alice","properties":{"plan":null,"plan":"pro"}', "plan", "pro"),
        ('"userId":"alice","properties":{"plan":{"a":1},"plan":"pro"}', "plan", "pro"),
        ('"userId":"alice","context":{"locale":"de","locale":"fr"}', "context_locale", "fr"),
        ('"userId":"alice","properties":{"n":1},"properties":{"n":2}', "n", 2),
    ],
)
def test_of_a_key_that_comes_twice_the_last_value_counts(
    tmp_path: Path, sent: str, column: str, kept: Any
) -> None:
    doubled = f'{{"type":"track","event":"Bought","messageId":"doubled",{sent}}}'
    first, second = rows(tmp_path, PLAIN, doubled)
    assert first[column] == kept
    assert (second["id"], second["user_id"], second["a"]) == ("plain", "bob", 1)


def test_what_has_each_key_once_stays_as_it_was_sent() -> None:
    text = '{"a": [1.50, {"b": "\\u00e9"}], "c": {}}'
    assert json.loads(with_keys_once(text.encode())) == json.loads(text)
    assert with_keys_once(b"1.50") == b"1.50"
    assert with_keys_once(b'{"a":1.50,"a":{"b":2,"b":3}}') == b'{"a":{"b":3}}'
