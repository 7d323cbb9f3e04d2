"""Only what is named leaves: proved by the role, by the server's own log, and by the warehouse."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg import sql

from turnout import sync
from turnout.warehouse import Warehouse
from turnout.warehouse.duckdb import DuckDB

SECRET = b"s" * 32
SECRETS = ("alice@acme.example", "bob@acme.example", "charlie@globex.example", "Charlie")


def test_the_copying_role_could_not_read_an_unselected_column(
    company: Any, warehouse: Warehouse
) -> None:
    company.grant()
    with psycopg.connect(company.follower_url(company.reader), autocommit=True) as connection:
        for question in (
            "SELECT email FROM person",
            "SELECT * FROM person",
            "SELECT uuid FROM person WHERE email LIKE 'a%'",
            "SELECT count(full_name) FROM person",
        ):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                connection.execute(question)
    assert sync.copy("app", company.source(), warehouse, secret=SECRET).rows == 5


def test_no_statement_the_server_sees_names_an_unselected_column(
    company: Any, warehouse: Warehouse
) -> None:
    company.grant()
    with company.cluster.connect(company.database) as connection:
        logged = sql.SQL("ALTER ROLE {} SET log_statement = 'all'")
        connection.execute(logged.format(sql.Identifier(company.reader)))
    company.cluster.wait_replayed()
    log = company.cluster.folder / "follower.log"
    position = log.stat().st_size
    sync.copy("app", company.source(), warehouse, secret=SECRET)
    sync.check("app", company.source())
    with log.open("rb") as file:
        file.seek(position)
        said = file.read().decode()
    # It did log what was read …
    assert 'AS "plan"' in said
    assert "COPY (SELECT" in said
    # … and nothing of what was not selected, nor everything at once.
    for word in ("email", "full_name", "seats", "SELECT *", ".*"):
        assert word not in said


def test_no_byte_of_an_unselected_value_reaches_our_disk(company: Any, tmp_path: Path) -> None:
    company.grant()
    folder = tmp_path / "home"
    warehouse = DuckDB(folder / "w.duckdb", memory_bytes_max=512 * 1024**2, threads=2)
    sync.copy("app", company.source(), warehouse, secret=SECRET)
    warehouse.close()
    kept = b"".join(path.read_bytes() for path in folder.rglob("*") if path.is_file())
    assert b"Acme" in kept
    for secret in SECRETS:
        assert secret.encode() not in kept


def test_a_column_added_at_the_source_is_not_copied(company: Any, warehouse: Warehouse) -> None:
    company.grant()
    company.run("ALTER TABLE company ADD COLUMN phone text DEFAULT '+1 555 0100'")
    sync.copy("app", company.source(), warehouse, secret=SECRET)
    assert [column.name for column in warehouse.tables("userdata")[0].columns] == [
        "uuid",
        "name",
        "plan",
    ]
