"""Change capture against real servers: what fails and what is cut off included."""

from __future__ import annotations

import subprocess
import sys
import textwrap
import threading
import uuid
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from itertools import pairwise
from pathlib import Path
from typing import Any

import psycopg
import pyarrow as pa
import pytest
from msgspec import structs
from psycopg import sql

from tests.sync.followed import COMPANY, SECRET, Followed
from turnout import sync
from turnout.config import TableSelection
from turnout.demo.cluster import Cluster
from turnout.errors import SourceRefused, SourceUnavailable
from turnout.sync.changes.spool import Spool
from turnout.sync.postgres import slot, stream
from turnout.sync.postgres.database import Postgres
from turnout.sync.source import Instant
from turnout.sync.state import read_states
from turnout.warehouse import Warehouse
from turnout.warehouse.duckdb import DuckDB

TABLES = """
CREATE TABLE company (
    uuid int PRIMARY KEY, name text NOT NULL, plan text, secret text DEFAULT 'secret'
);
ALTER TABLE company ALTER plan SET STORAGE EXTERNAL;
INSERT INTO company SELECT i, 'Company ' || i, repeat('x', 5000) || i FROM generate_series(1, 50) i;
CREATE TABLE person (uuid int PRIMARY KEY, role text);
INSERT INTO person SELECT i, 'member' FROM generate_series(1, 50) i;
"""
PERSON = TableSelection(["uuid", "role"], mode="log")
BOTH = {"company": COMPANY, "person": PERSON}

# What a transaction may do to a table.
WRITES = {
    "a long value that is not touched": "UPDATE company SET name = 'Acme' WHERE uuid < 10",
    "a changed key": "UPDATE company SET uuid = uuid + 1000 WHERE uuid < 10",
    "a key changed twice, and its row": """
        UPDATE company SET uuid = 2000 WHERE uuid = 20;
        UPDATE company SET uuid = 2001, name = 'Globex' WHERE uuid = 2000;
        UPDATE company SET name = 'Globex again' WHERE uuid = 2001;
        UPDATE company SET uuid = 20 WHERE uuid = 2001""",
    "keys that are swapped": """
        UPDATE company SET uuid = -1 WHERE uuid = 1;
        UPDATE company SET uuid = 1 WHERE uuid = 2;
        UPDATE company SET uuid = 2 WHERE uuid = -1""",
    "a row that goes and comes": """
        DELETE FROM company WHERE uuid = 5;
        INSERT INTO company VALUES (5, 'Initech', NULL)""",
    "a row that comes and goes": """
        INSERT INTO company VALUES (3000, 'Hooli', 'short');
        DELETE FROM company WHERE uuid = 3000""",
    "a table that is emptied and filled": """
        TRUNCATE company;
        INSERT INTO company VALUES (1, 'Acme', NULL), (2, 'Globex', '')""",
    "a part that is undone": """
        INSERT INTO company VALUES (4000, 'Kept', 'x');
        SAVEPOINT here;
        DELETE FROM company;
        ROLLBACK TO here""",
}


@pytest.fixture(scope="module")
def narrow(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """A PostgreSQL 16 that keeps next to nothing for a slot that falls behind."""
    settings = {"max_slot_wal_keep_size": "1MB"}
    with Cluster(tmp_path_factory.mktemp("narrow"), version=16, settings=settings) as cluster:
        yield cluster


@pytest.fixture
def make(warehouse: Warehouse) -> Iterator[Callable[..., Followed]]:
    """Makes what is followed, on a server of choice."""
    made: list[Followed] = []

    def followed(cluster: Cluster, **settings: Any) -> Followed:
        name = f"test_{uuid.uuid4().hex[:12]}"
        tables = settings.pop("tables", BOTH)
        with cluster.connect("postgres") as connection:
            connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        followed = Followed(cluster, name, f"reader_{name}", warehouse, tables, settings)
        cluster.create_role(followed.reader)
        made.append(followed)
        followed.run(TABLES)
        return followed

    yield followed
    for each in made:
        with each.cluster.connect("postgres") as connection:
            name = sql.Identifier(each.database)
            connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(name))
            connection.execute(sql.SQL("DROP ROLE {}").format(sql.Identifier(each.reader)))


