"""A Turnout for the clients of a file, and a source for each, in a schema of the same name."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.running import Turnout, eventually
from turnout.access.keys import WriteKeys


@contextmanager
def opened(folder: Path, **collector: Any) -> Iterator[Turnout]:
    """A running Turnout; `collector` are settings of its door."""
    turnout = Turnout(folder / "home")
    toml = turnout.home / "turnout.toml"
    lines = "".join(f"{name} = {json.dumps(value)}\n" for name, value in collector.items())
    toml.write_text(toml.read_text().replace("[collector]\n", "[collector]\n" + lines))
    try:
        turnout.start()
        yield turnout
    finally:
        turnout.end()


def new_keys(turnout: Turnout, slugs: Iterable[str]) -> dict[str, str]:
    """By slug, a write key for source and schema of that name, known to the running collector."""
    keys = {slug: WriteKeys(turnout.state).create(slug, slug).key for slug in slugs}
    newest = list(keys.values())[-1]
    eventually("the collector knows the keys", lambda: turnout.send([], key=newest) == 200)
    return keys


def new_key(turnout: Turnout, slug: str, **values: Any) -> str:
    """The same for one, of any kind."""
    key = WriteKeys(turnout.state).create(slug, slug, **values).key
    eventually("the collector knows the key", lambda: turnout.send([], key=key) == 200)
    return key
