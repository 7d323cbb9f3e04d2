from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pyarrow as pa
import pytest
from msgspec import structs

from tests.sync.mysql.server import PASSWORD, MariaDB
from turnout import sync
from turnout.config import TableSelection
from turnout.errors import SourceRefused, SourceUnavailable
from turnout.sync.mysql import wire
from turnout.sync.opening import open_source
from turnout.sync.source import WHOLE, Instant, Keys, Part, Since, SourceTable
from turnout.warehouse import Warehouse

SECRET = b"s" * 32
CURSOR = TableSelection(["id", "at", "page"], cursor="at", mode="cursor")


def copy(source: Any, warehouse: Warehouse) -> sync.Run:
    return sync.copy("app", source, warehouse, secret=SECRET)


def rows(warehouse: Warehouse, table: str) -> list[list[Any]]:
    answer = warehouse.query(f"SELECT * FROM userdata.{table} ORDER BY ALL")
    return [list(row.values()) for row in answer.to_pylist()]


@contextmanager
def snapshot(source: Any, after: Instant | None = None) -> Iterator[Any]:
    selection = sync.selected_tables("app", source)
    with open_source("app", source).snapshot(selection, after) as snapshot:
        yield snapshot


def read(snapshot: Any, part: Part = WHOLE, table: SourceTable | None = None) -> list[Any]:
    batches = snapshot.rows(table or snapshot.tables[0], part)
    found: list[Any] = pa.Table.from_batches(list(batches), batches.schema).to_pylist()
    return found


def instant_of(source: Any) -> Instant:
    with snapshot(source) as taken:
        instant: Instant = taken.instant
        return instant


def test_what_is_selected_arrives_and_nothing_else(company: Any, warehouse: Warehouse) -> None:
    company.grant()
    run = copy(company.source(), warehouse)
    assert run.rows == 5
    assert rows(warehouse, "company") == [["a", "Acme", "pro"], ["b", "Globex", None]]
    # No role and an empty one are two things.
    assert rows(warehouse, "person") == [
        ["1", "admin", datetime.fromisoformat("2026-01-01")],
        ["2", "", datetime.fromisoformat("2026-01-02")],
        ["3", None, None],
    ]


def test_no_statement_names_a_column_that_is_not_selected(
    company: Any, warehouse: Warehouse, mariadb: MariaDB
) -> None:
    company.grant()
    before = "SET GLOBAL log_output = 'TABLE'", "SET GLOBAL general_log = ON"
    mariadb.run("TRUNCATE mysql.general_log", *before)
    try:
        copy(company.source(), warehouse)
        sync.check("app", company.source())
    finally:
        mariadb.run("SET GLOBAL general_log = OFF")
    sent = [
        str(text)
        for (text,) in mariadb.run(
            "SELECT argument FROM mysql.general_log "
            f"WHERE user_host LIKE '%{company.reader}%' AND command_type = 'Query'"
        )
    ]
    reading = [text for text in sent if f"FROM `{company.database}`" in text]
    assert len(reading) == 6  # once to hold each table and once to read it; a look holds them, too
    for text in sent:
        assert "email" not in text
        assert "full_name" not in text
        assert "seats" not in text
        assert "*" not in text


def test_all_tables_are_as_of_one_instant(company: Any) -> None:
    company.grant()
    with snapshot(company.source()) as taken:
        company.run("DELETE FROM person", "UPDATE company SET plan = 'new'")
        first, second = taken.tables
        assert {row["plan"] for row in read(taken, table=first)} == {"pro", None}
        assert len(read(taken, table=second)) == 3


def test_a_position_and_its_rows_are_of_one_instant(company: Any) -> None:
    company.grant()
    source = company.source()
    before = instant_of(source)
    assert instant_of(source).position == before.position
    company.run("DELETE FROM person")
    after = instant_of(source)
    assert after.server == before.server
    assert after.position > before.position


