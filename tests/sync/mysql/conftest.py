"""A real MariaDB leader and follower, and a small company's database with a reader of it."""

from __future__ import annotations

import fcntl
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.sync.mysql.server import MISSING, PASSWORD, MariaDB, install, is_installed
from turnout import config, sync
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


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty server's files, made once for all workers."""
    if not is_installed():
        pytest.skip(MISSING)
    shared = tmp_path_factory.getbasetemp().parent / "mariadb-template"
    with (shared.with_suffix(".lock")).open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not shared.exists():
            part = shared.with_suffix(".part")
            install(part)
            part.rename(shared)
    return shared


@pytest.fixture(scope="session")
def leader(template: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[MariaDB]:
    server = MariaDB(tmp_path_factory.mktemp("mariadb") / "leader", template)
    server.start()
    yield server
    server.kill()


@pytest.fixture(scope="session")
def follower(
    leader: MariaDB, template: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[MariaDB]:
    server = MariaDB(tmp_path_factory.mktemp("mariadb") / "follower", template, number=2)
    server.start()
    server.follow(leader)
    yield server
    server.kill()


@dataclass(frozen=True)
class Company:
    """Its database, the user that copies from it, and shorthands for both."""

    server: MariaDB
    database: str
    reader: str

    def run(self, *statements: str) -> list[tuple[object, ...]]:
        return self.server.run(*statements, database=self.database)

    def grant(self, tables: dict[str, list[str]] | None = None) -> None:
        selection = sync.selected_tables("app", self.source(tables))
        self.run(*grants(selection, self.reader, self.database))

    def source(
        self,
        tables: dict[str, list[str]] | dict[str, TableSelection] | None = None,
        url: str = "",
        **settings: object,
    ) -> Source:
        """As the reader on the leader, unless `url` says otherwise."""
        selection = {
            name: columns if isinstance(columns, TableSelection) else TableSelection(columns)
            for name, columns in (tables or SELECTED).items()
        }
        settings = {"accept_leader": True, **settings}
        return config.Source(url=url or self.url(), tables=selection, **settings)  # type: ignore[arg-type]

    def url(self, user: str = "", options: str = "") -> str:
        return self.server.url(user or self.reader, self.database, options)


@pytest.fixture
def company(leader: MariaDB) -> Iterator[Company]:
    """The tables above, and a reader who may not read anything yet."""
    name = uuid.uuid4().hex[:12]
    company = Company(leader, f"test_{name}", f"reader_{name}")
    leader.run(
        f"CREATE DATABASE {company.database}",
        f"CREATE USER {company.reader}@'%' IDENTIFIED BY '{PASSWORD}'",
        f"GRANT SLAVE MONITOR ON *.* TO {company.reader}@'%'",
    )
    company.run(*TABLES.split(";"))
    yield company
    leader.run(f"DROP DATABASE {company.database}", f"DROP USER {company.reader}@'%'")
