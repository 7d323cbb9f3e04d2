"""Databases that somebody has looked at and not connected yet, with the password they gave.

They are kept in memory for a while, for the browser that gave them and nobody else: no page ever
holds a password.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from turnout.errors import NotFound
from turnout.sync.facts import ServerFacts, TableFacts

KEPT_FOR = timedelta(minutes=30)
KEPT_MAX = 16


@dataclass(frozen=True, slots=True)
class Looked:
    """What was seen, and how it was reached. `url` has no password; `password` is a secret."""

    name: str
    url: str
    password: str
    facts: ServerFacts
    seen: Mapping[TableFacts, Mapping[str, str]]
    browser: str
    at: datetime
    # Of a source that is copied already, its columns by the label of their table, and how
    # turnout.toml writes that label.
    selected: Mapping[str, Sequence[str]] | None = None
    written: Mapping[str, str] = field(default_factory=dict)


class Lookings:
    """The looks of this process; the oldest makes room."""

    def __init__(self) -> None:
        self._looked: dict[str, Looked] = {}

    def keep(self, looked: Looked) -> str:
        """What it is found by."""
        token = secrets.token_urlsafe(12)
        self._looked[token] = looked
        for old in list(self._looked)[:-KEPT_MAX]:
            del self._looked[old]
        return token

    def find(self, token: str, browser: str, now: datetime) -> Looked:
        """The look of this browser. Raises `NotFound` when there is none, or no more."""
        looked = self._looked.get(token)
        if looked is None or looked.browser != browser or now - looked.at > KEPT_FOR:
            self._looked.pop(token, None)
            raise NotFound(
                "What was seen of this database is not kept any more.",
                hint="Connect it again: Sources, Copy from a database.",
            )
        return looked

    def forget(self, token: str) -> None:
        """It is connected: the password is in its file."""
        self._looked.pop(token, None)