@pytest.fixture
def followed(cluster: Cluster, make: Callable[..., Followed]) -> Followed:
    """Both tables, prepared and copied once."""
    followed = make(cluster)
    followed.prepare()
    followed.capture()
    return followed


def test_the_first_pass_copies_whole_and_says_so(
    cluster: Cluster, make: Callable[..., Followed]
) -> None:
    followed = make(cluster)
    followed.prepare()
    captured = followed.capture()
    assert captured.copied is not None
    assert captured.copied.rows == 100
    assert not followed.differences()
    assert not followed.differences("person")


def test_a_copy_is_not_older_than_what_is_followed_from(
    cluster: Cluster, make: Callable[..., Followed], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Instant | None] = []
    snapshot = Postgres.snapshot

    def noted(self: Postgres, selection: Any, after: Instant | None = None) -> Any:
        asked.append(after)
        return snapshot(self, selection, after)

    monkeypatch.setattr(Postgres, "snapshot", noted)
    followed = make(cluster)
    followed.prepare()
    began_at = followed.run("SELECT pg_current_wal_lsn()::text")[0][0]
    followed.capture()
    [after] = asked
    assert after is not None
    assert slot.number(after.position) >= slot.number(began_at)


@pytest.mark.parametrize("by", ["functions", "replication"])
def test_whatever_a_transaction_does_the_copy_does_too(
    cluster: Cluster, make: Callable[..., Followed], by: str
) -> None:
    followed = make(cluster, log_by=by)
    followed.prepare()
    capturing = followed.capturing()
    capturing.once()
    for name, statements in WRITES.items():
        followed.run(f"BEGIN; {statements}; COMMIT")
        captured = capturing.once()
        assert not followed.differences(), name
        assert captured.copied is None, name
    assert capturing.once().changes == 0
    capturing.close()


def test_all_at_once_comes_to_the_same(narrow: Cluster, make: Callable[..., Followed]) -> None:
    followed = make(narrow)
    followed.prepare()
    followed.capture()
    for statements in WRITES.values():
        followed.run(f"BEGIN; {statements}; COMMIT")
    followed.capture()
    assert not followed.differences()


def test_a_large_transaction_waits_on_disk_and_arrives_whole(
    followed: Followed, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stream, "CUT_BYTES", 256 * 1024)
    monkeypatch.setattr("turnout.sync.changes.spool.BYTES_IN_MEMORY_MAX", 1024 * 1024)
    written: list[int] = []
    write = Spool._write

    def noted(self: Spool[Any], rows: pa.Table) -> int:
        written.append(rows.num_rows)
        return write(self, rows)

    monkeypatch.setattr(Spool, "_write", noted)
    followed.run(
        "BEGIN; INSERT INTO company SELECT i, 'Company ' || i, repeat('y', 40) "
        "FROM generate_series(100, 50000) i; "
        "UPDATE company SET name = 'Even' WHERE uuid % 2 = 0; DELETE FROM company "
        "WHERE uuid % 3 = 0; COMMIT"
    )
    captured = followed.capture()
    assert captured.changes > 80_000
    assert sum(written) > 10_000
    assert not followed.differences()


def test_tables_changed_together_are_seen_together(followed: Followed) -> None:
    followed.run(
        "BEGIN; UPDATE company SET name = 'Acme'; UPDATE person SET role = 'admin'; COMMIT"
    )
    before = followed.warehouse.version
    followed.capture()
    assert followed.warehouse.version == before + 1
    assert not followed.differences()
    assert not followed.differences("person")


