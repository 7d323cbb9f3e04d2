from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

import pytest

from tests.events.rsgi import Exchange, ask
from turnout import config
from turnout.access.keys import WriteKey
from turnout.events.door.collector import Collector
from turnout.events.journal.journal import Journal
from turnout.events.journal.seen import Seen

MADE_AT = datetime(2026, 11, 21, tzinfo=UTC)


@dataclass
class Paper:
    """A journal that keeps its lines in memory and, like the real one, feeds the index."""

    seen: Seen
    lines: list[bytes] = field(default_factory=list)

    async def append(self, lines: list[bytes], fingerprints: list[int]) -> None:
        self.lines += lines
        self.seen.add(fingerprints)


class Door:
    """A collector without a server, and what it wrote."""

    def __init__(self, folder: Path, *, token: str = "metrics-token", **settings: Any) -> None:
        self.seen = Seen(folder / "seen", b"secret")
        self.paper = Paper(self.seen)
        self.collector = Collector(
            cast("Journal", self.paper),
            config.Collector(**settings),
            self.seen,
            metrics=config.Metrics(token=token),
            browser_folder=folder / "browser",
        )
        self.open()

    def open(self, **fields: Any) -> None:
        """Its one key is `alice-key`, with these fields."""
        key = WriteKey("alice-key", "web", "analytics", MADE_AT, None, **fields)
        self.collector.keys = {"alice-key": key}

    def ask(self, method: str, path: str, **given: Any) -> Exchange:
        return asyncio.run(ask(self.collector, method, path, **given))

    def post(self, path: str, body: Any, **headers: str) -> Exchange:
        """With underscores for the dashes in names of headers."""
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        given = {name.replace("_", "-"): value for name, value in headers.items()}
        return self.ask("POST", path, content=content, headers=given)

    def lines(self) -> list[dict[str, Any]]:
        """What was written since the last look."""
        taken, self.paper.lines = self.paper.lines, []
        assert all(line.endswith(b"\n") and line.count(b"\n") == 1 for line in taken)
        return [json.loads(line) for line in taken]

    def line(self) -> dict[str, Any]:
        [line] = self.lines()
        return line


@pytest.fixture
def make_door(tmp_path: Path) -> Callable[..., Door]:
    return lambda **settings: Door(tmp_path, **settings)


@pytest.fixture
def door(tmp_path: Path) -> Door:
    return Door(tmp_path)
