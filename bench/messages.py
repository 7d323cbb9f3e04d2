"""Track calls as a server-side SDK sends them: 20 events of 10 properties, the same every run."""

from __future__ import annotations

import random
import uuid
from typing import Any

EVENTS = 20
PROPERTIES = 10
TEXTS = [f"text number {number}" for number in range(100)]


def track_calls(count: int, seed: int = 1) -> list[dict[str, Any]]:
    """`count` messages with ids of their own."""
    chance = random.Random(seed)
    return [_track_call(chance) for _ in range(count)]


def _track_call(chance: random.Random) -> dict[str, Any]:
    number = chance.randrange(EVENTS)
    return {
        "type": "track",
        "event": f"Event Number {number}",
        "messageId": str(uuid.UUID(int=chance.getrandbits(128), version=4)),
        "userId": f"user-{chance.randrange(5000)}",
        "anonymousId": str(uuid.UUID(int=chance.getrandbits(128), version=4)),
        "timestamp": f"2026-11-{1 + chance.randrange(20):02d}T10:00:00.250Z",
        "context": {"library": {"name": "analytics-python", "version": "2.4.0"}},
        "integrations": {},
        "properties": {
            f"property_{place}_{number}": _value(place, chance) for place in range(PROPERTIES)
        },
    }


def _value(place: int, chance: random.Random) -> object:
    kinds = (
        lambda: chance.randrange(1_000_000),
        lambda: round(chance.random() * 100, 2),
        lambda: chance.choice(TEXTS),
        lambda: chance.choice([True, False]),
        lambda: f"2026-01-{1 + chance.randrange(28):02d}T00:00:00Z",
    )
    return kinds[place % len(kinds)]()
