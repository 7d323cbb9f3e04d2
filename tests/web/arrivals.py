"""Events for an installation, by the journal and the loader as the collector's would come."""

from __future__ import annotations

import asyncio
import json
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any

from tests.web.installation import Installation
from turnout.events.journal.journal import Journal
from turnout.events.loading.load import Loader


class Arrivals:
    """Brings events into the warehouse of `installation`."""

    def __init__(self, installation: Installation) -> None:
        self._folder = installation.config.journal_folder
        self._lines: list[bytes] = []
        self._count = 0
        self.loader = Loader(self._folder, installation.warehouse)

    def take(
        self,
        type_: str,
        *,
        source: str = "web",
        schema: str = "analytics",
        at: datetime | None = None,
        id_: str = "",
        **event: Any,
    ) -> str:
        """An event as it stands in the journal; its id."""
        id_ = id_ or self._next_id()
        received_at = _text(at)
        self._add(
            id=id_, type=type_, source=source, schema=schema, received_at=received_at, sent_at=None,
            event={"type": type_, "messageId": id_, "timestamp": received_at, **event},
        )  # fmt: skip
        return id_

    def track(self, event: str, user: str = "alice", **values: Any) -> str:
        """A track call; what is no property is named as in `take`."""
        own = {
            name: values.pop(name) for name in ("source", "schema", "at", "id_") if name in values
        }
        return self.take("track", event=event, userId=user, properties=values, **own)

    def refuse(self, reason: str, head: str, *, source: str = "web") -> str:
        """An event that was rejected at the door."""
        id_ = self._next_id()
        self._add(
            id=id_, source=source, schema="analytics", received_at=_text(None), sent_at=None,
            reason=reason, head=head,
        )  # fmt: skip
        return id_

    def repeat(self, id_: str, *, source: str = "web") -> None:
        """An event whose id the door knew already."""
        self._add(
            id=id_, source=source, schema="analytics", received_at=_text(None), duplicate=True
        )

    def load(self) -> None:
        """Into the warehouse with what was taken so far."""
        lines, self._lines = self._lines, []

        async def append() -> None:
            journal = Journal(self._folder, segment_bytes_max=10**7, name="test")
            await journal.append(lines)
            await journal.close()

        # A thread of its own: where a browser is driven, this one has a loop already.
        with ThreadPoolExecutor(1) as thread:
            thread.submit(lambda: asyncio.run(append())).result()
        while self.loader.load() is not None:
            pass

    def _add(self, **line: Any) -> None:
        self._lines.append(json.dumps(line).encode() + b"\n")

    def _next_id(self) -> str:
        self._count += 1
        return f"message-{self._count}"


def _text(moment: datetime | None) -> str:
    moment = moment or datetime.now(UTC)
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"
