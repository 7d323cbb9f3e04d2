"""Change capture against a real MariaDB: whatever happens there, the copy becomes the same."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec import structs

from tests.sync.mysql.conftest import Company
from tests.sync.mysql.server import MariaDB
from turnout import sync
from turnout.config import Source, TableSelection
from turnout.errors import LogLost, SourceRefused, SourceUnavailable
from turnout.sync.mysql import stream
from turnout.sync.mysql.gathering import Gathering
from turnout.sync.opening import open_source
from turnout.sync.source import ChangeStream
from turnout.warehouse import Warehouse

SECRET = b"s" * 32
TABLES = """
CREATE TABLE company (
    id int PRIMARY KEY, secret text DEFAULT 'secret', plan varchar(20), since datetime(6)
);
INSERT INTO company SELECT seq, 'secret', 'free', '2026-01-01' FROM seq_1_to_50;
CREATE TABLE person (id int PRIMARY KEY, role varchar(20) CHARACTER SET latin1);
INSERT INTO person SELECT seq, 'member' FROM seq_1_to_50
"""
SELECTED = {
    "company": TableSelection(["id", "plan", "since"], mode="log"),
    "person": TableSelection(["id", "role"], mode="log"),
}
# What may happen between two passes.
WRITES = {
    "rows come, change and go": """
        INSERT INTO company (id, plan) VALUES (100, 'pro');
        UPDATE company SET plan = 'gone soon' WHERE id < 10;
        DELETE FROM company WHERE id < 5""",
    "a changed key": "UPDATE company SET id = id + 1000 WHERE id < 10",
    "keys that are swapped": """
        BEGIN;
        UPDATE company SET id = -1 WHERE id = 1;
        UPDATE company SET id = 1 WHERE id = 2;
        UPDATE company SET id = 2 WHERE id = -1;
        COMMIT""",
    "a row that goes and comes": """
        BEGIN;
        DELETE FROM company WHERE id = 5;
        INSERT INTO company (id, plan) VALUES (5, '');
        COMMIT""",
    "a row that comes and goes": """
        BEGIN;
        INSERT INTO company (id) VALUES (3000);
        DELETE FROM company WHERE id = 3000;
        COMMIT""",
    "a table that is emptied and filled": """
        TRUNCATE company;
        INSERT INTO company (id, plan) VALUES (1, NULL), (2, '')""",
    "a part that is undone": """
        BEGIN;
        INSERT INTO company (id) VALUES (4000);
        SAVEPOINT here;
        DELETE FROM company;
        ROLLBACK TO here;
        COMMIT""",
    "several tables at once": """
        BEGIN;
        UPDATE company, person SET company.plan = 'joined', person.role = 'joined'
            WHERE company.id = person.id AND company.id < 20;
        DELETE FROM person WHERE id = 1;
        COMMIT""",
    "a replaced row": "REPLACE INTO company (id, plan) VALUES (7, 'replaced')",
    "a row that is there already": """
        INSERT INTO company (id, plan) VALUES (8, 'new')
            ON DUPLICATE KEY UPDATE plan = 'again'""",
    "columns that are nobody's business": """
        ALTER TABLE company ADD COLUMN email text DEFAULT 'alice@acme.example' FIRST;
        ALTER TABLE company DROP COLUMN secret;
        UPDATE company SET plan = 'later' WHERE id = 3""",
    "statements in the log that change nothing": """
        CREATE INDEX by_plan ON company (plan);
        ANALYZE TABLE company;
        CREATE TABLE other (company int, plan int);
        UPDATE company SET plan = 'later' WHERE id = 3;
        DROP TABLE other""",
    "a text of another character set": "UPDATE person SET role = 'señor€' WHERE id = 9",
}
# After these a table's rows cannot be followed, and it is copied whole.
TEARING = {
    "an altered column": """
        ALTER TABLE company MODIFY plan varchar(10) DEFAULT 'none';
        UPDATE company SET plan = 'altered' WHERE id = 3""",
    "a column of another type": """
        UPDATE company SET plan = '12';
        ALTER TABLE company MODIFY plan int""",
    "a table that is another one": """
        CREATE TABLE next LIKE company;
        INSERT INTO next SELECT id, secret, 'next', since FROM company WHERE id > 3;
        RENAME TABLE company TO old, next TO company""",
    "a statement instead of rows": """
        SET binlog_format = 'STATEMENT';
        UPDATE company SET plan = 'by statement'""",
    "rows without all their columns": """
        SET binlog_row_image = 'MINIMAL';
        UPDATE company SET plan = 'in part' WHERE id = 3""",
    "a transaction of several databases": """
        XA START 'one';
        UPDATE company SET plan = 'xa';
        XA END 'one';
        XA PREPARE 'one';
        XA COMMIT 'one'""",
}


def quoted(text: str | None) -> str:
    return "NULL" if text is None else f"'{text}'"


@dataclass
class Followed:
    """Both tables, followed; the column `secret` is nobody's business."""

    company: Any
    warehouse: Warehouse
    capturing: sync.Capturing
    source: Source

    def run(self, statements: str) -> list[Any]:
        found: list[Any] = self.company.run(*statements.split(";"))
        return found

    def capture(self) -> sync.Captured:
        return self.capturing.once()

    def differences(self) -> list[Any]:
        """Rows that are not the same on both sides, as text."""
        found = []
        for table, selection in self.source.tables.items():
            names = ", ".join(selection.columns)
            there = {
                tuple(None if value is None else str(value) for value in row)
                for row in self.run(f"SELECT {names} FROM {table}")
            }
            answer = self.warehouse.query(f"SELECT {names} FROM userdata.{table}")
            here = {
                tuple(None if value is None else str(value) for value in row.values())
                for row in answer.to_pylist()
            }
            found += sorted(there ^ here, key=str)
            assert answer.num_rows == len(here)
        return found


