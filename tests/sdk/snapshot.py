"""The published snapshot of a running Turnout's warehouse, opened to look at many things."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import duckdb

from tests.running import Turnout


@dataclass(frozen=True)
class Snapshot:
    """What every clip would find."""

    connection: duckdb.DuckDBPyConnection

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        return self.connection.execute(sql).fetchall()


@contextmanager
def snapshot(turnout: Turnout) -> Iterator[Snapshot]:
    """With all that was accepted until now."""
    turnout.wait_loaded()
    paths = turnout.config.follower_folder.glob("follower-*.duckdb")
    newest = max(paths, key=lambda path: int(path.stem.removeprefix("follower-")))
    with duckdb.connect(newest, read_only=True) as connection:
        yield Snapshot(connection)