def test_a_process_killed_before_it_confirms_applies_nothing_twice(
    cluster: Cluster, make: Callable[..., Followed], tmp_path: Path
) -> None:
    kept = structs.replace(PERSON, history=True)
    followed = make(cluster, tables={"person": kept})
    followed.prepare()
    path = tmp_path / "killed.duckdb"
    script = textwrap.dedent(
        f"""
        import os
        from pathlib import Path
        from turnout import sync
        from turnout.config import Source, TableSelection
        from turnout.sync.postgres import stream
        from turnout.warehouse.duckdb import DuckDB

        warehouse = DuckDB(Path({str(path)!r}), memory_bytes_max=2**28, threads=1)
        table = TableSelection(["uuid", "role"], mode="log", history=True)
        source = Source(url={followed.source.url!r}, tables={{"person": table}})
        stream.PostgresChanges.confirm = lambda *_: os.kill(os.getpid(), 9)
        sync.capture({followed.name!r}, source, warehouse, secret={SECRET!r})
        """
    )
    with opened(path) as followed.warehouse:
        followed.capture()
    followed.run("UPDATE person SET role = 'admin' WHERE uuid <= 10")
    killed = subprocess.run([sys.executable, "-c", script], capture_output=True, check=False)
    assert killed.returncode == -9, killed.stderr
    with opened(path) as followed.warehouse:
        assert followed.capture().changes == 0
        followed.run("UPDATE person SET role = 'owner' WHERE uuid <= 5")
        assert followed.capture().changes == 5
        found = followed.warehouse.query(
            "SELECT role, count(*) AS n FROM userdata.person_history GROUP BY role ORDER BY role"
        ).to_pylist()
    assert found == [
        {"role": "admin", "n": 10},
        {"role": "member", "n": 50},
        {"role": "owner", "n": 5},
    ]


@contextmanager
def opened(path: Path) -> Iterator[Warehouse]:
    warehouse = DuckDB(path, memory_bytes_max=2**28, threads=1)
    yield warehouse
    warehouse.close()


def test_a_slot_does_not_hold_what_others_write(followed: Followed) -> None:
    capturing = followed.capturing()
    capturing.once()
    followed.run(
        "CREATE TABLE other AS SELECT repeat('z', 500) AS text FROM generate_series(1, 90000)",
        "CHECKPOINT",
    )
    assert followed.slot_state()["held"] > 45_000_000
    capturing.once()
    followed.run("INSERT INTO other VALUES ('one more')", "CHECKPOINT")
    followed.run("SELECT pg_log_standby_snapshot()")
    capturing.close()
    followed.capture()
    assert followed.slot_state()["held"] < 20_000_000


def test_while_nothing_is_written_nothing_is_either_here(followed: Followed) -> None:
    capturing = followed.capturing()
    capturing.once()
    before = followed.warehouse.version
    first = capturing.once()
    followed.run("CREATE TABLE other (id int)", "INSERT INTO other VALUES (1)")
    second = capturing.once()
    capturing.close()
    assert followed.warehouse.version == before
    assert first.as_of is not None
    assert second.as_of is not None
    assert second.as_of > first.as_of


def test_what_the_source_threw_away_is_copied_again_and_told(
    narrow: Cluster, make: Callable[..., Followed]
) -> None:
    followed = make(narrow)
    followed.prepare()
    followed.capture()
    lose(followed)
    captured = followed.capture()
    assert captured.copied is not None
    assert not followed.differences()
    assert [run["error"] is not None for run in followed.runs()] == [False, True, False]
    assert "max_slot_wal_keep_size" in followed.runs()[1]["error"]
    followed.run("UPDATE company SET name = 'Acme'")
    assert followed.capture().copied is None
    assert not followed.differences()


def test_or_capture_stops_where_that_is_wanted(
    narrow: Cluster, make: Callable[..., Followed]
) -> None:
    followed = make(narrow, on_slot_lost="stop")
    followed.prepare()
    followed.capture()
    lose(followed)
    with pytest.raises(SourceRefused, match="on_slot_lost"):
        followed.capture()


def lose(followed: Followed) -> None:
    """Write until the server keeps nothing for the slot any more."""
    for turn in range(20):
        followed.run(f"INSERT INTO company VALUES ({5000 + turn}, 'More', '')")
        followed.run("SELECT pg_switch_wal()", "CHECKPOINT")
        if followed.slot_state()["wal_status"] == "lost":
            return
    raise AssertionError("The slot holds on.")


def test_a_slot_that_is_gone_is_made_anew(followed: Followed) -> None:
    followed.run(f"SELECT pg_drop_replication_slot('{followed.slot}')")
    followed.run("DELETE FROM company WHERE uuid = 1")
    captured = followed.capture()
    assert captured.copied is not None
    assert not followed.differences()


