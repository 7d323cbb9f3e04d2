"""A source whose settings a test changes, and a run of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest

from turnout import sync
from turnout.config import Source, TableSelection
from turnout.demo.cluster import Cluster
from turnout.warehouse import Warehouse

SECRET = b"s" * 32
TABLES = """
DROP TABLE IF EXISTS member, company;
CREATE TABLE company (uuid uuid PRIMARY KEY, name text NOT NULL, plan text, seats int);
INSERT INTO company VALUES
    ('00000000-0000-4000-8000-00000000000a', 'Acme', 'pro', 20),
    ('00000000-0000-4000-8000-00000000000b', 'Globex', NULL, 5);
CREATE TABLE member (
    id int PRIMARY KEY, role text, seats int, updated_at timestamptz DEFAULT now()
);
CREATE INDEX ON member (updated_at);
INSERT INTO member SELECT n, 'user', n FROM generate_series(1, 10) AS n;
"""
COLUMNS = ["id", "role", "seats", "updated_at"]


@dataclass
class Copying:
    """Copies the table `member`, and others where they are named, from the leader."""

    cluster: Cluster
    database: str
    warehouse: Warehouse
    tables: dict[str, TableSelection] = field(default_factory=dict)

    def source(self, **settings: Any) -> Source:
        usual = {
            "url": self.cluster.leader_url(database=self.database),
            "tables": self.tables,
            "accept_leader": True,
            "retries": 0,
        }
        return Source(**{**usual, **settings})

    def select(
        self, name: str = "member", columns: list[str] | None = None, **settings: Any
    ) -> None:
        self.tables[name] = TableSelection(columns or COLUMNS, **settings)

    def run(self, settings: Mapping[str, Any] | None = None, **options: Any) -> sync.Run:
        return sync.copy(
            "app", self.source(**(settings or {})), self.warehouse, secret=SECRET, **options
        )

    def does(self, statements: str) -> None:
        with self.cluster.connect(self.database) as connection:
            connection.execute(statements)

    def rows(self, table: str = "member", columns: str = "*") -> list[tuple[Any, ...]]:
        answer = self.warehouse.query(f"SELECT {columns} FROM userdata.{table} ORDER BY 1, 2")
        return [tuple(row.values()) for row in answer.to_pylist()]

    def ids(self) -> list[int]:
        return [row[0] for row in self.rows(columns="id, 1")]

    def state(self, table: str = "member") -> dict[str, Any]:
        answer = self.warehouse.query(
            "SELECT * FROM _turnout.sync_tables WHERE table_name = ?", [table]
        )
        (row,) = answer.to_pylist()
        return dict(row)


@pytest.fixture(scope="session")
def shared_database(cluster: Cluster) -> str:
    """A database on the leader for all tests of copying: making one for each takes longer."""
    with cluster.connect("postgres") as connection:
        connection.execute("CREATE DATABASE copying")
    return "copying"


@pytest.fixture
def copying(cluster: Cluster, shared_database: str, warehouse: Warehouse) -> Copying:
    """The tables above, as they are there, and nothing copied yet."""
    copying = Copying(cluster, shared_database, warehouse)
    copying.does(TABLES)
    return copying
