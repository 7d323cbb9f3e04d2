"""A test event: sent from here through the collector's own door, as any SDK would."""

from __future__ import annotations

import base64
import http.client
import json
import uuid
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

from turnout.access.keys import WriteKey
from turnout.config import Collector
from turnout.errors import JournalUnavailable

EVENT = "Test Event"
TIMEOUT_S = 5.0
ACCEPTED = 200


def send_test_event(settings: Collector, key: WriteKey, user: str, *, now: datetime) -> str:
    """Send a track call with `key` for `user`; its messageId.

    Raises `JournalUnavailable` with what the collector said, when that was not yes.
    """
    # Whoever waits for it can tell by its id since when.
    id_ = f"test-{uuid.uuid4().hex[:12]}-{int(now.timestamp() * 1000)}"
    event = {
        "messageId": id_,
        "userId": user,
        "event": EVENT,
        "properties": {"sent_from": "Turnout", "number": 1},
        "timestamp": now.isoformat(),
        "sentAt": now.isoformat(),
    }
    headers = {
        "Content-Type": "application/json",
        "Authorization": "Basic " + base64.b64encode(f"{key.key}:".encode()).decode(),
        # A key for browsers may be bound to pages: it is sent as from the first of them.
        **({"Origin": key.origins[0]} if key.origins else {}),
    }
    _post(settings, json.dumps(event).encode(), headers)
    return id_


def _post(settings: Collector, body: bytes, headers: dict[str, str]) -> None:
    # The collector listens beside us; only when it runs elsewhere is its public address asked.
    places = [f"http://{_reachable(settings.host)}:{settings.port}"]
    if settings.public_url:
        places.append(settings.url)
    problem = ""
    for place in places:
        try:
            status, answer = _ask(place, body, headers)
        except (OSError, http.client.HTTPException) as error:
            problem = f"{place} cannot be reached: {type(error).__name__}."
            continue
        if status == ACCEPTED:
            return
        raise JournalUnavailable(f"The collector answered {status}: {_said(answer)}")
    raise JournalUnavailable(
        f"The collector does not answer. {problem}",
        hint="Look whether 'turnout serve' runs its collector, and at its log.",
    )


def _reachable(host: str) -> str:
    """An address to reach a server by that listens on `host`."""
    if host in ("", "0.0.0.0"):  # noqa: S104 - compared, not listened on
        return "127.0.0.1"
    return f"[{'::1' if host == '::' else host}]" if ":" in host else host


def _ask(place: str, body: bytes, headers: dict[str, str]) -> tuple[int, bytes]:
    parts = urlsplit(place)
    kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    connection = kind(parts.netloc, timeout=TIMEOUT_S)
    try:
        connection.request("POST", f"{parts.path.rstrip('/')}/v1/track", body, headers)
        answer = connection.getresponse()
        return answer.status, answer.read(4096)
    finally:
        connection.close()


def _said(answer: bytes) -> str:
    try:
        said: Any = json.loads(answer)
        return str(said["error"])
    except (ValueError, KeyError, TypeError):
        return "nothing that can be read."
