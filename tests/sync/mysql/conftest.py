"""A small company's database on a real MariaDB, and a reader who may see a few columns of it."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from tests.sync.mysql.server import PASSWORD, MariaDB
from turnout import sync
from turnout.config import Source, TableSelection
from turnout.sync.mysql.grants import grants

TABLES = """
CREATE TABLE company (uuid char(36) PRIMARY KEY, name text NOT NULL, plan text, seats int);
CREATE TABLE person (
    uuid char(36) PRIMARY KEY, email text NOT NULL, full_name text, role varchar(20),
    created_at datetime(6)
);
INSERT INTO company VALUES ('a', 'Acme', 'pro', 20), ('b', 'Globex', NULL, 5);
INSERT INTO person VALUES
    ('1', 'alice@acme.example', 'Alice', 'admin', '2026-01-01'),
    ('2', 'bob@acme.example', 'Bob', '', '2026-01-02'),
    ('3', 'charlie@globex.example', 'Charlie', NULL, NULL)
"""
SELECTED = {"company": ["uuid", "name", "plan"], "person": ["uuid", "role", "created_at"]}


def selected(columns: list[str]) -> TableSelection:
    personal = {name: "a company's" for name in columns if name == "name"}
    return TableSelection(columns, personal=personal)


@dataclass(frozen=True)
class Company:
    """Its database, the user that copies from it, and shorthands for both."""

    server: MariaDB
    database: str
    reader: str

    def run(self, *statements: str) -> list[tuple[Any, ...]]:
        return self.server.run(*statements, database=self.database)

    def grant(self, tables: dict[str, Any] | None = None) -> None:
        selection = sync.selected_tables("app", self.source(tables))
        self.run(*grants(selection, self.reader, self.database))

    def source(
        self, tables: dict[str, Any] | None = None, url: str = "", **settings: Any
    ) -> Source:
        """As the reader on the leader, unless `url` says otherwise."""
        selection = {
            table: columns if isinstance(columns, TableSelection) else selected(columns)
            for table, columns in (tables or SELECTED).items()
        }
        accepted = {"accept_leader": True, "retries": 0, **settings}
        return Source(url=url or self.url(), tables=selection, **accepted)

    def url(self, user: str = "", options: str = "") -> str:
        return self.server.url(user or self.reader, self.database, options)


@pytest.fixture
def company(mariadb: MariaDB) -> Iterator[Company]:
    """The tables above, and a reader who may not read anything yet."""
    name = uuid.uuid4().hex[:12]
    company = Company(mariadb, f"test_{name}", f"reader_{name}")
    mariadb.run(
        f"CREATE DATABASE {company.database}",
        f"CREATE USER {company.reader}@'%' IDENTIFIED BY '{PASSWORD}'",
        f"GRANT SLAVE MONITOR ON *.* TO {company.reader}@'%'",
    )
    company.run(*TABLES.split(";"))
    yield company
    mariadb.run(f"DROP DATABASE {company.database}", f"DROP USER {company.reader}@'%'")