def test_a_table_is_kept_as_it_is_while_it_is_read(company: Any) -> None:
    company.grant()
    with snapshot(company.source()) as taken:
        altering = company.server.connect(company.database)
        with altering, altering.cursor() as cursor:
            cursor.execute("SET lock_wait_timeout = 1")
            with pytest.raises(Exception, match="Lock wait timeout"):
                cursor.execute("ALTER TABLE company DROP COLUMN plan")
        assert len(read(taken)) == 2


def test_a_locked_table_does_not_keep_the_others_from_being_read(company: Any) -> None:
    company.grant()
    locking = company.server.connect(company.database)
    with locking, locking.cursor() as cursor:
        cursor.execute("LOCK TABLES company WRITE")
        with snapshot(company.source()) as taken:
            ((locked, problem),) = taken.problems.items()
            assert locked.name == "company"
            assert "is locked by another session" in problem
            assert len(read(taken)) == 3


def test_parts_are_what_they_say(company: Any) -> None:
    company.run(
        "CREATE TABLE visit (id int PRIMARY KEY, at datetime(6), page text, KEY (at))",
        "INSERT INTO visit VALUES (1, '2026-01-01', 'a'), (2, NULL, 'b'), "
        "(3, '2026-01-01 00:00:00.000001', 'c'), (4, '9999-12-31', 'future')",
    )
    company.grant({"visit": CURSOR})
    with snapshot(company.source({"visit": CURSOR})) as taken:
        (table,) = taken.tables
        assert table.has_indexed_cursor
        assert not table.has_xmin
        assert table.shape.key == ("id",)
        assert sorted(row["id"] for row in read(taken, Keys())) == [1, 2, 3, 4]
        assert taken.rows(table, Keys()).schema.names == ["id"]
        since = read(taken, Since("2026-01-01 00:00:00.000001"))
        assert sorted(row["id"] for row in since) == [2, 3, 4]
        largest = datetime.fromisoformat(taken.cursor_max(table)).replace(tzinfo=UTC)
        assert largest == taken.instant.now  # a row of the future holds up nobody


def test_a_number_is_compared_as_one(company: Any) -> None:
    big = 9_007_199_254_740_993  # one more than a float can tell
    company.run(
        "CREATE TABLE visit (id bigint PRIMARY KEY)",
        f"INSERT INTO visit VALUES ({big - 1}), ({big})",
    )
    selected = {"visit": TableSelection(["id"], cursor="id")}
    company.grant(selected)
    with snapshot(company.source(selected)) as taken:
        assert taken.cursor_max(taken.tables[0]) == str(big)
        assert read(taken, Since(str(big))) == [{"id": big}]


@pytest.mark.parametrize("key", ["'", "\\", "\\'", "'; SELECT 1"])
def test_a_bound_is_a_value_whatever_is_in_it(company: Any, key: str) -> None:
    company.grant({"company": ["uuid"]})
    source = company.source({"company": TableSelection(["uuid"], cursor="uuid")})
    with snapshot(source) as taken, pytest.raises(SourceRefused, match="neither a time nor"):
        read(taken, Since(key))
    company.grant({"person": ["uuid", "created_at"]})
    source = company.source({"person": TableSelection(["uuid", "created_at"], cursor="created_at")})
    with snapshot(source) as taken:
        assert isinstance(read(taken, Since(key)), list)


def test_rows_of_transactions_that_were_open_arrive_with_the_next_copy(
    company: Any, warehouse: Warehouse
) -> None:
    company.run(
        "CREATE TABLE visit (id int PRIMARY KEY, at datetime(6), page text, KEY (at))",
        "INSERT INTO visit VALUES (1, UTC_TIMESTAMP(6), 'before')",
    )
    company.run(f"GRANT PROCESS ON *.* TO {company.reader}@'%'")
    selected = {"visit": structs.replace(CURSOR, lag_s=0.0)}
    company.grant(selected)
    writing = company.server.connect(company.database)
    with writing, writing.cursor() as cursor:
        cursor.execute("BEGIN")
        cursor.execute("INSERT INTO visit VALUES (2, UTC_TIMESTAMP(6), 'open')")
        company.run("INSERT INTO visit VALUES (3, UTC_TIMESTAMP(6), 'during')")
        copy(company.source(selected), warehouse)
        assert [row[0] for row in rows(warehouse, "visit")] == [1, 3]
        cursor.execute("COMMIT")
    copy(company.source(selected), warehouse)
    assert [row[0] for row in rows(warehouse, "visit")] == [1, 2, 3]