def test_a_slot_is_given_up_before_the_source_keeps_too_much(
    cluster: Cluster, make: Callable[..., Followed]
) -> None:
    followed = make(cluster, retained_bytes_max=4_000_000)
    followed.prepare()
    followed.capture()
    followed.run(
        "CREATE TABLE other AS SELECT repeat('z', 500) AS text FROM generate_series(1, 15000)"
    )
    captured = followed.capture()
    assert captured.copied is not None
    assert "retained_bytes_max" in followed.runs()[1]["error"]
    assert followed.slot_state()["held"] < 4_000_000


def test_a_table_that_leaves_the_publication_stops_alone(followed: Followed) -> None:
    followed.run("ALTER TABLE company DROP COLUMN plan CASCADE")
    followed.run("UPDATE company SET name = 'Unseen'", "UPDATE person SET role = 'admin'")
    captured = followed.capture()
    assert list(captured.problems) == ["company"]
    assert not followed.differences("person")
    state = followed.warehouse.query(
        "SELECT problem FROM _turnout.sync_tables WHERE table_name = 'company'"
    )
    assert "company" in state["problem"][0].as_py()
    assert {row["name"] for row in followed.rows("name")} != {"Unseen"}

    followed.tables = {**BOTH, "company": structs.replace(COMPANY, columns=["uuid", "name"])}
    [statements] = [line for line in sync.check(followed.name, followed.source) if "ALTER" in line]
    followed.run(statements.partition(": ")[2])
    repaired = followed.capture()
    assert repaired.copied is not None
    assert not repaired.problems
    assert not followed.differences()


def sync_check(followed: Followed) -> str:
    return " ".join(sync.check(followed.name, followed.source))


@pytest.mark.parametrize(
    ("statement", "reason"),
    [
        ("ALTER TABLE company REPLICA IDENTITY FULL", "REPLICA IDENTITY FULL"),
        ("ALTER TABLE company DROP CONSTRAINT company_pkey", "no primary key"),
        (
            "ALTER TABLE company ADD COLUMN plan2 text GENERATED ALWAYS AS (name) STORED",
            "generated",
        ),
    ],
)
def test_a_table_that_would_break_the_application_is_refused(
    cluster: Cluster, make: Callable[..., Followed], statement: str, reason: str
) -> None:
    followed = make(cluster)
    followed.run(statement)
    if "plan2" in statement:
        columns = [*COMPANY.columns, "plan2"]
        followed.tables = {"company": structs.replace(COMPANY, columns=columns)}
    told = sync_check(followed)
    assert reason in told
    assert "CREATE PUBLICATION" not in told
    followed.run("UPDATE company SET name = 'Still works'", "DELETE FROM company")


def test_what_is_said_to_be_run_is_all_that_is_needed(
    cluster: Cluster, make: Callable[..., Followed]
) -> None:
    followed = make(cluster)
    with pytest.raises(SourceRefused, match="no publication"):
        followed.capture()
    selection = sync.selected_tables(followed.name, followed.source)
    followed.run(*sync.grants(selection, followed.reader))
    [statements] = [line for line in sync.check(followed.name, followed.source) if "CREATE" in line]
    followed.run(statements.partition(": ")[2])
    assert sync.check(followed.name, followed.source) == [
        line for line in sync.check(followed.name, followed.source) if "CREATE" not in line
    ]
    followed.capture()
    assert not followed.differences()


def test_the_reader_can_do_nothing_else_to_the_slot(followed: Followed) -> None:
    with psycopg.connect(followed.source.url, autocommit=True) as connection:
        for statement in (
            f"SELECT * FROM pg_logical_slot_peek_changes('{followed.slot}', NULL, NULL)",
            f"SELECT pg_drop_replication_slot('{followed.slot}')",
            "SELECT pg_create_logical_replication_slot('mine', 'pgoutput')",
            "SELECT secret FROM company",
        ):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                connection.execute(statement)


