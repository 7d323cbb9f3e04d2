from __future__ import annotations

import uuid
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
import structlog
from psycopg import sql

from tests.sync.followed import SECRET, Followed
from turnout import meters
from turnout.clips.follower import Follower
from turnout.config import TableSelection
from turnout.demo.cluster import Cluster
from turnout.jobs.capture import RETRY_S, RETRY_S_MAX, SourceCapture
from turnout.jobs.timetable import following_of
from turnout.warehouse.duckdb import DuckDB

LOGGED = TableSelection(["uuid", "role"], mode="log")


@pytest.fixture
def followed(cluster: Cluster, database: str, tmp_path: Path) -> Iterator[Followed]:
    warehouse = DuckDB(tmp_path / "warehouse.duckdb", memory_bytes_max=2**28, threads=1)
    reader = f"reader_{uuid.uuid4().hex[:12]}"
    followed = Followed(cluster, database, reader, warehouse, {"person": LOGGED})
    cluster.create_role(reader)
    followed.run(
        "CREATE TABLE person (uuid int PRIMARY KEY, role text)",
        "INSERT INTO person SELECT i, 'member' FROM generate_series(1, 3) i",
    )
    yield followed
    warehouse.close()
    with cluster.connect(database) as connection:
        role = sql.Identifier(reader)
        connection.execute(sql.SQL("DROP OWNED BY {}").format(role))
        connection.execute(sql.SQL("DROP ROLE {}").format(role))


@pytest.fixture
def follower(followed: Followed, tmp_path: Path) -> Follower:
    return Follower(tmp_path / "follower", followed.warehouse)


@pytest.fixture
def capture(followed: Followed, follower: Follower) -> Iterator[SourceCapture]:
    capture = SourceCapture(
        followed.name, followed.source, followed.warehouse, follower, secret=SECRET
    )
    yield capture
    capture.close()
    capture.run()  # leaves the source


def test_a_change_is_in_the_next_copy_for_readers(
    followed: Followed, follower: Follower, capture: SourceCapture
) -> None:
    followed.prepare()
    assert capture.run() is None
    followed.run("UPDATE person SET role = 'admin'")
    began_at = datetime.now(UTC)
    capture.run()
    snapshot = follower.publish(now=datetime.now(UTC))
    assert (snapshot.as_of["userdata"] - began_at).total_seconds() > -1
    assert meters.COPIED_ROWS.numbers()[followed.name,] == (3,)
    followed.run(f"SELECT pg_drop_replication_slot('{followed.slot}')")


def test_what_is_in_the_way_is_told_once_and_tried_again_later_and_later(
    capture: SourceCapture,
) -> None:
    with structlog.testing.capture_logs() as said:
        pauses = [capture.run() for _ in range(8)]
    assert pauses[:3] == [RETRY_S, 2 * RETRY_S, 4 * RETRY_S]
    assert pauses[-1] == RETRY_S_MAX
    assert [line["problem"] for line in said] == [said[0]["problem"]]
    assert "publication" in said[0]["problem"]


def test_a_capture_that_is_closed_asks_the_source_nothing(
    followed: Followed, capture: SourceCapture
) -> None:
    capture.close()
    followed.run("ALTER ROLE " + followed.reader + " NOLOGIN")
    with structlog.testing.capture_logs() as said:
        capture.run()
    assert said == []


def test_each_source_looks_for_changes_at_its_own_pace(
    followed: Followed, capture: SourceCapture
) -> None:
    [job] = following_of([capture])
    assert job.every_s == followed.source.log_every_s
    assert followed.name in job.name


def test_what_nobody_thought_of_is_tried_again_later_and_later_too(
    capture: SourceCapture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail() -> None:
        raise ZeroDivisionError

    with monkeypatch.context() as failing, structlog.testing.capture_logs() as said:
        failing.setattr(capture._capturing, "once", fail)
        pauses = [capture.run() for _ in range(3)]
    assert pauses == [RETRY_S, 2 * RETRY_S, 4 * RETRY_S]
    assert len(said) == 3