def test_the_oldest_open_transaction_is_known_to_those_who_may_see_it(company: Any) -> None:
    company.grant()
    source = company.source()
    assert instant_of(source).oldest_open is None
    company.run(f"GRANT PROCESS ON *.* TO {company.reader}@'%'")
    idle = instant_of(source)
    assert idle.oldest_open == idle.now
    writing = company.server.connect(company.database)
    with writing, writing.cursor() as cursor:
        cursor.execute("BEGIN")
        cursor.execute("UPDATE company SET seats = 1")
        ((began_at,),) = company.run("SELECT UTC_TIMESTAMP(6)")
        oldest = instant_of(source).oldest_open
    assert oldest is not None
    # The server tells seconds, in a time zone of its own.
    assert abs(oldest - began_at.replace(tzinfo=UTC)) < timedelta(seconds=2)


def test_deleted_rows_are_found_by_their_keys(company: Any, warehouse: Warehouse) -> None:
    company.run(
        "CREATE TABLE visit (id int PRIMARY KEY, at datetime(6), page text, KEY (at))",
        "INSERT INTO visit SELECT seq, '2026-01-01', 'x' FROM seq_1_to_10",
    )
    selected = {"visit": CURSOR}
    company.grant(selected)
    copy(company.source(selected), warehouse)
    company.run("DELETE FROM visit WHERE id = 7")
    copy(company.source(selected), warehouse)
    assert [row[0] for row in rows(warehouse, "visit")] == [1, 2, 3, 4, 5, 6, 8, 9, 10]


def test_a_new_column_is_not_copied(company: Any, warehouse: Warehouse) -> None:
    company.grant()
    copy(company.source(), warehouse)
    company.run("ALTER TABLE person ADD COLUMN phone text DEFAULT '+49 30 123456' AFTER uuid")
    copy(company.source(), warehouse)
    (table,) = [t for t in warehouse.tables("userdata") if t.name == "person"]
    assert [column.name for column in table.columns] == ["uuid", "role", "created_at"]


def test_a_widened_column_goes_on_and_a_dropped_one_stops(
    company: Any, warehouse: Warehouse
) -> None:
    selected = {"company": ["uuid", "seats"], "person": ["uuid"]}
    company.grant(selected)
    copy(company.source(selected), warehouse)
    company.run("ALTER TABLE company MODIFY seats bigint unsigned")
    company.run("UPDATE company SET seats = 18446744073709551615 WHERE uuid = 'a'")
    copy(company.source(selected), warehouse)
    assert int(rows(warehouse, "company")[0][1]) == 2**64 - 1
    company.run("ALTER TABLE company DROP COLUMN seats", "DELETE FROM person WHERE uuid = '1'")
    run = copy(company.source(selected), warehouse)
    assert "has no column 'seats'" in str(run.problems)
    assert len(rows(warehouse, "company")) == 2
    assert len(rows(warehouse, "person")) == 2


def test_odd_names_work(company: Any, warehouse: Warehouse) -> None:
    long = "n" * 63
    odd = "say `hi` %s"
    company.run(
        f"CREATE TABLE `{odd.replace('`', '``')}` "
        f"(`select` int, `Upper` text, `with.dot` int, `{long}` int, `per%cent {{}}` int)",
    )
    company.run(f"INSERT INTO `{odd.replace('`', '``')}` VALUES (1, 'x', 2, 3, 4)")
    names = ["select", "Upper", "with.dot", long, "per%cent {}"]
    selection = {f'"{odd}"': names}
    company.grant(selection)
    assert sync.check("app", company.source(selection)) == []
    copy(company.source(selection), warehouse)
    (table,) = warehouse.tables("userdata")
    assert table.name == odd
    assert [column.name for column in table.columns] == names
    assert rows(warehouse, f'"{odd}"') == [[1, "x", 2, 3, 4]]


