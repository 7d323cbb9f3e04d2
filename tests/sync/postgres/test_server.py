from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from turnout.errors import SourceRefused, SourceUnavailable
from turnout.sync import postgres

AWAY = "postgresql://turnout:hidden@127.0.0.1:1/app"
VISIT = {"visit": ["id"]}


@pytest.fixture
def visit(run: Any, cluster: Any) -> None:
    run("CREATE TABLE visit AS SELECT 1 AS id")
    cluster.wait_replayed()


@pytest.fixture
def late(cluster: Any, shared: str) -> Iterator[psycopg.Connection[Any]]:
    """The follower, made to replay an hour late what is committed from now on."""
    url = cluster.follower_url(database=shared)
    with psycopg.connect(url, autocommit=True) as follower:
        follower.execute("ALTER SYSTEM SET recovery_min_apply_delay = '1h'")
        follower.execute("SELECT pg_reload_conf()")
        until(lambda: value(follower, "SHOW recovery_min_apply_delay") == "1h")
        try:
            yield follower
        finally:
            follower.execute("ALTER SYSTEM RESET recovery_min_apply_delay")
            follower.execute("SELECT pg_reload_conf()")
            cluster.wait_replayed()


def value(connection: psycopg.Connection[Any], question: str) -> Any:
    row = connection.execute(question).fetchone()
    return row[0] if row else None


