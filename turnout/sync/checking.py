"""Looking at a source without copying anything."""

from __future__ import annotations

from turnout import config
from turnout.sync.opening import open_source
from turnout.sync.selection import selected_tables


def check(name: str, source: config.Source) -> list[str]:
    """What is wrong with the selection or more than needed in the role: sentences."""
    return open_source(name, source).check(selected_tables(name, source))
