"""Cut anywhere, run again, same result: killed, stopped, cut off, or without room on the disk."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pyarrow as pa
import pytest

from turnout import sync
from turnout.demo.cluster import Cluster
from turnout.errors import SourceUnavailable, Stopped
from turnout.sync.copying import landing
from turnout.warehouse import Column, Table, Type, Warehouse, staging


@pytest.fixture
def scratch(cluster: Cluster) -> Iterator[str]:
    """The address of an empty database."""
    with cluster.connect("postgres") as connection:
        connection.execute("CREATE DATABASE scratch")
        yield cluster.leader_url(database="scratch")
        connection.execute("DROP DATABASE scratch WITH (FORCE)")


def cuts(way: str, folder: Path, url: str) -> list[Any]:
    script = Path(__file__).with_name("cut_copies.py")
    run = subprocess.run(
        [sys.executable, str(script), way, str(folder), url],
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    return [json.loads(line) for line in run.stdout.splitlines()]


def test_a_copy_killed_anywhere_serves_the_old_rows_or_the_new_and_ends_the_same(
    tmp_path: Path, scratch: str
) -> None:
    *cut, whole = cuts("killed", tmp_path, scratch)
    assert len(cut) > 3
    before, after = cut[0][0], whole[1]
    assert before["company"] == [["before", 9, 9]]
    assert after["company"] == [["after", 9, 9]]
    assert after["member"] == [["after", 8, 8]]
    assert after["member_history"] == [["after", False, 8, 8], ["before", True, 9, 9]]
    assert {json.dumps(served) for served, _, _ in cut} == {json.dumps(before), json.dumps(after)}
    assert all(ended == after and left == 0 for _, ended, left in cut)


def test_a_full_disk_leaves_the_old_rows_and_the_next_copy_is_whole(
    tmp_path: Path, scratch: str
) -> None:
    ((served, ended, left),) = cuts("full", tmp_path, scratch)
    assert served == {"large": [["noise", 10, 10]]}
    assert ended == {"large": [["noise", 200_000, 200_000]]}
    assert left == 0


def cut_off(copying: Any) -> None:
    """End every session in the database but our own."""
    with psycopg.connect(copying.cluster.leader_url(database=copying.database)) as connection:
        connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )


def once(action: Callable[[], None]) -> Callable[[sync.Progress], None]:
    """A `progress` that does `action` when the first rows have come."""
    actions = [action]
    return lambda at: actions.pop()() if actions and at.rows else None


MANY = "DROP TABLE IF EXISTS many; CREATE TABLE many AS SELECT n, repeat('x', 99) AS x FROM {} n"


@pytest.fixture
def many(copying: Any) -> Any:
    copying.does(MANY.format("generate_series(1, 100000)"))
    copying.select("many", ["n", "x"])
    return copying


def count(copying: Any, table: str = "many") -> int:
    return int(
        copying.warehouse.query(f"SELECT count(*) AS n FROM userdata.{table}")["n"][0].as_py()
    )


def staged_tables(warehouse: Warehouse) -> int:
    answer = warehouse.query(
        "SELECT count(*) AS n FROM information_schema.tables WHERE table_name LIKE '%staging%'"
    )
    return int(answer["n"][0].as_py())


def runs(copying: Any) -> list[dict[str, Any]]:
    answer = copying.warehouse.query("SELECT * FROM _turnout.sync_runs ORDER BY started_at")
    return list(answer.to_pylist())


def test_a_copy_that_was_cut_off_is_begun_again_in_the_same_run(many: Any) -> None:
    waited: list[float] = []
    cut = once(lambda: cut_off(many))

    def progress(at: sync.Progress) -> None:
        cut(at)
        if at.again_in_s:
            waited.append(at.again_in_s)

    run = many.run({"retries": 2, "retry_after_s": 0.01}, progress=progress)
    assert run.rows == 100_000
    assert waited
    assert [row["error"] for row in runs(many)] == [None]


def test_a_copy_that_is_cut_off_each_time_is_given_up_and_remembered(many: Any) -> None:
    tries: list[str] = []

    def progress(at: sync.Progress) -> None:
        if at.rows:
            tries.append(at.table)
            cut_off(many)

    with pytest.raises(SourceUnavailable):
        many.run({"retries": 1, "retry_after_s": 0.01}, progress=progress)
    assert staged_tables(many.warehouse) == 0
    (row,) = runs(many)
    assert row["error"]
    assert (row["rows"], row["as_of"]) == (0, None)
    assert row["duration_s"] > 0


def test_whoever_waits_to_begin_again_can_be_stopped(many: Any) -> None:
    cut = once(lambda: cut_off(many))

    def progress(at: sync.Progress) -> None:
        cut(at)
        if at.again_in_s:
            raise Stopped

    with pytest.raises(Stopped):
        many.run({"retries": 3, "retry_after_s": 1000.0}, progress=progress)


def test_a_copy_that_is_stopped_leaves_the_old_rows_and_nothing_aside(many: Any) -> None:
    many.run()
    many.does(MANY.format("generate_series(1, 150000)"))

    def stop() -> None:
        raise Stopped

    with pytest.raises(Stopped):
        many.run(progress=once(stop))
    assert count(many) == 100_000
    assert staged_tables(many.warehouse) == 0
    assert many.run().rows == 150_000


def test_rows_that_are_landing_are_in_no_list_of_tables(
    many: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(landing, "WRITE_BYTES", 1)
    seen: set[int] = set()

    def look(_: sync.Progress) -> None:
        seen.add(staged_tables(many.warehouse))
        assert many.warehouse.tables("userdata") == []

    many.run(progress=look)
    assert 1 in seen
    assert staged_tables(many.warehouse) == 0


def test_what_a_killed_process_has_left_aside_is_dropped(warehouse: Warehouse) -> None:
    table = Table("userdata", "member", (Column("id", Type.INTEGER),))
    with warehouse.transaction() as transaction:
        transaction.prepare(table)
        transaction.prepare(staging(table))
    sync.drop_staging(warehouse)
    assert staged_tables(warehouse) == 0
    assert [found.name for found in warehouse.tables("userdata")] == ["member"]


def test_readers_see_all_tables_old_or_all_new_while_others_write(copying: Any) -> None:
    copying.select()
    copying.select("company", ["uuid", "plan"])
    copying.run()
    seen: set[tuple[str, str]] = set()
    events = Table("analytics", "tracks", (Column("id", Type.INTEGER),))

    def read() -> None:
        answer = copying.warehouse.query(
            "SELECT min(role) AS role, max(plan) AS plan "
            "FROM userdata.member CROSS JOIN userdata.company"
        )
        seen.add(tuple(answer.to_pylist()[0].values()))

    def write() -> None:
        with copying.warehouse.transaction() as transaction:
            transaction.prepare(events)
            transaction.append(events, pa.table({"id": [1]}))

    with meanwhile(read), meanwhile(write) as written:
        for n in range(3):
            copying.does(f"BEGIN; UPDATE member SET role='{n}'; UPDATE company SET plan='{n}'; END")
            copying.run()
    assert seen <= {("user", "pro"), *((str(n), str(n)) for n in range(3))}
    assert len(seen) > 1
    assert count(copying, "member") == 10
    rows = copying.warehouse.query("SELECT count(*) AS n FROM analytics.tracks")["n"][0].as_py()
    assert rows == len(written)


@contextmanager
def meanwhile(work: Callable[[], None]) -> Iterator[list[None]]:
    """Does `work` again and again in another thread; how often. What it raises is raised."""
    done = threading.Event()
    times: list[None] = []

    def repeat() -> None:
        while not done.wait(0.005):
            work()
            times.append(None)

    with ThreadPoolExecutor(1) as pool:
        ended = pool.submit(repeat)
        try:
            yield times
        finally:
            done.set()
        ended.result()
