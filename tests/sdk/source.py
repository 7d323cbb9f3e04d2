"""A source of a library's own, in a schema of the same name."""

from __future__ import annotations

from typing import Any

from tests.running import Turnout, eventually
from turnout.access.keys import WriteKeys


def new_key(turnout: Turnout, slug: str, **values: Any) -> str:
    """A write key for source and schema `slug` that the running collector knows already."""
    key = WriteKeys(turnout.state).create(slug, slug, **values).key
    eventually("the collector knows the key", lambda: turnout.send([], key=key) == 200)
    return key
