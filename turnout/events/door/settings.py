"""What SDKs ask before they start: where to send, by which protocol."""

from __future__ import annotations

import re

import msgspec

from turnout.events.door import answer
from turnout.events.door.answer import Answer

# A Host header goes into an answer that caches may keep, so only a plain one does.
HOST = re.compile(r"[A-Za-z0-9._-]+(:\d{1,5})?|\[[0-9a-fA-F:.]+\](:\d{1,5})?")
# Of what the browser library counts about itself, so much is sent; over plain http it would
# still use https.
SAMPLE_RATE = 0.1


def settings(key: str, place: str, scheme: str) -> Answer:
    """For the holder of `key`: send to `place` (a host, perhaps with a path) by `scheme`."""
    api_host = f"{place}/v1"
    body = {
        "integrations": {
            "Segment.io": {
                "apiKey": key,
                "apiHost": api_host,
                "protocol": scheme,
                "addBundledMetadata": False,
            }
        },
        # Without this, browsers would send their metrics to Segment.
        "metrics": {"host": api_host, "sampleRate": SAMPLE_RATE if scheme == "https" else 0},
    }
    return Answer(
        200, msgspec.json.encode(body), [answer.JSON, answer.FIVE_MINUTES, answer.BY_ORIGIN]
    )