@pytest.fixture
def followed(company: Any, warehouse: Warehouse) -> Iterator[Followed]:
    """Copied whole, and ready to be followed."""
    company.run("DROP TABLE company", "DROP TABLE person", *TABLES.split(";"))
    company.grant(SELECTED)
    company.run(f"GRANT REPLICATION SLAVE ON *.* TO {company.reader}@'%'")
    source = company.source(SELECTED, accept_unfiltered_stream=True)
    capturing = sync.Capturing("app", source, warehouse, secret=SECRET)
    followed = Followed(company, warehouse, capturing, source)
    assert followed.capture().copied
    assert followed.differences() == []
    yield followed
    capturing.close()


@pytest.mark.parametrize("statements", WRITES.values(), ids=list(WRITES))
def test_the_copy_is_what_the_source_is(followed: Followed, statements: str) -> None:
    followed.run(statements)
    captured = followed.capture()
    assert followed.differences() == []
    assert not captured.is_behind
    assert captured.copied is None


@pytest.mark.parametrize("statements", TEARING.values(), ids=list(TEARING))
def test_what_cannot_be_followed_is_copied_whole(followed: Followed, statements: str) -> None:
    followed.run(statements)
    assert followed.capture().is_behind
    again = followed.capture()
    assert again.copied
    assert [table.name for table in again.copied.tables] in (["company"], ["company", "person"])
    assert followed.differences() == []
    followed.run("UPDATE company SET since = '2027-01-01'")
    assert followed.capture().changes > 0
    assert followed.differences() == []


numbers = st.integers(1, 12)
plans = st.sampled_from([None, "", "pro", "free", "ñ"])
changes = st.one_of(
    st.builds("REPLACE INTO company (id, plan) VALUES ({}, {})".format, numbers, plans.map(quoted)),
    st.builds("UPDATE company SET plan = {} WHERE id < {}".format, plans.map(quoted), numbers),
    st.builds("UPDATE IGNORE company SET id = {} WHERE id = {}".format, numbers, numbers),
    st.builds("DELETE FROM company WHERE id = {}".format, numbers),
    st.builds("UPDATE person SET role = {} WHERE id = {}".format, plans.map(quoted), numbers),
    st.just("TRUNCATE person"),
    st.just("INSERT IGNORE INTO person SELECT seq, 'again' FROM seq_1_to_12"),
    st.sampled_from(["BEGIN", "COMMIT", "ROLLBACK", "SAVEPOINT a"]),
)


