"""A company's database to copy from: wide rows of seven types, and narrow memberships."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg

from turnout.config import TableSelection
from turnout.demo.cluster import Cluster

WIDE = """
CREATE TABLE wide AS SELECT
    gen_random_uuid() AS uuid, gen_random_uuid() AS company_uuid,
    'name of person number ' || n AS name,
    timestamptz '2020-01-01' + n * interval '1 minute' AS updated_at,
    (n % 1000)::int AS seats, (n % 100000)::numeric(12,2) / 100 AS price,
    jsonb_build_object('plan', 'pro', 'number', n) AS traits, 'x' AS not_selected
FROM generate_series(1, {rows}) AS n;
ALTER TABLE wide ALTER price TYPE numeric(12,2), ADD PRIMARY KEY (uuid);
"""
NARROW = """
CREATE TABLE narrow AS SELECT
    gen_random_uuid() AS person_uuid, gen_random_uuid() AS company_uuid,
    CASE n % 3 WHEN 0 THEN 'admin' ELSE 'member' END AS role, n AS not_selected
FROM generate_series(1, {rows}) AS n;
ALTER TABLE narrow ADD PRIMARY KEY (person_uuid);
"""
COLUMNS = {
    "wide": ["uuid", "company_uuid", "name", "updated_at", "seats", "price", "traits"],
    "narrow": ["person_uuid", "company_uuid", "role"],
}


@contextmanager
def company(folder: Path) -> Iterator[Cluster]:
    """A leader of its own; its follower would only take its share of the machine."""
    with Cluster(folder) as cluster:
        cluster.stop_follower()
        yield cluster


def fill(cluster: Cluster, table: str, rows: int) -> None:
    """Make the table anew with so many rows, as settled as one that has been there for long."""
    with cluster.connect() as connection:
        connection.execute(f"DROP TABLE IF EXISTS {table}")
        statements = {"wide": WIDE, "narrow": NARROW}[table].format(rows=rows)
        connection.execute(statements)
        connection.execute(f"VACUUM (FREEZE, ANALYZE) {table}")
        connection.execute("CHECKPOINT")


def selection(table: str, mode: str = "full") -> TableSelection:
    """The table's columns, copied in this mode."""
    columns = COLUMNS[table]
    return TableSelection(
        columns,
        mode=mode,  # type: ignore[arg-type] # one of the modes there are
        personal=dict.fromkeys(columns, "measured"),
        shrink=True,
    )


def floor_s(url: str, table: str) -> float:
    """The least time there is: PostgreSQL's own binary COPY of these columns, thrown away."""
    names = ", ".join(COLUMNS[table])
    with psycopg.connect(url) as connection:
        began = time.perf_counter()
        statement = f"COPY (SELECT {names} FROM {table}) TO STDOUT (FORMAT binary)"
        with connection.cursor() as cursor, cursor.copy(statement) as copy:
            while copy.read():
                pass
        return time.perf_counter() - began