def test_tables_of_another_database_and_views_are_tables_too(
    company: Any, warehouse: Warehouse, mariadb: MariaDB
) -> None:
    other = f"{company.database}_other"
    mariadb.run(f"CREATE DATABASE {other}", f"CREATE TABLE {other}.invoice (id int PRIMARY KEY)")
    mariadb.run(f"INSERT INTO {other}.invoice VALUES (1), (2)")
    company.run("CREATE VIEW paying AS SELECT uuid FROM company WHERE plan IS NOT NULL")
    selection = {f"{other}.invoice": ["id"], "paying": ["uuid"]}
    company.grant(selection)
    run = copy(company.source(selection), warehouse)
    assert [table.rows for table in run.tables] == [2, 1]
    mariadb.run(f"DROP DATABASE {other}")


def test_only_named_keys_of_a_document_are_read(company: Any, warehouse: Warehouse) -> None:
    company.run(
        "CREATE TABLE setting (id int PRIMARY KEY, doc json)",
        """INSERT INTO setting VALUES (1, '{"plan": {"a": 1}, "it''s": "x", "email": "a@b"}'), """
        """(2, '{"email": "a@b"}'), (3, NULL)""",
    )
    selected = {"setting": TableSelection(["id", "doc"], json_keys={"doc": ["plan", "it's"]})}
    company.grant(selected)
    with snapshot(company.source(selected)) as taken:
        documents = [row["doc"] for row in read(taken)]
    assert documents == ['{"plan": {"a": 1}, "it\'s": "x"}', '{"plan": null, "it\'s": null}', None]


def test_a_text_that_is_none_is_refused_without_being_said(
    company: Any, warehouse: Warehouse
) -> None:
    company.run(
        "CREATE TABLE note (id int PRIMARY KEY, body text CHARACTER SET utf8mb4)",
        "INSERT INTO note VALUES (1, 'fine')",
    )
    company.grant({"note": ["id", "body"]})
    source = company.source({"note": ["id", "body"]})
    with snapshot(source) as taken, pytest.MonkeyPatch.context() as patch:
        # The server lets none in any more, but old versions did.
        patch.setattr(wire, "values", lambda *_: iter([[b"1", b"caf\xe9"]]))
        with pytest.raises(SourceRefused, match=r"note\.body is not what its type says") as failed:
            read(taken)
    assert "caf" not in str(failed.value)


def test_rows_of_any_size_arrive(company: Any) -> None:
    company.run("CREATE TABLE big (id int PRIMARY KEY, body longblob, tail text)")
    # The last but one fills a packet to its last byte, and an empty one follows.
    sizes = [0, 250, 251, 252, 65_535, 65_536, 2**24 - 12, 2**24 + 5]
    for number, size in enumerate(sizes):
        company.run(f"INSERT INTO big VALUES ({number}, REPEAT('x', {size}), 'tail')")
    company.grant({"big": ["id", "body", "tail"]})
    with snapshot(company.source({"big": ["id", "body", "tail"]})) as taken:
        found = read(taken)
    assert [len(row["body"]) for row in found] == sizes
    assert {row["tail"] for row in found} == {"tail"}


def test_many_rows_come_in_batches(company: Any) -> None:
    company.run(
        "CREATE TABLE many (id int PRIMARY KEY, u char(36))",
        "INSERT INTO many SELECT seq, UUID() FROM seq_1_to_60000",
    )
    company.grant({"many": ["id", "u"]})
    with snapshot(company.source({"many": ["id", "u"]})) as taken:
        batches = list(taken.rows(taken.tables[0]))
    assert [row for batch in batches for row in batch["id"].to_pylist()] == [*range(1, 60_001)]
    assert len(batches) > 2
    assert max(batch.nbytes for batch in batches) < 4 * 1024**2


