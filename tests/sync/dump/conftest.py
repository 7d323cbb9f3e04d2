"""A database with odd names, partitions and views, dumped by the real pg_dump in every form."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from psycopg import sql

from turnout.config import TableSelection
from turnout.demo.cluster import Cluster
from turnout.demo.postmaster import programs_of
from turnout.sync.dump.dump import Dump
from turnout.sync.selection import SelectedTable

ODD = 'Ein "Name", der; ( fast )'
DATABASE = "to_dump"
# Marked: nobody selects it, so it may be found nowhere.
SECRET = "secret-of-nobody"
DEFINITIONS = f"""
CREATE SCHEMA billing;
CREATE TABLE company (
    uuid uuid PRIMARY KEY,
    name text DEFAULT 'a, b); COPY x (y) FROM stdin;
CREATE TABLE company (not_this int);' NOT NULL,
    secret text DEFAULT '{SECRET}',
    plan text,
    seats numeric(6,2),
    twice numeric GENERATED ALWAYS AS (seats * 2) STORED
);
INSERT INTO company (uuid, name, plan, seats) VALUES
    ('00000000-0000-4000-8000-00000000000a', 'Acme', 'pro', 20),
    ('00000000-0000-4000-8000-00000000000b', E'Glo\\\\bex\\n\\t"x"', NULL, 5.5);
CREATE TABLE billing."{ODD.replace('"', '""')}" ("from" int PRIMARY KEY, "Wert" text);
INSERT INTO billing."{ODD.replace('"', '""')}" VALUES (1, ''), (2, '\\N'), (3, NULL), (4, '\\.');
CREATE TABLE measured (at date, number int) PARTITION BY RANGE (at);
CREATE TABLE measured_old (number int, at date);
ALTER TABLE measured ATTACH PARTITION measured_old FOR VALUES FROM ('2025-01-01') TO ('2026-01-01');
CREATE TABLE measured_new PARTITION OF measured
    FOR VALUES FROM ('2026-01-01') TO ('2027-01-01') PARTITION BY LIST (number);
CREATE TABLE measured_1 PARTITION OF measured_new FOR VALUES IN (1);
CREATE TABLE measured_2 PARTITION OF measured_new FOR VALUES IN (2);
INSERT INTO measured VALUES ('2025-05-05', 7), ('2026-06-06', 1), ('2026-07-07', 2);
CREATE TABLE none_yet (at date) PARTITION BY RANGE (at);
CREATE TABLE empty (id int PRIMARY KEY, word text);
CREATE TABLE words (word text);
INSERT INTO words VALUES (''), ('one'), (''), (NULL), ('\\');
CREATE VIEW paying AS SELECT uuid FROM company WHERE plan IS NOT NULL;
CREATE FUNCTION noise() RETURNS int LANGUAGE plpgsql AS $body$
BEGIN
CREATE TABLE company (noise int);
INSERT INTO company VALUES (1);
RETURN 1;
END $body$;
"""
FORMS = {
    "custom": ["--format=custom"],
    "custom without compression": ["--format=custom", "--compress=0"],
    "directory": ["--format=directory"],
    "plain": ["--format=plain"],
    "plain gzip": ["--format=plain", "--compress=gzip"],
}

PgDump = Callable[..., Path]


@pytest.fixture(scope="session")
def to_dump(cluster: Cluster) -> str:
    with cluster.connect("postgres") as connection:
        connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(DATABASE)))
    with cluster.connect(DATABASE) as there:
        there.execute(DEFINITIONS)
    # It goes with its server, which other tests may crash meanwhile: nothing is held open here.
    return cluster.leader_url(database=DATABASE)


@pytest.fixture(scope="session")
def pg_dump(to_dump: str, tmp_path_factory: pytest.TempPathFactory) -> PgDump:
    """Runs the real one with the arguments given; where it wrote."""

    def run(*arguments: str, name: str = "app.dump", url: str = to_dump) -> Path:
        path = tmp_path_factory.mktemp("dump") / name
        program = programs_of(18) / "pg_dump"
        subprocess.run([program, "-d", url, "-f", path, *arguments], check=True)
        return path

    return run


@pytest.fixture(scope="session")
def dumps(pg_dump: PgDump) -> dict[str, Path]:
    """The database in every form."""
    return {
        form: pg_dump(*arguments, name="app.sql.gz" if "gzip" in form else "app")
        for form, arguments in FORMS.items()
    }


def selected(name: str, *columns: str, schema: str = "public", **settings: Any) -> SelectedTable:
    return SelectedTable(schema, name, columns, TableSelection(list(columns), **settings))


def read(
    files: Path | Sequence[Path], chosen: SelectedTable, **options: Any
) -> tuple[pa.Table, dict[str, int]]:
    """One table's rows, and what was lost of them. A problem fails the test."""
    paths = [files] if isinstance(files, Path) else files
    with Dump(paths, **options).snapshot([chosen]) as snapshot:
        assert not snapshot.problems
        rows = snapshot.rows(snapshot.tables[0])
        return pa.Table.from_batches(list(rows), rows.schema), rows.lost


def problem(files: Path | Sequence[Path], table: SelectedTable, **options: Any) -> str:
    """The sentence that says why the table cannot be read."""
    paths = [files] if isinstance(files, Path) else files
    with Dump(paths, **options).snapshot([table]) as snapshot:
        assert snapshot.tables == []
        return snapshot.problems[table]