@settings(
    max_examples=15,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(happening=st.lists(changes, min_size=1, max_size=20))
def test_whatever_happens_is_followed(followed: Followed, happening: list[str]) -> None:
    followed.run(";".join([*happening, "COMMIT"]))
    assert not followed.capture().is_behind
    assert followed.differences() == []


def test_versions_begin_with_the_commits_that_made_them(company: Any, warehouse: Warehouse) -> None:
    selected = TableSelection(["uuid", "plan"], mode="log", history=True)
    source = company.source(
        {"company": selected}, url=company.url("admin"), accept_unfiltered_stream=True
    )
    capturing = sync.Capturing("app", source, warehouse, secret=SECRET)
    capturing.once()
    company.run("SET timestamp = UNIX_TIMESTAMP() + 100", "UPDATE company SET plan = 'team'")
    ((at,),) = company.run("SELECT UNIX_TIMESTAMP() + 100")
    company.run("SET timestamp = UNIX_TIMESTAMP() + 200", "DELETE FROM company WHERE uuid = 'a'")
    capturing.once()
    capturing.close()
    answer = warehouse.query(
        "SELECT plan, epoch(valid_from) AS since, epoch(valid_to) AS until "
        "FROM userdata.company_history WHERE uuid = 'a' ORDER BY valid_from"
    )
    first, second = answer.to_pylist()
    assert (first["plan"], second["plan"]) == ("pro", "team")
    assert first["since"] == 0  # assumed: nobody knows
    assert first["until"] == second["since"]
    assert abs(second["since"] - float(at)) < 30
    assert 90 <= second["until"] - second["since"] <= 130


@pytest.fixture(scope="module")
def lonely(mariadb_files: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Company]:
    """A server that nobody else uses, with the tables: it may be killed, and forget its log."""
    durable = {"innodb-flush-log-at-trx-commit": "1", "sync-binlog": "1"}
    folder = tmp_path_factory.mktemp("mariadb") / "lonely"
    server = MariaDB(folder, mariadb_files, settings=durable)
    server.start()
    server.run("CREATE DATABASE app")
    company = Company(server, "app", "admin")
    company.run(*TABLES.split(";"))
    yield company
    server.kill()


def test_a_server_that_is_killed_is_followed_when_it_is_back(
    lonely: Company, warehouse: Warehouse
) -> None:
    source = lonely.source(SELECTED, accept_unfiltered_stream=True)
    capturing = sync.Capturing("app", source, warehouse, secret=SECRET)
    followed = Followed(lonely, warehouse, capturing, source)
    followed.capture()
    followed.run("UPDATE company SET plan = 'before'")
    lonely.server.kill()
    with pytest.raises(SourceUnavailable):
        followed.capture()
    lonely.server.start()
    followed.run("DELETE FROM company WHERE id < 10")
    assert followed.capture().copied is None
    assert followed.differences() == []
    capturing.close()


@pytest.fixture
def read(company: Any) -> Iterator[Any]:
    """Called, it gives a stream of these tables, read by the administrator."""
    streams = []

    def read(tables: dict[str, TableSelection], **settings: Any) -> ChangeStream:
        accepted = {"accept_unfiltered_stream": True, **settings}
        url = accepted.pop("url", company.url("admin"))
        source = company.source(tables, url=url, **accepted)
        selection = sync.selected_tables("app", source)
        streams.append(open_source("app", source).log(selection))
        return streams[-1]

    yield read
    for stream_ in streams:
        stream_.close()


def changes_of(stream: ChangeStream, after: str) -> list[dict[str, Any]]:
    return [
        row
        for batch in stream.batches(after, {})
        for changes in batch.tables
        for row in changes.rows.to_pylist()
    ]


CASCADED = """(id int PRIMARY KEY, v char(36),
    FOREIGN KEY (v) REFERENCES company (uuid) ON DELETE CASCADE)"""
LOGGED = {"company": TableSelection(["uuid", "plan"], mode="log")}


def test_changes_say_what_was_done_in_what_order_and_when(company: Any, read: Any) -> None:
    stream_ = read(LOGGED)
    after = stream_.begin(replacing=False)
    company.run("BEGIN", "UPDATE company SET uuid = 'c' WHERE uuid = 'a'", "DELETE FROM company")
    assert changes_of(stream_, after) == []  # nothing was committed
    company.run(
        "UPDATE company SET plan = '' WHERE uuid = 'b'",
        "UPDATE company SET uuid = 'c' WHERE uuid = 'a'",
        "DELETE FROM company WHERE uuid = 'c'",
        "TRUNCATE company",
    )
    ((now,),) = company.run("SELECT UNIX_TIMESTAMP()")
    found = changes_of(stream_, after)
    assert [(row["_op"], row["uuid"], row["plan"]) for row in found] == [
        (1, "b", ""),
        (2, "a", None),
        (1, "c", "pro"),
        (2, "c", None),
        (3, None, None),
    ]
    assert [row["_order"] for row in found] == [1, 2, 3, 4, 5]
    assert {row["_unchanged"] for row in found} == {0}
    for row in found:
        assert abs(row["_at"].replace(tzinfo=UTC).timestamp() - float(now)) < 60


def test_a_stream_goes_on_from_where_it_was_and_nothing_comes_twice(
    company: Any, read: Any, mariadb: MariaDB
) -> None:
    stream_ = read(LOGGED)
    after = stream_.begin(replacing=False)
    for plan in ("one", "two", "three"):
        company.run(f"UPDATE company SET plan = '{plan}' WHERE uuid = 'a'")
        mariadb.run("FLUSH BINARY LOGS")
        (*_, last) = stream_.batches(after, {})
        ((row,),) = [changes.rows.to_pylist() for changes in last.tables]
        assert row["plan"] == plan
        assert last.position > after
        after = last.position
    (nothing,) = stream_.batches(after, {})
    assert (nothing.tables, nothing.position) == ((), after)


def test_what_a_copy_has_already_is_left_out(company: Any, read: Any) -> None:
    stream_ = read(LOGGED)
    after = stream_.begin(replacing=False)
    company.run("UPDATE company SET plan = 'copied'")
    source = company.source(LOGGED, url=company.url("admin"))
    (selected,) = sync.selected_tables("app", source)
    with open_source("app", source).snapshot([selected]) as snapshot:
        copied = snapshot.instant
    company.run("UPDATE company SET plan = 'later' WHERE uuid = 'a'")
    (batch,) = stream_.batches(after, {selected: copied})
    ((row,),) = [changes.rows.to_pylist() for changes in batch.tables]
    assert row["plan"] == "later"


def test_a_large_transaction_comes_in_parts_and_smaller_ones_together(
    company: Any, read: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stream, "ROWS_MAX", 200)
    stream_ = read(LOGGED)
    after = stream_.begin(replacing=False)
    company.run(
        "INSERT INTO company SELECT seq, REPEAT('x', 500), 'large', 1 FROM seq_1_to_2000",
        *(f"UPDATE company SET plan = 'small' WHERE uuid = '{number}'" for number in range(1, 9)),
    )
    batches = list(stream_.batches(after, {}))
    assert [batch.is_whole for batch in batches[:2]] == [False, False]
    assert batches[0].position == after  # nothing is done before it is whole
    assert batches[-1].is_whole
    rows = [row for batch in batches for each in batch.tables for row in each.rows.to_pylist()]
    assert len(rows) == 2008
    assert [row["_order"] for row in rows] == [*range(1, 2009)]


def test_a_log_that_is_compressed_is_read_too(company: Any, read: Any, mariadb: MariaDB) -> None:
    stream_ = read(LOGGED)
    after = stream_.begin(replacing=False)
    mariadb.run("SET GLOBAL log_bin_compress = ON", "SET GLOBAL log_bin_compress_min_len = 10")
    long = "x" * 400
    company.run(
        f"INSERT INTO company VALUES ('z', 'Zeta', '{long}', 1)",
        f"UPDATE company SET plan = 'now {long}' WHERE uuid = 'z'",
        "DELETE FROM company WHERE uuid = 'z'",
        f"TRUNCATE /* {long} */ company",
    )
    mariadb.run("SET GLOBAL log_bin_compress = OFF")
    found = [(row["_op"], row["plan"]) for row in changes_of(stream_, after)]
    assert found == [(1, long), (1, f"now {long}"), (2, None), (3, None)]


def test_a_log_that_is_gone_is_lost_and_the_tables_are_copied_whole(
    lonely: Company, warehouse: Warehouse
) -> None:
    source = lonely.source(SELECTED, accept_unfiltered_stream=True)
    capturing = sync.Capturing("app", source, warehouse, secret=SECRET)
    followed = Followed(lonely, warehouse, capturing, source)
    followed.capture()
    followed.run("UPDATE company SET plan = 'lost'")
    purge(lonely.server)
    again = followed.capture().copied
    assert again is not None
    assert len(again.tables) == 2
    assert followed.differences() == []
    capturing.close()
    errors = warehouse.query("SELECT error FROM _turnout.sync_runs WHERE error IS NOT NULL")
    assert "no log any more" in errors["error"][0].as_py()
    stopping = structs.replace(source, on_slot_lost="stop")
    followed.run("UPDATE company SET plan = 'lost again'")
    purge(lonely.server)
    with pytest.raises(SourceRefused, match="no log any more"):
        sync.capture("app", stopping, warehouse, secret=SECRET)


def purge(mariadb: MariaDB) -> None:
    """Have the server forget all of its log; a file goes once nothing needs it any more."""
    mariadb.run("FLUSH BINARY LOGS")
    ((last, *_),) = mariadb.run("SHOW MASTER STATUS")
    deadline_s = time.monotonic() + 20
    while mariadb.run("SHOW BINARY LOGS")[0][0] != last:
        mariadb.run(f"PURGE BINARY LOGS TO '{last}'")
        assert time.monotonic() < deadline_s


def test_a_server_that_was_restored_has_lost_its_log(company: Any, read: Any) -> None:
    stream_ = read(LOGGED)
    number = int(stream_.begin(replacing=False).partition("@")[0])
    with pytest.raises(LogLost):
        list(stream_.batches(f"{number + 1000:020}@0-1-{number + 1000}", {}))


@pytest.mark.parametrize(
    ("setting", "value", "sentence"),
    [
        ("binlog_format", "MIXED", "statements instead of rows: set it to ROW"),
        ("binlog_row_image", "MINIMAL", "leaves out columns that did not change: set it to FULL"),
        ("binlog_row_metadata", "MINIMAL", "which column is which: set it to FULL"),
    ],
)
def test_a_setting_that_is_missing_is_named(
    read: Any, mariadb: MariaDB, setting: str, value: str, sentence: str
) -> None:
    ((before,),) = mariadb.run(f"SELECT @@GLOBAL.{setting}")
    mariadb.run(f"SET GLOBAL {setting} = '{value}'")
    try:
        with pytest.raises(SourceRefused, match=sentence):
            read(LOGGED)
    finally:
        mariadb.run(f"SET GLOBAL {setting} = '{before}'")


def test_that_every_column_travels_has_to_be_accepted(read: Any) -> None:
    with pytest.raises(SourceRefused, match="carries every column of every table"):
        read(LOGGED, accept_unfiltered_stream=False)


def test_the_right_that_is_missing_is_named_with_its_statement(company: Any, read: Any) -> None:
    company.grant(LOGGED)
    stream_ = read(LOGGED, url=company.url())
    with pytest.raises(SourceRefused, match="may not be read by this user") as failed:
        stream_.begin(replacing=False)
    assert failed.value.hint is not None
    company.run(failed.value.hint.removeprefix("Run on the leader: ").rstrip(";"))
    assert read(LOGGED, url=company.url()).begin(replacing=False)


@pytest.mark.parametrize(
    ("definition", "selection", "sentence"),
    [
        ("(id int, v text)", {}, "has no key"),
        ("(id int PRIMARY KEY, v text)", {"where": "id > 1"}, "copied in part"),
        ("(id int PRIMARY KEY, v json)", {"json_keys": {"v": ["a"]}}, "only json_keys"),
        ("(id int PRIMARY KEY, v int AS (id + 1) VIRTUAL)", {}, "made of other columns"),
        ("(id int PRIMARY KEY, v point)", {}, "in a way of its own"),
        ("(id int PRIMARY KEY, v text COMPRESSED)", {}, "in a way of its own"),
        ("(id int PRIMARY KEY, v text CHARACTER SET gbk)", {}, "is in gbk"),
        (CASCADED, {}, "changed by a foreign key"),
    ],
)
def test_a_table_that_cannot_be_followed_says_why(
    company: Any, read: Any, definition: str, selection: dict[str, Any], sentence: str
) -> None:
    company.run(f"CREATE TABLE odd {definition}")
    odd = structs.replace(TableSelection(["id", "v"], mode="log"), **selection)
    stream_ = read({"odd": odd, **LOGGED})
    ((table, problem),) = stream_.problems.items()
    assert table.name == "odd"
    assert sentence in problem
    company.run("DROP TABLE odd")


def test_values_that_are_not_selected_become_nothing(
    company: Any, read: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    stream_ = read({"person": TableSelection(["uuid", "role"], mode="log")})
    after = stream_.begin(replacing=False)
    company.run("INSERT INTO person VALUES ('9', 'dora@acme.example', 'Dora', 'member', NULL)")
    seen: list[Any] = []
    kept = Gathering._gather

    def gather(self: Any, kind: int, data: bytes, logged: Any) -> None:
        kept(self, kind, data, logged)
        seen.append([pile._values for pile in self._piles.values()])

    monkeypatch.setattr(Gathering, "_gather", gather)
    ((row,),) = [changes_of(stream_, after)]
    assert set(row) == {"_op", "_order", "_at", "_unchanged", "uuid", "role"}
    assert seen == [[[b"9", b"member"]]]
