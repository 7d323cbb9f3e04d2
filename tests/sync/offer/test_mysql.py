"""Offers for MySQL and MariaDB, where tables have no schema and often declare no keys."""

from __future__ import annotations

import uuid
from collections.abc import Iterator

import pytest

from tests.sync.mysql.server import PASSWORD, MariaDB
from turnout import sync
from turnout.config import Source, TableSelection
from turnout.sync.offer.choice import choose
from turnout.sync.offer.look import look, sampled
from turnout.sync.offer.offer import make_offer
from turnout.warehouse import Warehouse

TABLES = """
CREATE TABLE user (id int unsigned AUTO_INCREMENT PRIMARY KEY, login varchar(40),
    contact varchar(80), status enum('active', 'closed'), created_at datetime);
CREATE TABLE organisation (id int unsigned AUTO_INCREMENT PRIMARY KEY, name varchar(80),
    plan varchar(20), is_trial tinyint(1));
CREATE TABLE organisation_user (organisation_id int unsigned, user_id int unsigned,
    role varchar(20), PRIMARY KEY (organisation_id, user_id));
INSERT INTO user VALUES (1, 'alice', 'alice@acme.example', 'active', '2026-01-01');
INSERT INTO organisation VALUES (1, 'Acme', 'pro', 0);
INSERT INTO organisation_user VALUES (1, 1, 'admin')
"""


@pytest.fixture
def url(mariadb: MariaDB) -> Iterator[str]:
    database = f"offer_{uuid.uuid4().hex[:12]}"
    mariadb.run(
        f"CREATE DATABASE {database}",
        f"CREATE USER {database}@'%' IDENTIFIED BY '{PASSWORD}'",
        f"GRANT SELECT ON {database}.* TO {database}@'%'",
        f"GRANT SLAVE MONITOR ON *.* TO {database}@'%'",
    )
    mariadb.run(*TABLES.split(";"), database=database)
    yield mariadb.url(database, database)
    mariadb.run(f"DROP DATABASE {database}", f"DROP USER {database}@'%'")


def test_a_mariadb_is_understood_and_what_is_offered_can_be_copied(
    url: str, warehouse: Warehouse
) -> None:
    with look("app", Source(url)) as looking:
        offer = make_offer(looking.facts, seen=sampled(looking, looking.facts.tables))
    assert {table.label: table.selected for table in offer.selected} == {
        "organisation": ("id", "name", "plan", "is_trial"),
        "user": ("id", "status", "created_at"),
        "organisation_user": ("organisation_id", "user_id", "role"),
    }
    assert offer.membership
    assert (offer.membership.account, offer.membership.user) == ("organisation_id", "user_id")
    person = offer.part("person")
    assert person
    personal = {column.name: column.personal for column in person.columns if column.personal}
    assert personal["contact"] == "sampled values look like e-mail addresses"
    choice = choose(offer, name="app", url=url, schema="userdata")
    source = Source(
        url,
        accept_leader=True,
        tables={table.label: TableSelection(list(table.columns)) for table in choice.tables},
    )
    assert sync.copy("app", source, warehouse, secret=bytes(32)).rows == 3
