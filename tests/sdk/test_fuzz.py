"""Whatever a program hands to the real Python library: no value of it disappears."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from segment.analytics.client import Client

from tests.events.house import House, RunningCollector, start_collector

WORDS = st.sampled_from(
    ["price", "Price", "id", "order", "userId", "_x", "日本語", "🎉", "a.b", ""]
)
# A character-indexed object becomes the string it was.
KEYS = WORDS | st.text(max_size=8).filter(lambda key: not key.isdigit())
# Neither is text to a warehouse.
BROKEN = re.compile("[\x00\ud800-\udfff]")
TEXTS = st.text(max_size=12) | st.sampled_from(
    [
        "2026-03-04",
        "2026-02-30",
        "12",
        "1e5",
        "true",
        "NaN",
        "\x00",
        "\ud800",
        "a\nb",
        "2026-03-04T12:00:00Z",
    ]
)
NUMBERS = st.integers() | st.integers(2**60, 2**90) | st.floats(allow_nan=True)
LEAVES = st.none() | st.booleans() | NUMBERS | TEXTS
VALUES = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3),
    max_leaves=6,
)
PAYLOADS = st.lists(st.dictionaries(KEYS, VALUES, max_size=5), min_size=1, max_size=12)


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    house = House(tmp_path)
    yield house
    house.loader.close()
    house.warehouse.close()


@pytest.fixture
def collector(house: House) -> Iterator[RunningCollector]:
    running = start_collector(house.journal_folder)
    yield running
    running.kill()


# One house for all examples: that values of one meet columns of another is half the point.
@settings(
    max_examples=15,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
    # Each try is a load: what fails is looked at as it is.
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
)
@given(payloads=PAYLOADS)
def test_every_value_is_in_a_column_or_rescued(
    payloads: list[dict[str, Any]], house: House, collector: RunningCollector
) -> None:
    problems: list[Any] = []
    client = Client(
        "alice-key", host=collector.url, on_error=lambda error, _: problems.append(error)
    )
    ids = []
    for number, properties in enumerate(payloads):
        kept, message = client.track("alice", "Fuzzed", {"n": number, "all": properties})
        assert kept
        ids.append(message["messageId"])
    client.join()
    assert problems == []
    load = house.load()
    assert (load.received, load.stored) == (len(payloads), len(payloads))
    for id_, properties in zip(ids, payloads, strict=True):
        [row] = house.rows(f"SELECT * FROM analytics.fuzzed WHERE id = '{id_}'")
        missing = leaves(as_sent(properties)) - kept_in(row)
        assert not missing, (properties, row)


def as_sent(properties: dict[str, Any]) -> Any:
    """What the library's JSON says, mended as the door mends it."""
    return mended(json.loads(json.dumps(properties), parse_constant=lambda _: None))


def mended(value: Any) -> Any:
    if isinstance(value, dict):
        return {mended(name): mended(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [mended(inner) for inner in value]
    return BROKEN.sub("\ufffd", value) if isinstance(value, str) else value


def leaves(value: Any) -> set[str]:
    """Every value in its spelling; an array is one value."""
    if isinstance(value, dict):
        return set().union(*(leaves(inner) for inner in value.values()))
    spelled = spelling(value)
    return {spelled} if spelled else set()


def kept_in(row: dict[str, Any]) -> set[str]:
    """Every value that the row holds, in its columns or in what was rescued."""
    rescued = json.loads(row.pop("_rescued") or "{}", parse_constant=lambda _: None)
    return leaves(rescued) | {spelling(value) for value in row.values()}


def spelling(value: Any) -> str:
    """One spelling for what is the same as text, number, time or JSON; "" for nothing."""
    if value is None or (isinstance(value, float) and not math.isfinite(value)):
        return ""
    if isinstance(value, list):
        return json.dumps(value)
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, str):
        return _text_spelling(value)
    return _text_spelling(json.dumps(value))


def _text_spelling(text: str) -> str:
    for read in (int, _number, _time, _array):
        try:
            return str(read(text))
        except (ValueError, OverflowError):
            continue
    return text


def _number(text: str) -> float:
    """A column of integers becomes one of floats when a fraction comes."""
    number = float(text)
    return int(number) if number.is_integer() else number


def _time(text: str) -> str:
    at = datetime.fromisoformat(text)
    return (at.astimezone(UTC) if at.tzinfo else at).replace(tzinfo=None).isoformat()


def _array(text: str) -> str:
    if not text.startswith("["):
        raise ValueError
    return json.dumps(json.loads(text))