def test_reading_keeps_the_pace_it_is_given(company: Any) -> None:
    company.grant()
    source = company.source({"person": ["uuid"]}, rows_per_s_max=10)
    began_s = time.monotonic()
    with snapshot(source) as taken:
        read(taken)
    assert time.monotonic() - began_s >= 0.3


def test_a_snapshot_is_not_held_open_on_a_leader_for_longer_than_allowed(company: Any) -> None:
    company.grant()
    with (
        snapshot(company.source(snapshot_s_max=0.001)) as taken,
        pytest.raises(SourceRefused, match="held a snapshot on the leader"),
    ):
        read(taken)


def test_a_statement_that_takes_too_long_is_given_up(company: Any) -> None:
    company.run("CREATE VIEW slow AS SELECT uuid, SLEEP(5) AS waits FROM company")
    company.grant({"slow": ["uuid", "waits"]})
    source = company.source({"slow": ["uuid", "waits"]}, statement_s_max=0.2)
    with snapshot(source) as taken, pytest.raises(SourceUnavailable, match="longer than allowed"):
        read(taken)


def test_a_connection_that_is_cut_can_be_tried_again(company: Any, warehouse: Warehouse) -> None:
    company.grant()
    copy(company.source(), warehouse)
    with snapshot(company.source()) as taken:
        kill(company)
        with pytest.raises(SourceUnavailable, match="could not be read to its end"):
            read(taken)
    assert len(rows(warehouse, "person")) == 3


def test_a_cut_in_the_middle_of_a_table_leaves_the_old_rows(
    company: Any, warehouse: Warehouse
) -> None:
    company.run(
        "CREATE TABLE many (id int PRIMARY KEY, u text)",
        "INSERT INTO many SELECT seq, 'x' FROM seq_1_to_20",
    )
    company.grant({"many": ["id", "u"]})
    copy(company.source({"many": ["id", "u"]}), warehouse)
    # More than fits on the way.
    company.run("INSERT INTO many SELECT seq, REPEAT('x', 2000) FROM seq_21_to_20000")
    cut = threading.Event()

    def progress(_: sync.Progress) -> None:
        if not cut.is_set():
            cut.set()
            kill(company)

    source = company.source({"many": ["id", "u"]})
    with pytest.raises(SourceUnavailable):
        sync.copy("app", source, warehouse, secret=SECRET, progress=progress)
    assert cut.is_set()
    assert len(rows(warehouse, "many")) == 20


def kill(company: Any) -> None:
    """End the reader's connection, as a network would."""
    of_reader = f"WHERE user = '{company.reader}'"
    found = company.run(f"SELECT id FROM information_schema.processlist {of_reader}")
    company.run(*(f"KILL {number}" for (number,) in found))


@pytest.mark.parametrize(
    ("part", "wrong", "message"),
    [
        (PASSWORD.replace("%", "%25").replace("/", "%2F").replace("@", "%40"), "guess", "password"),
        ("reader_", "nobody_", "the user or its password is wrong"),
        ("/test_", "/nowhere_", "may not use the database"),
    ],
)
def test_a_wrong_url_is_the_operators_to_mend(
    company: Any, part: str, wrong: str, message: str
) -> None:
    url = company.url().replace(part, wrong)
    with pytest.raises(SourceRefused, match=message) as failed, snapshot(company.source(url=url)):
        pass
    assert PASSWORD not in str(failed.value)
    assert wrong not in str(failed.value).replace(f"/{wrong[1:]}", "")


def test_a_server_that_is_not_there_is_unavailable(company: Any) -> None:
    url = f"mysql://turnout:hidden@127.0.0.1:1/{company.database}"
    with pytest.raises(SourceUnavailable, match="cannot be reached") as failed:
        sync.check("app", company.source(url=url))
    assert "hidden" not in str(failed.value)


def test_a_table_without_snapshots_is_warned_of(company: Any) -> None:
    company.run("CREATE TABLE old (id int PRIMARY KEY) ENGINE = MyISAM")
    company.grant({"old": ["id"]})
    (sentence,) = sync.check("app", company.source({"old": ["id"]}))
    assert "stored by MyISAM, which has no snapshots" in sentence
