"""A small company's database on the real leader, and a reader who may see a few columns of it."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg import sql

from turnout import sync
from turnout.config import Source, TableSelection
from turnout.demo.cluster import Cluster
from turnout.warehouse import Warehouse
from turnout.warehouse.duckdb import DuckDB

TABLES = """
CREATE TABLE company (uuid uuid PRIMARY KEY, name text NOT NULL, plan text, seats int);
CREATE TABLE person (
    uuid uuid PRIMARY KEY, email text NOT NULL, full_name text, role text, created_at timestamptz
);
INSERT INTO company VALUES
    ('00000000-0000-4000-8000-00000000000a', 'Acme', 'pro', 20),
    ('00000000-0000-4000-8000-00000000000b', 'Globex', NULL, 5);
INSERT INTO person VALUES
    ('00000000-0000-4000-8000-000000000001', 'alice@acme.example', 'Alice', 'admin', '2026-01-01'),
    ('00000000-0000-4000-8000-000000000002', 'bob@acme.example', 'Bob', '', '2026-01-02'),
    ('00000000-0000-4000-8000-000000000003', 'charlie@globex.example', 'Charlie', NULL, NULL);
"""
SELECTED = {"company": ["uuid", "name", "plan"], "person": ["uuid", "role", "created_at"]}


@dataclass(frozen=True)
class Company:
    """Its database, the role that copies from it, and shorthands for both."""

    cluster: Cluster
    database: str
    reader: str

    def run(self, statements: str) -> None:
        """Run statements on the leader, and wait until the follower has them."""
        with self.cluster.connect(self.database) as connection:
            connection.execute(statements)
        self.cluster.wait_replayed()

    def grant(self, tables: dict[str, list[str]] | None = None) -> None:
        selection = sync.selected_tables("app", self.source(tables))
        self.run(" ".join(sync.grants(selection, self.reader)))

    def source(self, tables: dict[str, list[str]] | None = None, url: str = "") -> Source:
        """As the reader on the follower, unless `url` says otherwise."""
        selection = {
            name: TableSelection(columns) for name, columns in (tables or SELECTED).items()
        }
        return Source(url=url or self.follower_url(self.reader), tables=selection, retries=0)

    def leader_url(self, user: str = "postgres") -> str:
        return self.cluster.leader_url(user, self.database)

    def follower_url(self, user: str = "postgres") -> str:
        return self.cluster.follower_url(user, self.database)


@pytest.fixture
def company(cluster: Cluster, database: str) -> Iterator[Company]:
    """The tables above, and a reader who may not read anything yet."""
    company = Company(cluster, database, f"reader_{uuid.uuid4().hex[:12]}")
    cluster.create_role(company.reader)
    company.run(TABLES)
    yield company
    role = sql.Identifier(company.reader)
    with cluster.connect(database) as connection:
        connection.execute(sql.SQL("DROP OWNED BY {}").format(role))
        connection.execute(sql.SQL("DROP ROLE {}").format(role))


@pytest.fixture
def warehouse(tmp_path: Path) -> Iterator[Warehouse]:
    path = tmp_path / "warehouse.duckdb"
    warehouse = DuckDB(path, memory_bytes_max=512 * 1024**2, threads=2)
    yield warehouse
    warehouse.close()


def terminate(company: Company) -> None:
    """End every session of the reader on the follower, as a restart or a network would."""
    with psycopg.connect(company.follower_url(), autocommit=True) as connection:
        connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = %s",
            [company.reader],
        )


@pytest.fixture
def cut(company: Company) -> Any:
    """Called, it cuts the reader's connections."""
    return lambda: terminate(company)
