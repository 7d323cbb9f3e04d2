"""Reading a PostgreSQL as a copy does, without a warehouse."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from turnout.config import Source, TableSelection
from turnout.sync.postgres.database import Postgres
from turnout.sync.postgres.snapshot import PostgresSnapshot
from turnout.sync.selection import selected_tables
from turnout.sync.source import WHOLE, Instant, Part


class Reader:
    """One source and its selection, as the administrator unless `url` says otherwise."""

    def __init__(self, url: str, tables: dict[str, Any], **settings: Any) -> None:
        selections = {
            name: said if isinstance(said, TableSelection) else TableSelection(said)
            for name, said in tables.items()
        }
        self.source = Source(url=url, tables=selections, **settings)
        self.selection = selected_tables("app", self.source)

    def check(self) -> list[str]:
        return Postgres("app", self.source).check(self.selection)

    @contextmanager
    def snapshot(self, after: Instant | None = None) -> Iterator[PostgresSnapshot]:
        with Postgres("app", self.source).snapshot(self.selection, after) as snapshot:
            yield snapshot

    def rows(self, part: Part = WHOLE) -> list[tuple[Any, ...]]:
        """The rows of the first table, in order."""
        with self.snapshot() as snapshot:
            return rows(snapshot, part)


def rows(snapshot: PostgresSnapshot, part: Part = WHOLE) -> list[tuple[Any, ...]]:
    found: list[tuple[Any, ...]] = []
    for batch in snapshot.rows(snapshot.tables[0], part):
        found += [tuple(row.values()) for row in batch.to_pylist()]
    return sorted(found, key=repr)


@pytest.fixture
def read_rows() -> Callable[..., list[tuple[Any, ...]]]:
    return rows


@pytest.fixture
def reader() -> type[Reader]:
    """`reader(url, tables, **settings)`, where the two below are not enough."""
    return Reader


@pytest.fixture(scope="module")
def shared(cluster: Any) -> Iterator[str]:
    """A database for a whole file of tests: making one takes longer than most of them."""
    name = f"reading_{uuid.uuid4().hex[:12]}"
    with cluster.connect("postgres") as connection:
        connection.execute(f"CREATE DATABASE {name}")
        yield name
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def run(cluster: Any, shared: str) -> Iterator[Callable[[str], Any]]:
    """Statements of the application, on the leader; what it made is gone afterwards."""
    with cluster.connect(shared) as connection:
        yield connection.execute
        connection.execute(
            'DROP SCHEMA public CASCADE; CREATE SCHEMA public; DROP SCHEMA IF EXISTS "Odd" CASCADE'
        )


@pytest.fixture
def application(cluster: Any, shared: str) -> Iterator[Any]:
    """A second connection of the application."""
    with cluster.connect(shared) as connection:
        yield connection


@pytest.fixture
def leader(cluster: Any, shared: str) -> Callable[..., Reader]:
    """`leader(tables, **settings)` reads them from the leader."""

    def reader(tables: dict[str, Any], **settings: Any) -> Reader:
        return Reader(cluster.leader_url(database=shared), tables, **settings)

    return reader


@pytest.fixture
def follower(cluster: Any, shared: str) -> Callable[..., Reader]:
    """The same from the follower, once it has replayed everything."""

    def reader(tables: dict[str, Any], **settings: Any) -> Reader:
        cluster.wait_replayed()
        return Reader(cluster.follower_url(database=shared), tables, **settings)

    return reader
