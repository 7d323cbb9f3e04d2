from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from time import monotonic, sleep
from typing import Any

import psutil
import psycopg
import pytest

from turnout.demo.cluster import Cluster
from turnout.errors import AlreadyRunning

HOLDER = """
import sys, time
from pathlib import Path
from turnout.demo.cluster import Cluster
cluster = Cluster(Path(sys.argv[1]))
cluster.start()
print(cluster.leader_pid, cluster.follower_pid, flush=True)
time.sleep(600)
"""


@contextmanager
def holder(folder: Path) -> Iterator[tuple[subprocess.Popen[str], list[int]]]:
    """Another process that runs the cluster in `folder`, and its two servers' ids."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(folder)], stdout=subprocess.PIPE, text=True
    )
    with process:
        try:
            assert process.stdout is not None
            yield process, [int(pid) for pid in process.stdout.readline().split()]
        finally:
            process.kill()


def wait_gone(pids: list[int], timeout_s: float = 20) -> None:
    deadline = monotonic() + timeout_s
    while any(psutil.pid_exists(pid) for pid in pids):
        assert monotonic() < deadline, f"one of {pids} is still alive"
        sleep(0.02)


def value(url: str, question: str) -> Any:
    with psycopg.connect(url) as connection:
        row = connection.execute(question).fetchone()
        assert row is not None
        return row[0]


@pytest.fixture(scope="module")
def used(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which a cluster has been and has left a table with one row."""
    folder = tmp_path_factory.mktemp("used") / "cluster"
    with Cluster(folder) as cluster, cluster.connect() as connection:
        connection.execute("CREATE TABLE company (name text)")
        connection.execute("INSERT INTO company VALUES ('Acme')")
    return folder


def test_the_follower_streams_what_the_leader_writes(cluster: Cluster, database: str) -> None:
    with cluster.connect(database) as connection:
        connection.execute("CREATE TABLE company AS SELECT 'Acme' AS name")
    cluster.wait_replayed()
    url = cluster.follower_url(database=database)
    assert value(url, "SELECT name FROM company") == "Acme"
    assert value(url, "SELECT pg_is_in_recovery()") is True
    assert value(cluster.leader_url(), "SELECT pg_is_in_recovery()") is False


def test_a_committed_row_is_durable_on_the_leader(cluster: Cluster) -> None:
    assert value(cluster.leader_url(), "SHOW fsync") == "on"
    assert value(cluster.leader_url(), "SHOW synchronous_commit") == "on"


def test_a_wrong_password_is_refused(cluster: Cluster) -> None:
    wrong = cluster.leader_url().replace(cluster.password("postgres"), "guess")
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        psycopg.connect(wrong)


def test_a_role_signs_in_on_both_servers(cluster: Cluster) -> None:
    cluster.create_role("alice")
    cluster.create_role("alice")
    cluster.wait_replayed()
    assert value(cluster.leader_url("alice"), "SELECT current_user") == "alice"
    assert value(cluster.follower_url("alice"), "SELECT current_user") == "alice"


def test_a_second_start_keeps_data_and_addresses(used: Path) -> None:
    with Cluster(used) as cluster:
        first = cluster.leader_url(), cluster.follower_url()
        assert value(cluster.leader_url(), "SELECT name FROM company") == "Acme"
        cluster.start()  # harmless while it runs
    with Cluster(used) as cluster:
        assert (cluster.leader_url(), cluster.follower_url()) == first


def test_the_follower_catches_up_after_an_absence(used: Path) -> None:
    with Cluster(used) as cluster:
        cluster.stop_follower()
        with pytest.raises(psycopg.OperationalError):
            psycopg.connect(cluster.follower_url())
        with cluster.connect() as connection:
            connection.execute("CREATE TABLE while_away AS SELECT 1 AS one")
        cluster.start_follower()
        cluster.wait_replayed()
        assert value(cluster.follower_url(), "SELECT one FROM while_away") == 1


def test_stop_ends_both_servers_within_seconds(used: Path) -> None:
    cluster = Cluster(used)
    cluster.start()
    pids = [cluster.leader_pid, cluster.follower_pid]
    with psycopg.connect(cluster.follower_url()):  # an open session does not hold it up
        began = monotonic()
        cluster.stop()
        assert monotonic() - began < 5
    wait_gone(pids, timeout_s=1)
    cluster.stop()  # harmless to repeat


def test_the_servers_end_when_their_starter_is_killed(used: Path) -> None:
    with holder(used) as (process, pids):
        process.kill()
        process.wait()
        wait_gone(pids)


def test_a_start_right_after_a_kill_takes_the_folder_over(used: Path) -> None:
    with holder(used) as (process, _pids):
        process.kill()
        process.wait()
        with Cluster(used) as cluster:
            assert value(cluster.leader_url(), "SELECT name FROM company") == "Acme"


def test_killed_servers_start_again_with_all_that_was_committed(used: Path) -> None:
    with Cluster(used) as cluster:
        with cluster.connect() as connection:
            connection.execute("CREATE TABLE just_now AS SELECT 1 AS one")
        pids = [cluster.leader_pid, cluster.follower_pid]
        for pid in pids:
            os.kill(pid, signal.SIGKILL)
        wait_gone(pids)
        cluster.start()
        cluster.wait_replayed()
        assert value(cluster.follower_url(), "SELECT one FROM just_now") == 1


def test_an_interrupt_from_the_terminal_reaches_no_server(used: Path) -> None:
    with Cluster(used) as cluster:
        for pid in (cluster.leader_pid, cluster.follower_pid):
            assert os.getsid(pid) != os.getsid(0)


def test_one_process_at_a_time_may_hold_a_folder(used: Path) -> None:
    with Cluster(used), pytest.raises(AlreadyRunning, match="in use by another process"):
        Cluster(used).start()


def test_a_folder_with_a_long_path_works(tmp_path: Path) -> None:
    with Cluster(tmp_path / ("long" * 30)) as cluster:
        assert value(cluster.leader_url(), "SELECT 1") == 1


def test_postgres_16_works_too(tmp_path: Path) -> None:
    with Cluster(tmp_path / "cluster", version=16) as cluster:
        assert value(cluster.follower_url(), "SHOW server_version").startswith("16.")