def test_two_readers_of_one_stream_are_one_too_many(
    cluster: Cluster, make: Callable[..., Followed]
) -> None:
    followed = make(cluster, log_by="replication")
    followed.prepare()
    first, second = followed.capturing(), followed.capturing()
    first.once()
    followed.run("UPDATE company SET name = 'Acme'")
    first.once()
    followed.run("UPDATE company SET name = 'Globex'")
    with pytest.raises(SourceRefused, match="in use"):
        second.once()
    first.once()
    first.close()
    assert not followed.differences()


def test_a_slot_of_somebody_else_is_left_alone(followed: Followed, tmp_path: Path) -> None:
    other = DuckDB(tmp_path / "other.duckdb", memory_bytes_max=2**28, threads=1)
    with pytest.raises(SourceRefused, match="already"):
        sync.capture(followed.name, followed.source, other, secret=SECRET)
    other.close()
    followed.run("UPDATE company SET name = 'Acme'")
    assert followed.capture().changes == 50


def test_no_slot_is_made_where_nothing_limits_what_it_retains(
    cluster: Cluster, make: Callable[..., Followed], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(slot, "LIMIT", "SELECT -1")
    followed = make(cluster)
    followed.prepare()
    with pytest.raises(SourceRefused, match="max_slot_wal_keep_size"):
        followed.capture()
    assert followed.slot_state() == {}
    followed.settings["accept_unlimited_slot"] = True
    assert followed.capture().copied is not None


def test_a_row_that_leaves_the_condition_leaves_the_copy(
    cluster: Cluster, make: Callable[..., Followed]
) -> None:
    chosen = TableSelection(
        ["uuid", "role"], mode="log", key=["uuid", "role"], where="role <> 'guest'"
    )
    followed = make(cluster, tables={"person": chosen})
    followed.run(
        "ALTER TABLE person ALTER role SET NOT NULL",
        "CREATE UNIQUE INDEX identity ON person (uuid, role)",
        "ALTER TABLE person REPLICA IDENTITY USING INDEX identity",
        "INSERT INTO person VALUES (100, 'guest')",
    )
    followed.prepare()
    followed.capture()
    followed.run(
        "UPDATE person SET role = 'guest' WHERE uuid <= 10",
        "UPDATE person SET role = 'member' WHERE uuid = 100",
        "INSERT INTO person VALUES (101, 'guest')",
    )
    followed.capture()
    assert {row["uuid"] for row in followed.rows("uuid", "person")} == {*range(11, 51), 100}


def test_a_condition_the_log_cannot_judge_is_refused(
    cluster: Cluster, make: Callable[..., Followed]
) -> None:
    chosen = TableSelection(["uuid", "role"], mode="log", where="role <> 'guest'")
    followed = make(cluster, tables={"person": chosen})
    assert "condition" in sync_check(followed)


def test_a_partitioned_table_is_followed_as_one(
    cluster: Cluster, make: Callable[..., Followed]
) -> None:
    table = TableSelection(["id", "plan"], mode="log")
    followed = make(cluster, tables={"seat": table})
    followed.run(
        "CREATE TABLE seat (id int PRIMARY KEY, plan text) PARTITION BY RANGE (id)",
        "CREATE TABLE seat_1 PARTITION OF seat FOR VALUES FROM (0) TO (100)",
        "CREATE TABLE seat_2 PARTITION OF seat FOR VALUES FROM (100) TO (200)",
        "INSERT INTO seat SELECT i, 'pro' FROM generate_series(1, 150) i",
    )
    followed.prepare()
    followed.capture()
    followed.run("UPDATE seat SET id = id + 50 WHERE id BETWEEN 60 AND 99 AND id + 50 > 149")
    followed.run("DELETE FROM seat WHERE id < 20")
    assert followed.capture().changes
    assert not followed.differences("seat")


def test_every_version_is_kept_with_the_time_of_its_commit(
    cluster: Cluster, make: Callable[..., Followed]
) -> None:
    followed = make(cluster, tables={"person": structs.replace(PERSON, history=True)})
    followed.run("ALTER SYSTEM SET track_commit_timestamp = off")
    followed.prepare()
    followed.capture()
    committed = [
        followed.run(f"UPDATE person SET role = '{role}' WHERE uuid = 1 RETURNING now()")[0][0]
        for role in ("admin", "owner", "admin")
    ]
    followed.run("DELETE FROM person WHERE uuid = 1")
    followed.capture()
    versions = followed.warehouse.query(
        "SELECT role, valid_from, valid_to FROM userdata.person_history WHERE uuid = 1 "
        "ORDER BY valid_from"
    ).to_pylist()
    assert [version["role"] for version in versions] == ["member", "admin", "owner", "admin"]
    for begun_at, version in zip(committed, versions[1:], strict=True):
        late_s = (version["valid_from"] - begun_at.replace(tzinfo=None)).total_seconds()
        assert 0 <= late_s < 1
    assert all(a["valid_to"] == b["valid_from"] for a, b in pairwise(versions))
    assert versions[-1]["valid_to"].year < 9999


def test_a_table_altered_while_it_is_followed_is_copied_again(followed: Followed) -> None:
    followed.run(
        "UPDATE person SET role = 'before'",
        f"ALTER PUBLICATION {followed.slot} DROP TABLE person",
        "UPDATE person SET role = 'unseen' WHERE uuid > 20",
        "ALTER TABLE person ALTER role TYPE varchar(40)",
        f"ALTER PUBLICATION {followed.slot} ADD TABLE person (uuid, role)",
        "UPDATE person SET role = 'after' WHERE uuid > 25",
    )
    assert followed.capture().is_behind
    assert followed.capture().copied is not None
    assert not followed.differences("person")


def test_a_table_that_left_and_came_back_between_two_passes_is_copied_again(
    followed: Followed,
) -> None:
    followed.run(
        f"ALTER PUBLICATION {followed.slot} DROP TABLE person",
        "UPDATE person SET role = 'unseen'",
        f"ALTER PUBLICATION {followed.slot} ADD TABLE person (uuid, role)",
    )
    assert followed.capture().is_behind
    assert followed.capture().copied is not None
    assert not followed.differences("person")
    assert followed.capture().copied is None


def test_changes_are_followed_on_a_follower_too(
    cluster: Cluster, make: Callable[..., Followed]
) -> None:
    followed = make(cluster)
    followed.prepare()
    url = cluster.follower_url(followed.reader, followed.database)
    followed.settings["url"] = url
    cluster.wait_replayed()
    ended = threading.Event()

    def begin() -> None:
        with suppress(SourceUnavailable):
            followed.capture()
        ended.set()

    passing = threading.Thread(target=begin)
    passing.start()
    # A follower begins a slot at what its leader tells of running transactions.
    while not ended.wait(0.2):
        followed.run("SELECT pg_log_standby_snapshot()")
    passing.join()
    followed.run("UPDATE company SET name = 'Acme'")
    cluster.wait_replayed()
    followed.capture()
    assert not followed.differences()
    with psycopg.connect(
        cluster.follower_url(database=followed.database), autocommit=True
    ) as there:
        there.execute(f"SELECT pg_drop_replication_slot('{followed.slot}')")


def test_of_however_many_columns_a_value_that_does_not_change_is_kept(
    cluster: Cluster, make: Callable[..., Followed]
) -> None:
    numbers = [f"n{place}" for place in range(70)]
    columns = ["id", *numbers, "long"]
    followed = make(cluster, tables={"wide": TableSelection(columns, mode="log")})
    followed.run(
        f"CREATE TABLE wide (id int PRIMARY KEY, {' int, '.join(numbers)} int, long text)",
        "ALTER TABLE wide ALTER long SET STORAGE EXTERNAL",
        "INSERT INTO wide (id, long) SELECT i, repeat('x', 9000) || i FROM generate_series(1, 9) i",
    )
    followed.prepare()
    followed.capture()
    followed.run("UPDATE wide SET n3 = 5 WHERE id < 4", "UPDATE wide SET id = 20 WHERE id = 2")
    captured = followed.capture()
    assert captured.changes
    assert captured.copied is None
    assert not followed.differences("wide")


@pytest.mark.parametrize("by", ["functions", "replication"])
def test_who_was_cut_off_while_the_slot_was_made_takes_it_for_its_own(
    cluster: Cluster, make: Callable[..., Followed], monkeypatch: pytest.MonkeyPatch, by: str
) -> None:
    followed = make(cluster, log_by=by)
    followed.prepare()
    start = stream.PostgresChanges._started

    def cut(self: stream.PostgresChanges) -> str:
        start(self)
        raise SourceUnavailable("cut off")

    with monkeypatch.context() as cutting:
        cutting.setattr(stream.PostgresChanges, "_started", cut)
        with pytest.raises(SourceUnavailable, match="cut off"):
            followed.capture()
    assert followed.slot_state()
    assert followed.capture().copied is not None
    assert not followed.differences()


def test_the_shortest_limit_of_a_statement_is_a_limit(
    cluster: Cluster, make: Callable[..., Followed]
) -> None:
    followed = make(cluster, statement_s_max=0.4)
    followed.prepare()
    capturing = followed.capturing()
    capturing.once()
    connection = capturing._stream._connection  # type: ignore[union-attr]
    assert connection.execute("SHOW statement_timeout").fetchone() == ("400ms",)
    capturing.close()


@pytest.mark.parametrize(
    ("where", "is_same"),
    [("uuid<10", True), ("10 > uuid", False), ("uuid > 40", False), ("uuid < 11", False)],
)
def test_the_publication_chooses_the_rows_that_are_selected(
    cluster: Cluster, make: Callable[..., Followed], where: str, is_same: bool
) -> None:
    chosen = structs.replace(PERSON, where="uuid < 10")
    followed = make(cluster, tables={"person": chosen, "company": COMPANY})
    followed.prepare()
    followed.capture()
    followed.tables["person"] = structs.replace(chosen, where=where)
    followed.run("UPDATE person SET role = 'changed' WHERE uuid IN (5, 45)")
    problems = followed.capture().problems
    said = sync_check(followed)
    assert ("by another condition" in problems.get("person", "")) is not is_same
    assert ("by another condition" in said) is not is_same
    if not is_same:
        followed.run(said.partition("run on the leader: ")[2])
        followed.capture()
        assert not followed.capture().problems
        there = followed.run(f"SELECT uuid, role FROM person WHERE {where}")
        here = [tuple(row.values()) for row in followed.rows("uuid, role", "person")]
        assert sorted(here) == sorted(there)


@pytest.mark.parametrize(
    "statements",
    [
        ["DROP TABLE seat_2"],
        ["ALTER TABLE seat DETACH PARTITION seat_2"],
        ["TRUNCATE seat_2"],
        [
            "CREATE TABLE seat_3 (id int PRIMARY KEY, plan text)",
            "INSERT INTO seat_3 VALUES (250, 'free')",
            "ALTER TABLE seat ATTACH PARTITION seat_3 FOR VALUES FROM (200) TO (300)",
        ],
    ],
    ids=["dropped", "detached", "emptied", "attached"],
)
def test_what_becomes_of_partitions_becomes_of_the_copy(
    cluster: Cluster, make: Callable[..., Followed], statements: list[str]
) -> None:
    followed = make(cluster, tables={"seat": TableSelection(["id", "plan"], mode="log")})
    followed.run(
        "CREATE TABLE seat (id int PRIMARY KEY, plan text) PARTITION BY RANGE (id)",
        "CREATE TABLE seat_1 PARTITION OF seat FOR VALUES FROM (0) TO (100)",
        "CREATE TABLE seat_2 PARTITION OF seat FOR VALUES FROM (100) TO (200)",
        "INSERT INTO seat SELECT i, 'pro' FROM generate_series(1, 120) i",
    )
    followed.prepare()
    followed.capture()
    followed.run("UPDATE seat SET plan = 'free' WHERE id = 3")
    captured = followed.capture()
    assert captured.copied is None
    assert not captured.is_behind
    followed.run(*statements, "UPDATE seat SET plan = 'old' WHERE id = 4")
    assert followed.capture().is_behind
    assert followed.capture().copied is not None
    assert not followed.differences("seat")


def test_a_table_that_others_inherit_from_is_not_followed(
    cluster: Cluster, make: Callable[..., Followed]
) -> None:
    followed = make(cluster, tables={"seat": TableSelection(["id"], mode="log")})
    followed.run(
        "CREATE TABLE seat (id int PRIMARY KEY)",
        "CREATE TABLE special_seat (PRIMARY KEY (id)) INHERITS (seat)",
    )
    assert "inherit" in sync_check(followed)


def test_a_value_that_does_not_fit_keeps_no_other_table_waiting(
    cluster: Cluster, make: Callable[..., Followed]
) -> None:
    note = TableSelection(["id", "said"], mode="log")
    followed = make(cluster, tables={"note": note, "person": PERSON})
    followed.run("CREATE TABLE note (id int PRIMARY KEY, said json)")
    followed.prepare()
    followed.capture()
    with closing(followed.capturing()) as capturing:
        # PostgreSQL takes half a character for JSON, and no other engine does.
        followed.run(
            "UPDATE person SET role = 'one'", """INSERT INTO note VALUES (1, '"\\ud800"')"""
        )
        assert capturing.once().is_behind
        assert not followed.differences("person")
        followed.run("UPDATE person SET role = 'two'")
        captured = capturing.once()
        assert "does not fit" in captured.problems["note"]
        assert captured.changes == len(followed.rows("uuid", "person"))
        assert not followed.differences("person")
        state = {one.table: one for one in read_states(followed.warehouse, followed.name)}
        assert state["note"].as_of < state["person"].as_of  # type: ignore[operator]
        assert "does not fit" in str(state["note"].problem)


def test_a_table_whose_key_changes_is_copied_again(
    cluster: Cluster, make: Callable[..., Followed]
) -> None:
    chosen = TableSelection(["a", "b", "role"], mode="log", history=True)
    followed = make(cluster, tables={"member": chosen})
    followed.run(
        "CREATE TABLE member (a int, b int, role text, PRIMARY KEY (a, b))",
        "INSERT INTO member VALUES (1, 1, 'x'), (2, 1, 'y')",
    )
    followed.prepare()
    followed.capture()
    followed.run(
        "BEGIN; ALTER TABLE member DROP CONSTRAINT member_pkey; "
        "ALTER TABLE member ADD PRIMARY KEY (a); COMMIT",
        "UPDATE member SET role = 'z'",
    )
    assert followed.capture().is_behind
    assert followed.capture().copied is not None
    assert not followed.differences("member")
    open_ = followed.warehouse.query(
        "SELECT a, role FROM userdata.member_history WHERE valid_to = TIMESTAMP '9999-12-31'"
    ).to_pylist()
    assert sorted(open_, key=str) == [{"a": 1, "role": "z"}, {"a": 2, "role": "z"}]


def test_a_slot_that_nobody_reads_any_more_is_told(followed: Followed) -> None:
    followed.tables["person"] = structs.replace(PERSON, mode="full")
    del followed.tables["company"]
    said = sync_check(followed)
    assert "still keeps" in said
    followed.run(f"SELECT pg_drop_replication_slot('{followed.slot}')")
    assert "still keeps" not in sync_check(followed)


def test_a_value_that_is_lost_stops_its_table_where_that_is_asked_for(
    cluster: Cluster, make: Callable[..., Followed]
) -> None:
    day = TableSelection(["id", "starts"], mode="log", on_lost="fail")
    followed = make(cluster, tables={"day": day, "person": PERSON})
    followed.run(
        "CREATE TABLE day (id int PRIMARY KEY, starts date)",
        "INSERT INTO day VALUES (1, '2026-01-01')",
    )
    followed.prepare()
    followed.capture()
    with closing(followed.capturing()) as capturing:
        followed.run("UPDATE day SET starts = 'infinity'", "UPDATE person SET role = 'one'")
        assert capturing.once().is_behind
        assert "1 of starts" in capturing.once().problems["day"]
        assert [str(row["starts"]) for row in followed.rows("starts", "day")] == ["2026-01-01"]
        assert not followed.differences("person")
        followed.run("UPDATE day SET starts = '2026-02-02'")
    followed.capture()
    assert not followed.differences("day")
