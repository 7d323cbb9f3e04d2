from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import psycopg
import pytest
from psycopg import sql

from turnout.demo import database
from turnout.demo.cluster import Cluster
from turnout.demo.rows import COLUMNS, SELECTION, rows_at
from turnout.demo.world import World

NAME = "pretend"


@pytest.fixture(scope="module")
def product(cluster: Cluster, world: World) -> Iterator[database.Connection]:
    """A database of our own on the shared leader, filled with the small world."""
    cluster.create_role(database.READER)
    with cluster.connect("postgres") as admin:
        admin.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(NAME)))
    with cluster.connect(NAME) as connection:
        assert not database.is_filled(connection)
        database.fill(connection, world, world.history_end)
        yield connection


def rows_of(connection: database.Connection, table: str) -> set[tuple[object, ...]]:
    query = sql.SQL("SELECT {} FROM {}").format(
        sql.SQL(", ").join(map(sql.Identifier, COLUMNS[table])), sql.Identifier(table)
    )
    return set(connection.execute(query).fetchall())


def test_filling_puts_every_row_of_that_instant_into_real_tables(
    product: database.Connection, world: World
) -> None:
    assert database.is_filled(product)
    for table, rows in rows_at(world, world.history_end).items():
        assert rows_of(product, table) == set(rows)


def test_catching_up_brings_the_tables_to_a_later_instant_and_may_be_repeated(
    product: database.Connection, world: World
) -> None:
    since, until = world.history_end, world.history_end + timedelta(days=20)
    assert database.catch_up(product, world, since, until) > 0
    database.catch_up(product, world, since, until)
    for table, rows in rows_at(world, until).items():
        assert rows_of(product, table) == set(rows)


def test_the_reader_reads_every_selected_column_on_the_follower(
    product: database.Connection, cluster: Cluster
) -> None:
    cluster.wait_replayed()
    with psycopg.connect(cluster.follower_url(database.READER, NAME)) as reader:
        for table, columns in SELECTION.items():
            query = sql.SQL("SELECT {} FROM {}").format(
                sql.SQL(", ").join(map(sql.Identifier, columns)), sql.Identifier(table)
            )
            assert reader.execute(query).fetchone()


@pytest.mark.parametrize("query", ["SELECT email FROM person", "SELECT full_name FROM person",
                                   "SELECT * FROM person", "SELECT settings FROM person",
                                   "SELECT person FROM person"])  # fmt: skip
def test_the_reader_cannot_read_a_persons_name_or_address_in_any_way(
    product: database.Connection, cluster: Cluster, query: str
) -> None:
    cluster.wait_replayed()
    with (
        psycopg.connect(cluster.follower_url(database.READER, NAME)) as reader,
        pytest.raises(psycopg.errors.InsufficientPrivilege),
    ):
        reader.execute(query)


def test_the_reader_cannot_write(product: database.Connection, cluster: Cluster) -> None:
    with (
        psycopg.connect(cluster.leader_url(database.READER, NAME)) as reader,
        pytest.raises(psycopg.errors.InsufficientPrivilege),
    ):
        reader.execute("UPDATE company SET name = 'Acme'")