def until(is_so: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not is_so():
        assert time.monotonic() < deadline


def until_received(follower: psycopg.Connection[Any]) -> None:
    """The follower holds more than it has replayed, and time has passed since."""
    question = "SELECT pg_last_wal_receive_lsn() > pg_last_wal_replay_lsn()"
    until(lambda: bool(value(follower, question)))
    age = "SELECT extract(epoch FROM clock_timestamp() - pg_last_xact_replay_timestamp()) > 0.2"
    until(lambda: bool(value(follower, age)))


def place(url: str) -> str:
    return url.rpartition("@")[2]


@pytest.mark.usefixtures("visit")
def test_a_leader_and_its_follower_share_their_history(leader: Any, follower: Any) -> None:
    # The follower first: what the leader writes by itself meanwhile only puts it ahead.
    with follower(VISIT).snapshot() as other, leader(VISIT).snapshot() as one:
        assert one.instant.server == other.instant.server
        assert len(one.instant.position) == len("00000000/00000000")
        assert other.instant.position <= one.instant.position
        assert one.tables[0].shape == other.tables[0].shape


@pytest.mark.usefixtures("visit")
def test_a_database_that_was_restored_has_another_history(
    leader: Any, reader: Any, company: Any
) -> None:
    with (
        leader(VISIT).snapshot() as one,
        reader(company.leader_url(), {"company": ["uuid"]}).snapshot() as other,
    ):
        assert one.instant.server != other.instant.server


@pytest.mark.usefixtures("visit")
def test_positions_grow_with_what_is_written(run: Any, leader: Any) -> None:
    with leader(VISIT).snapshot() as before:
        run("INSERT INTO visit VALUES (2)")
        with leader(VISIT).snapshot(before.instant) as after:
            assert after.instant.position > before.instant.position
            assert after.instant.now > before.instant.now
            assert after.instant.xmin is not None
            assert before.instant.xmin is not None
            assert after.instant.xmin > before.instant.xmin


@pytest.mark.usefixtures("visit")
def test_a_follower_that_lags_is_as_of_what_it_has_replayed_or_refused(
    run: Any, reader: Any, cluster: Any, shared: str, late: Any
) -> None:
    url = cluster.follower_url(database=shared)
    run("INSERT INTO visit VALUES (2)")
    until_received(late)
    with reader(url, VISIT).snapshot() as found:
        assert found.as_of < found.instant.now
        assert [batch.num_rows for batch in found.rows(found.tables[0])] == [1]
    with pytest.raises(SourceUnavailable, match="behind its leader, and lag_max_s allows 0"):
        reader(url, VISIT, lag_max_s=0.1).snapshot().__enter__()
    assert "behind its leader" in reader(url, VISIT, lag_max_s=0.1).check()[-1]


@pytest.mark.usefixtures("visit")
def test_a_follower_behind_the_last_copy_is_refused(
    run: Any, leader: Any, follower: Any, cluster: Any, late: Any
) -> None:
    behind = follower(VISIT)
    run("INSERT INTO visit VALUES (2)")
    with leader(VISIT).snapshot() as found:
        after = found.instant
    until_received(late)
    with pytest.raises(SourceUnavailable, match="would bring rows back to what they were"):
        behind.snapshot(after).__enter__()
    late.execute("ALTER SYSTEM RESET recovery_min_apply_delay")
    late.execute("SELECT pg_reload_conf()")
    cluster.wait_replayed()
    with behind.snapshot(after) as found:
        assert found.instant.position >= after.position


@pytest.mark.usefixtures("visit")
def test_a_follower_that_pauses_is_refused_and_another_taken(
    reader: Any, cluster: Any, shared: str
) -> None:
    url, other = cluster.follower_url(database=shared), cluster.leader_url(database=shared)
    with psycopg.connect(url, autocommit=True) as follower:
        follower.execute("SELECT pg_wal_replay_pause()")
        try:
            with pytest.raises(SourceUnavailable, match="has paused replaying"):
                reader(url, VISIT).snapshot().__enter__()
            accepting = reader(url, VISIT, followers=[other], accept_leader=True)
            with accepting.snapshot() as found:
                assert not value(found._control, "SELECT pg_is_in_recovery()")
        finally:
            follower.execute("SELECT pg_wal_replay_resume()")


@pytest.mark.usefixtures("visit")
def test_followers_are_tried_in_order_and_a_leader_last(
    reader: Any, cluster: Any, shared: str
) -> None:
    one, other = cluster.follower_url(database=shared), cluster.leader_url(database=shared)

    def is_follower(url: str, **settings: Any) -> bool:
        with reader(url, VISIT, **settings).snapshot() as found:
            return bool(value(found._control, "SELECT pg_is_in_recovery()"))

    assert is_follower(AWAY, followers=[one])
    assert is_follower(other, followers=[AWAY, one])
    assert is_follower(other, followers=[one], accept_leader=True)
    assert not is_follower(AWAY, followers=[other], accept_leader=True)
    # Without another server, there is no choice.
    assert not is_follower(other)
    with pytest.raises(SourceUnavailable) as failed:
        is_follower(AWAY, followers=[other])
    assert "127.0.0.1:1/app cannot be reached" in str(failed.value)
    assert f"{place(other)} is a leader." in str(failed.value)
    assert "accept_leader = true" in str(failed.value)
    assert "hidden" not in str(failed.value)


@pytest.mark.usefixtures("visit")
def test_servers_that_all_refuse_are_the_operators_to_mend(
    reader: Any, cluster: Any, shared: str
) -> None:
    wrong = cluster.follower_url(database=shared).replace(cluster.password("postgres"), "a-guess")
    with pytest.raises(SourceRefused, match="password authentication failed") as failed:
        reader(wrong, VISIT, followers=[wrong]).snapshot().__enter__()
    assert "a-guess" not in str(failed.value)


@pytest.mark.usefixtures("visit")
def test_checking_says_what_is_wrong_with_each_server(
    reader: Any, cluster: Any, shared: str
) -> None:
    one, other = cluster.follower_url(database=shared), cluster.leader_url(database=shared)
    sentences = reader(one, VISIT, followers=[AWAY, other]).check()
    assert f"{place(other)} is not a follower: copies add to the load" in sentences[-2]
    assert "127.0.0.1:1/app cannot be reached" in sentences[-1]
    sentences = reader(one, VISIT, followers=[other], accept_leader=True).check()
    assert not any("is not a follower" in sentence for sentence in sentences)


def test_only_the_servers_clock_is_asked() -> None:
    """A copy made on a machine whose clock is wrong is the same copy."""
    words = ("datetime.now", "utcnow", "time.time(", "date.today")
    asks = {
        path.name
        for path in Path(postgres.__file__).parent.glob("*.py")
        if any(word in path.read_text() for word in words)
    }
    # Where the protocol of replication wants it said, and the server makes nothing of it.
    assert asks <= {"replication.py"}


@pytest.mark.usefixtures("visit")
def test_the_session_can_change_nothing_and_waits_for_nobody_long(
    leader: Any, cluster: Any
) -> None:
    with leader(VISIT, statement_s_max=7).snapshot() as found:
        control = found._control
        assert value(control, "SHOW statement_timeout") == "7s"
        assert value(control, "SHOW lock_timeout") == "2s"
        assert value(control, "SHOW transaction_isolation") == "repeatable read"
        assert value(control, "SHOW application_name") == "turnout"
        worker = found._workers[0]
        asked = "current_setting('{}')".format
        assert worker.value(f"SELECT {asked('statement_timeout')}") == "7s"
        assert worker.value(f"SELECT {asked('default_transaction_read_only')}") == "on"
        assert worker.value(f"SELECT {asked('idle_in_transaction_session_timeout')}") == "1min"
        with pytest.raises(psycopg.errors.ReadOnlySqlTransaction):
            control.execute("DELETE FROM public.visit")


def test_a_service_that_says_little_of_itself_is_read_all_the_same(
    company: Any, reader: Any
) -> None:
    company.grant()
    for function in ("pg_control_system()", "pg_control_checkpoint()", "pg_current_wal_lsn()"):
        company.run(f"REVOKE EXECUTE ON FUNCTION {function} FROM PUBLIC")
    for url in (company.leader_url(company.reader), company.follower_url(company.reader)):
        with reader(url, {"company": ["uuid"]}).snapshot() as found:
            assert found.instant.server.startswith("?/?/")
            assert [batch.num_rows for batch in found.rows(found.tables[0])] == [2]
            with reader(url, {"company": ["uuid"]}).snapshot(found.instant):
                """It cannot say whether it is behind."""
