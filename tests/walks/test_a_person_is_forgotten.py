"""A person is forgotten while everything runs: copies, events, answers; and stays forgotten."""

from __future__ import annotations

import subprocess
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from psycopg import sql

from tests.running import Turnout
from turnout.demo.cluster import Cluster
from turnout.state.table import job_request
from turnout.sync.privacy.keyed import Keyed

ALICE = "00000000-0000-4000-8000-0000000a11ce"
BOB = "00000000-0000-4000-8000-000000000b0b"
TOWN = "Zzyzx-on-Sea"


@pytest.fixture
def turnout(tmp_path: Path, cluster: Cluster, database: str) -> Iterator[Turnout]:
    """Copies two tables each second; in one of them the person is hashed."""
    reader = f"reader_{uuid.uuid4().hex[:12]}"
    cluster.create_role(reader)
    with cluster.connect(database) as connection:
        connection.execute(
            f"CREATE TABLE person (uuid uuid PRIMARY KEY, city text);"
            f"CREATE TABLE seat (person uuid PRIMARY KEY, role text);"
            f"INSERT INTO person VALUES ('{ALICE}', '{TOWN}'), ('{BOB}', 'York');"
            f"INSERT INTO seat VALUES ('{ALICE}', 'queen of {TOWN}'), ('{BOB}', 'admin');"
            f"GRANT SELECT ON person, seat TO {reader}"
        )
    cluster.wait_replayed()
    running = Turnout(
        tmp_path / "home",
        f"""
        [sources.app]
        url = "{cluster.follower_url(reader, database)}"
        every_s = 1
        [sources.app.tables.person]
        columns = ["uuid", "city"]
        person = "uuid"
        history = true
        personal = {{ city = "everybody knows it" }}
        [sources.app.tables.seat]
        columns = ["person", "role"]
        person = "person"
        treat = {{ person = "hash" }}
        """,
    )
    yield running
    running.end()
    role = sql.Identifier(reader)
    with cluster.connect(database) as connection:
        connection.execute(sql.SQL("DROP OWNED BY {}").format(role))
        connection.execute(sql.SQL("DROP ROLE {}").format(role))


def say(turnout: Turnout, *words: str) -> str:
    """What a command prints that ends well."""
    command = [sys.executable, "-m", "turnout", *words, "--home", str(turnout.home)]
    said = subprocess.run(command, check=False, capture_output=True, text=True, timeout=100)
    assert said.returncode == 0, said.stdout + said.stderr
    return said.stdout


def test_no_byte_stays_and_no_copy_brings_them_back(turnout: Turnout) -> None:
    turnout.start()
    for person in (ALICE, BOB):
        assert turnout.send([turnout.track(f"of {person[-4:]}") | {"userId": person}]) == 200
    say(turnout, "sync")
    turnout.wait_loaded()
    assert turnout.rows("SELECT count(*) FROM userdata.person_history") == [[2]]
    assert "No copy brings them back" in say(turnout, "source", "forget", ALICE, "--yes")
    say(turnout, "sync", "--whole")
    turnout.wait_loaded()
    assert turnout.rows("SELECT uuid FROM userdata.person") == [[BOB]]
    assert turnout.rows("SELECT role FROM userdata.seat") == [["admin"]]
    assert turnout.rows("SELECT count(*) FROM analytics.tested WHERE id LIKE 'of %'") == [[1]]
    with turnout.state.connect() as connection:
        assert {row.parameters for row in connection.execute(job_request.select())} == {None}
    turnout.stop()
    hashed = Keyed((turnout.home / "data/privacy.key").read_bytes()).named(ALICE)
    for file in turnout.home.rglob("*"):
        content = file.read_bytes() if file.is_file() else b""
        for value in (ALICE, hashed, TOWN):
            assert value.encode() not in content, file
