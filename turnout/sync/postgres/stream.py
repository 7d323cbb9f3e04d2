"""The door to PostgreSQL's changes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import psycopg

from turnout import config
from turnout.errors import SourceRefused
from turnout.sync.selection import SelectedTable
from turnout.sync.source import ChangeStream


def open_stream(
    name: str,
    source: config.Source,
    connect: Callable[[], psycopg.Connection[Any]],
    selection: Sequence[SelectedTable],
) -> ChangeStream:
    """The change stream of the source `name`; `connect` gives a connection of its session."""
    raise SourceRefused(f"The source '{name}' cannot be followed yet: copy it in another mode.")
