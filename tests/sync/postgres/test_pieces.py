from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

from turnout.config import TableSelection
from turnout.errors import SourceRefused, SourceUnavailable
from turnout.sync.postgres import pieces, snapshot, worker
from turnout.sync.postgres.statement import Blocks
from turnout.sync.source import Keys, WrittenSince

MANY = """
CREATE TABLE many (id int PRIMARY KEY, text text) WITH (fillfactor = 70);
INSERT INTO many SELECT i, repeat('row ' || i, 10) FROM generate_series(1, 20000) AS i;
DELETE FROM many WHERE id % 10 = 0;
"""
IDS = [number for number in range(1, 20_001) if number % 10]


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pieces of 32 KiB's worth of rows: some dozens of them; batches of a few rows."""
    monkeypatch.setattr(pieces, "PIECE_BLOCKS", 16)
    monkeypatch.setattr(worker, "BATCH_BYTES", 8 * 1024)


@pytest.fixture(params=["one connection", "two connections"])
def connections(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Alone, and as many at once as on a machine with more processors than this one."""
    if request.param == "two connections":
        monkeypatch.setattr(snapshot, "CORES_MIN", 1)
    return str(request.param)


def read(found: Any, *, at: int = -1, action: Any = None, part: Any = None) -> list[Any]:
    """The first column of the first table; `action` happens when batch `at` has come."""
    (table,) = found.tables
    ids = []
    for number, batch in enumerate(found.rows(table, part) if part else found.rows(table)):
        ids += batch.column(0).to_pylist()
        if number == at:
            action()
    return sorted(ids)


def terminate(run: Any, *, only: str = "") -> None:
    """End the reader's connections: all, or those whose last statement begins so."""
    run(
        "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity "
        "WHERE application_name = 'turnout' AND datname = current_database() "
        f"AND query LIKE '{only}%'"
    )


@pytest.mark.usefixtures("connections")
def test_rows_that_move_meanwhile_arrive_once_as_they_were(run: Any, leader: Any) -> None:
    run(MANY)

    def write() -> None:
        run("UPDATE many SET id = -id, text = text || text")
        run("INSERT INTO many SELECT i, 'later' FROM generate_series(20001, 30000) AS i")
        run("VACUUM many")

    with leader({"many": ["id", "text"]}).snapshot() as found:
        assert read(found, at=2, action=write) == IDS
        # Pages that were added since lie behind the end that is known.
        assert read(found) == IDS
        assert read(found, part=Keys()) == IDS
        assert read(found, part=WrittenSince(3)) == IDS


@pytest.mark.usefixtures("connections")
def test_a_cut_connection_is_made_again_inside_the_snapshot(run: Any, leader: Any) -> None:
    run(MANY)
    cuts = []

    def cut() -> None:
        cuts.append(1)
        run("DELETE FROM many")
        terminate(run, only="COPY (SELECT")

    with leader({"many": ["id", "text"]}).snapshot() as found:
        assert read(found, at=3, action=cut) == IDS
    assert cuts


def test_a_connection_that_was_idle_for_long_is_made_again(run: Any, leader: Any) -> None:
    run(MANY)
    with leader({"many": ["id"]}).snapshot() as found:
        assert read(found) == IDS
        terminate(run, only="COPY (SELECT")
        assert read(found) == IDS


@pytest.mark.parametrize("skip", [0, 1, 40, 200, 1_000])
def test_a_piece_is_taken_up_again_where_it_was(run: Any, leader: Any, skip: int) -> None:
    run(MANY)
    with leader({"many": ["id"]}).snapshot() as found:
        table = found._reads[found.tables[0].selected]
        statement = table.statement(pieces_part())
        one = found._workers[0]
        piece = pieces.Piece(Blocks(0, 16), 16)
        ids = [value for batch in pieces.read(one, statement, piece) for value in values(batch)]
        halves = list(pieces._halves(one, statement, piece, min(skip, len(ids))))
        rest = [
            value
            for half in halves
            for batch in pieces.read(one, statement, half)
            for value in values(batch)
        ]
    assert rest == ids[skip:]
    assert all(half.end <= piece.end and half.retries == 1 for half in halves)


def pieces_part() -> Any:
    from turnout.sync.source import WHOLE

    return WHOLE


def values(batch: Any) -> Iterator[int]:
    yield from batch.column(0).to_pylist()


def test_a_statement_that_takes_too_long_is_cut_in_two_and_then_given_up(
    run: Any, leader: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    # All of a piece is read before any of it is handed on; each row fills a block.
    monkeypatch.setattr(worker, "BATCH_BYTES", 1024 * 1024)
    run(
        "CREATE TABLE slow (id int, text text); ALTER TABLE slow ALTER text SET STORAGE PLAIN;"
        "INSERT INTO slow SELECT i, repeat('x', 5000) FROM generate_series(1, 16) AS i;"
        "CREATE FUNCTION slowly(s float8) RETURNS bool LANGUAGE sql VOLATILE "
        "AS 'SELECT pg_catalog.pg_sleep(s) IS NOT NULL'"
    )
    slow = TableSelection(["id"], where="public.slowly(0.05)")
    slower = TableSelection(["id"], where="id <= 4 AND public.slowly(0.4)")
    with leader({"slow": slow}, statement_s_max=0.6).snapshot() as found:
        assert len(found._pieces(*asked(found))) == 1
        assert read(found) == list(range(1, 17))
    with (
        leader({"slow": slower}, statement_s_max=0.7).snapshot() as found,
        pytest.raises(SourceUnavailable, match="longer than statement_s_max"),
    ):
        read(found)


def test_a_snapshot_that_ended_early_is_begun_again(run: Any, leader: Any) -> None:
    run(MANY)
    reader = leader({"many": ["id"]})
    with reader.snapshot() as found:
        terminate(run)
        with pytest.raises(SourceUnavailable, match="begins again with a new one"):
            found.rows(found.tables[0])
    with reader.snapshot() as found:
        assert read(found) == IDS


def test_what_has_no_places_is_read_in_one_piece(
    run: Any, leader: Any, company: Any, reader: Any
) -> None:
    run(MANY + "CREATE VIEW few AS SELECT id FROM many")
    with leader({"few": ["id"]}).snapshot() as found:
        assert not found.tables[0].has_xmin
        assert read(found) == IDS
    # Nor what the role may not see the places of.
    company.grant({"company": ["name"]})
    with reader(company.follower_url(company.reader), {"company": ["name"]}).snapshot() as found:
        assert not found.tables[0].has_xmin
        assert read(found) == ["Acme", "Globex"]
        assert found._pieces(*asked(found)) == [pieces.Piece()]
    company.run(f"GRANT SELECT (ctid, xmin) ON company TO {company.reader}")
    with reader(company.follower_url(company.reader), {"company": ["name"]}).snapshot() as found:
        assert found.tables[0].has_xmin
        assert found._pieces(*asked(found)) == pieces.pieces(1)
        assert read(found) == ["Acme", "Globex"]


def asked(found: Any) -> tuple[Any, Any, Any]:
    table = found._reads[found.tables[0].selected]
    return table, table.statement(pieces_part()), pieces_part()


@pytest.mark.usefixtures("connections")
def test_partitions_and_children_are_read_by_place_too(run: Any, leader: Any) -> None:
    run(
        "CREATE TABLE visit (id int, day date) PARTITION BY RANGE (day);"
        "CREATE TABLE visit_1 PARTITION OF visit FOR VALUES FROM ('2026-01-01') TO ('2026-02-01');"
        "CREATE TABLE visit_2 PARTITION OF visit FOR VALUES FROM ('2026-02-01') TO ('2026-03-01');"
        "INSERT INTO visit SELECT i, date '2026-01-20' + i / 1000 FROM generate_series(1, 20000) i;"
        "CREATE TABLE parent (id int); CREATE TABLE child (more int) INHERITS (parent);"
        "INSERT INTO parent VALUES (0); INSERT INTO child SELECT generate_series(1, 9999), 1"
    )
    with leader({"visit": ["id"]}).snapshot() as found:
        assert len(found._pieces(*asked(found))) > 2
        assert read(found) == list(range(1, 20_001))
    with leader({"parent": ["id"]}).snapshot() as found:
        assert read(found) == list(range(10_000))


def test_an_index_is_left_to_find_the_rows_of_a_condition(run: Any, leader: Any) -> None:
    run(MANY + "ANALYZE many")
    few, most = TableSelection(["id"], where="id < 20"), TableSelection(["id"], where="id > 20")
    with leader({"many": few}).snapshot() as found:
        assert found._pieces(*asked(found)) == [pieces.Piece()]
        assert read(found) == [number for number in IDS if number < 20]
    with leader({"many": most}).snapshot() as found:
        assert len(found._pieces(*asked(found))) > 2


def test_a_reading_that_is_given_up_leaves_nothing_running(
    run: Any, leader: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(snapshot, "CORES_MIN", 1)
    run(MANY)
    before = threading.active_count()
    with leader({"many": ["id", "text"]}).snapshot() as found:
        batches = iter(found.rows(found.tables[0]))
        next(batches)
        assert threading.active_count() > before
        batches.close()
        assert threading.active_count() == before
        # And the connections serve the next table.
        assert read(found) == IDS
    left = (
        "SELECT count(*) FROM pg_stat_activity "
        "WHERE application_name = 'turnout' AND datname = current_database()"
    )
    deadline = time.monotonic() + 20
    while run(left).fetchone() != (0,):
        assert time.monotonic() < deadline


def test_an_error_of_one_connection_is_everybodys(
    run: Any, leader: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(snapshot, "CORES_MIN", 1)
    run(MANY + "CREATE VIEW odd AS SELECT id FROM many")
    run("ALTER TABLE many ADD bad text; UPDATE many SET bad = 'x' WHERE id = 15001")
    where = TableSelection(["id"], where="id = 0 OR bad IS NULL OR bad::int > 0")
    with leader({"many": where}).snapshot() as found:
        with pytest.raises(SourceRefused, match="code 22P02"):
            read(found)
        assert "'x'" not in str(found.problems)


def test_the_pace_is_kept(run: Any, leader: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    run(MANY)
    slept: list[float] = []
    clock = [0.0]

    def sleep(seconds: float) -> None:
        slept.append(seconds)
        clock[0] += seconds

    monkeypatch.setattr("turnout.sync.postgres.pace.sleep", sleep)
    monkeypatch.setattr("turnout.sync.postgres.pace.monotonic", lambda: clock[0])
    with leader({"many": ["id"]}, rows_per_s_max=1000).snapshot() as found:
        assert read(found) == IDS
    assert sum(slept) == pytest.approx(len(IDS) / 1000)
    assert max(slept) <= 1


def test_a_leader_is_not_held_longer_than_allowed(
    run: Any, leader: Any, follower: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(MANY)
    clock = [0.0]
    monkeypatch.setattr("turnout.sync.postgres.pace.monotonic", lambda: clock[0])

    def later() -> None:
        clock[0] += 61

    with leader({"many": ["id"]}, snapshot_s_max=60).snapshot() as found:
        limit = found._control.execute("SHOW idle_in_transaction_session_timeout").fetchone()
        assert limit == ("1min",)
        with pytest.raises(SourceRefused, match="more than snapshot_s_max, 60 s"):
            read(found, at=2, action=later)
    with follower({"many": ["id"]}, snapshot_s_max=60).snapshot() as found:
        assert read(found, at=2, action=later) == IDS


def test_a_table_written_anew_while_the_snapshot_is_taken_is_not_found_empty(
    run: Any, leader: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(MANY)
    take = snapshot.PostgresSnapshot.take

    def taken_late(self: Any, *arguments: Any) -> None:
        run("ALTER TABLE many ALTER id TYPE bigint")
        take(self, *arguments)

    def rewritten(self: Any, *arguments: Any) -> None:
        run("UPDATE many SET id = id; CREATE TABLE other AS TABLE many; TRUNCATE many")
        take(self, *arguments)

    reader = leader({"many": ["id"]})
    for late in (taken_late, rewritten):
        monkeypatch.setattr(snapshot.PostgresSnapshot, "take", late)
        with pytest.raises(SourceUnavailable, match="changed while the snapshot"):
            reader.snapshot().__enter__()


def test_a_locked_table_keeps_no_other_out(run: Any, leader: Any, application: Any) -> None:
    run("CREATE TABLE a (id int); CREATE TABLE b (id int)")
    application.execute("BEGIN; LOCK TABLE a")
    try:
        with leader({"a": ["id"], "b": ["id"]}).snapshot() as found:
            (sentence,) = found.problems.values()
            assert "'a' is locked by another session" in sentence
            assert [table.selected.name for table in found.tables] == ["b"]
            assert read(found) == []
    finally:
        application.execute("ROLLBACK")


def test_bytes_that_are_no_text_are_refused(cluster: Any, reader: Any) -> None:
    name = "ascii_bytes"
    with cluster.connect("postgres") as connection:
        connection.execute(
            f"CREATE DATABASE {name} ENCODING 'SQL_ASCII' LC_COLLATE 'C' LC_CTYPE 'C' "
            "TEMPLATE template0"
        )
    try:
        with psycopg.connect(cluster.leader_url(database=name), autocommit=True) as connection:
            connection.execute("CREATE TABLE visit (id int, city text, more text)")
            connection.execute("INSERT INTO visit VALUES (1, E'K\\303\\266ln', 'x'), (2, 'x', 'y')")
            connection.execute("UPDATE visit SET more = E'K\\366ln' WHERE id = 1")
        url = cluster.leader_url(database=name)
        with reader(url, {"visit": ["id", "city"]}).snapshot() as found:
            assert read(found) == [1, 2]
        with (
            reader(url, {"visit": ["id", "city", "more"]}).snapshot() as found,
            pytest.raises(SourceRefused, match="holds text that is not valid"),
        ):
            read(found)
    finally:
        with cluster.connect("postgres") as connection:
            connection.execute(f"DROP DATABASE {name} WITH (FORCE)")
