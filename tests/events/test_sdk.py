"""The official Python SDK, unchanged but for host and key."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from segment.analytics.client import Client

from tests.events.house import House, start_collector


@pytest.mark.parametrize("gzip", [False, True])
def test_all_six_calls_of_the_real_sdk_arrive_once_and_typed(house: House, gzip: bool) -> None:
    problems: list[Any] = []
    running = start_collector(house.journal_folder)
    try:
        client = Client(
            "alice-key",
            host=running.url,
            gzip=gzip,
            on_error=lambda error, _: problems.append(error),
        )
        called_at = datetime(2026, 3, 4, 12, 0, tzinfo=UTC)
        client.identify("alice", {"email": "alice@acme.example", "age": 41, "born": "1985-02-03"})
        client.track(
            "alice",
            "Pressed Big Button",
            {"price": 9.5, "count": 3, "is_new": True, "tags": ["a"], "odd": float("nan")},
            timestamp=called_at,
        )
        client.group("alice", "acme", {"name": "Acme", "seats": 12})
        client.page("alice", "Docs", "Pricing", {"url": "/pricing"})
        client.screen("alice", "Main", "Start", {"dark": False})
        client.alias("visitor", "alice")
        client.join()
    finally:
        running.kill()
    assert problems == []
    load = house.load()
    assert (load.received, load.stored) == (6, 6)
    assert house.row(
        "SELECT price, count, is_new, tags, user_id, context_library_name, original_timestamp "
        "FROM analytics.pressed_big_button"
    ) == {
        "price": 9.5,
        "count": 3,
        "is_new": True,
        "tags": '["a"]',
        "user_id": "alice",
        "context_library_name": "analytics-python",
        "original_timestamp": called_at.replace(tzinfo=None),
    }
    assert house.row("SELECT id, email, age, born FROM analytics.users") == {
        "id": "alice",
        "email": "alice@acme.example",
        "age": 41,
        "born": datetime(1985, 2, 3),  # noqa: DTZ001 -- the warehouse keeps UTC
    }
    assert house.row("SELECT id, name, seats FROM analytics.accounts") == {
        "id": "acme",
        "name": "Acme",
        "seats": 12,
    }
    assert house.row("SELECT category, name, url FROM analytics.pages") == {
        "category": "Docs",
        "name": "Pricing",
        "url": "/pricing",
    }
    assert house.row("SELECT name, dark FROM analytics.screens") == {"name": "Start", "dark": False}
    assert house.row("SELECT user_id, previous_id FROM analytics.aliases") == {
        "user_id": "alice",
        "previous_id": "visitor",
    }
    assert json.loads(house.value("SELECT _properties FROM analytics.tracks"))["odd"] is None
