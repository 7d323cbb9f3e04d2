from __future__ import annotations

import importlib
import json
import threading
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg
import pyarrow as pa
import pytest
from msgspec import structs

from turnout import sync
from turnout.config import Source, TableSelection
from turnout.demo.cluster import Cluster
from turnout.errors import ConfigError, SourceRefused, SourceUnavailable
from turnout.warehouse import Column, Table, Type, Warehouse

landing = importlib.import_module("turnout.sync.copying.landing")

SECRET = b"s" * 32

MANY = """
CREATE TABLE many AS SELECT i AS id, repeat('row ' || i, 10) AS text
FROM generate_series(1, 200000) AS i;
"""


def rows(warehouse: Warehouse, table: str) -> list[list[Any]]:
    answer = warehouse.query(f"SELECT * FROM userdata.{table} ORDER BY 1")
    return [list(row.values()) for row in answer.to_pylist()]


def count(warehouse: Warehouse, table: str) -> int:
    answer = warehouse.query(f"SELECT count(*) AS rows FROM userdata.{table}")
    return int(answer["rows"][0].as_py())


def runs(warehouse: Warehouse) -> list[dict[str, Any]]:
    answer = warehouse.query("SELECT * FROM _turnout.sync_runs ORDER BY started_at")
    return list(answer.to_pylist())


def clock(url: str) -> datetime:
    with psycopg.connect(url) as connection:
        row = connection.execute("SELECT clock_timestamp()").fetchone()
        assert row is not None
        instant: datetime = row[0].astimezone(UTC)
        return instant


@pytest.fixture
def at_first_batch() -> Callable[[Callable[[], None]], Callable[[sync.Progress], None]]:
    """Turns an action into a `progress` that does it once, when the first rows have come."""

    def once(action: Callable[[], None]) -> Callable[[sync.Progress], None]:
        actions = [action]
        return lambda _: actions.pop()() if actions else None

    return once


@pytest.fixture(params=["one write", "many writes"])
def passage(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Both ways of rows into the warehouse: all in one write, or each batch in its own."""
    if request.param == "many writes":
        monkeypatch.setattr(landing, "WRITE_BYTES", 1)
    return str(request.param)


def test_the_selected_columns_arrive_under_the_tables_own_names(
    company: Any, warehouse: Warehouse, passage: str
) -> None:
    company.grant()
    sync.copy("app", company.source(), warehouse, secret=SECRET)
    assert rows(warehouse, "company") == [
        ["00000000-0000-4000-8000-00000000000a", "Acme", "pro"],
        ["00000000-0000-4000-8000-00000000000b", "Globex", None],
    ]
    assert [row[1:] for row in rows(warehouse, "person")] == [
        ["admin", datetime(2026, 1, 1)],  # noqa: DTZ001 - warehouse times say no zone
        ["", datetime(2026, 1, 2)],  # noqa: DTZ001
        [None, None],
    ]


def test_a_run_says_what_was_copied_and_as_of_when(company: Any, warehouse: Warehouse) -> None:
    company.grant()
    seen: list[sync.Progress] = []
    before = clock(company.follower_url())
    run = sync.copy("app", company.source(), warehouse, secret=SECRET, progress=seen.append)
    assert before <= run.as_of <= clock(company.follower_url())
    assert run.started_at <= run.finished_at
    assert [(table.name, table.rows) for table in run.tables] == [("company", 2), ("person", 3)]
    assert run.sentence.startswith("app: 5 rows of 2 tables in ")
    assert [(at.table, at.rows, at.tables_done, at.tables) for at in seen] == [
        ("company", 2, 0, 2),
        ("person", 3, 1, 2),
    ]
    (kept,) = runs(warehouse)
    assert (kept["source"], kept["tables"], kept["rows"], kept["error"]) == ("app", 2, 5, None)
    assert kept["as_of"] == run.as_of.replace(tzinfo=None)
    assert [table["table"] for table in json.loads(kept["details"])] == ["company", "person"]


def test_a_second_copy_replaces_the_first(company: Any, warehouse: Warehouse) -> None:
    company.grant()
    sync.copy("app", company.source(), warehouse, secret=SECRET)
    company.run("DELETE FROM company WHERE name = 'Globex'; UPDATE company SET plan = 'free'")
    sync.copy("app", company.source(), warehouse, secret=SECRET)
    assert [row[1:] for row in rows(warehouse, "company")] == [["Acme", "free"]]
    assert len(runs(warehouse)) == 2


def test_an_emptied_table_arrives_empty_once_that_is_accepted(
    company: Any, warehouse: Warehouse, passage: str
) -> None:
    company.grant()
    sync.copy("app", company.source(), warehouse, secret=SECRET)
    company.run("TRUNCATE company; UPDATE person SET role = 'new'")
    run = sync.copy("app", company.source(), warehouse, secret=SECRET)
    assert run.problems["company"].startswith("'company' has 0 rows at the source and had 2.")
    assert (count(warehouse, "company"), {row[1] for row in rows(warehouse, "person")}) == (
        2,
        {"new"},
    )
    source = company.source()
    accepted = TableSelection(source.tables["company"].columns, shrink=True)
    source = structs.replace(source, tables={**source.tables, "company": accepted})
    assert sync.copy("app", source, warehouse, secret=SECRET).problems == {}
    assert rows(warehouse, "company") == []
    assert [column.name for column in warehouse.tables("userdata")[0].columns] == [
        "uuid",
        "name",
        "plan",
    ]


def test_a_column_taken_out_of_the_selection_leaves_the_warehouse(
    company: Any, warehouse: Warehouse
) -> None:
    company.grant()
    sync.copy("app", company.source(), warehouse, secret=SECRET)
    sync.copy("app", company.source({"company": ["uuid"]}), warehouse, secret=SECRET)
    assert [column.name for column in warehouse.tables("userdata")[0].columns] == ["uuid"]


def test_all_tables_come_from_one_instant(
    company: Any, warehouse: Warehouse, passage: str, at_first_batch: Any
) -> None:
    company.grant()

    def change_both() -> None:
        company.run(
            "BEGIN; UPDATE company SET plan = 'new'; UPDATE person SET role = 'new'; COMMIT"
        )

    sync.copy(
        "app", company.source(), warehouse, secret=SECRET, progress=at_first_batch(change_both)
    )
    plans = {row[2] for row in rows(warehouse, "company")}
    roles = {row[1] for row in rows(warehouse, "person")}
    assert (plans, roles) == ({"pro", None}, {"admin", "", None})
    sync.copy("app", company.source(), warehouse, secret=SECRET)
    assert {row[1] for row in rows(warehouse, "person")} == {"new"}


def test_readers_see_the_old_rows_until_all_tables_are_new(
    company: Any, warehouse: Warehouse, passage: str
) -> None:
    company.grant()
    sync.copy("app", company.source(), warehouse, secret=SECRET)
    company.run("UPDATE company SET plan = 'new'; UPDATE person SET role = 'new'")
    seen = []

    def look(_: sync.Progress) -> None:
        seen.append((rows(warehouse, "company"), rows(warehouse, "person")))

    before = rows(warehouse, "company"), rows(warehouse, "person")
    sync.copy("app", company.source(), warehouse, secret=SECRET, progress=look)
    assert seen == [before, before]
    assert {row[1] for row in rows(warehouse, "person")} == {"new"}


def test_a_slow_source_holds_up_no_other_write(
    company: Any, warehouse: Warehouse, at_first_batch: Any
) -> None:
    company.grant()
    table = Table("analytics", "tracks", (Column("id", Type.INTEGER),))

    def write() -> None:
        with warehouse.transaction() as transaction:
            transaction.prepare(table)
            transaction.append(table, pa.table({"id": [1]}))

    def write_meanwhile() -> None:
        thread = threading.Thread(target=write, daemon=True)
        thread.start()
        thread.join(10)
        assert not thread.is_alive()

    sync.copy(
        "app", company.source(), warehouse, secret=SECRET, progress=at_first_batch(write_meanwhile)
    )
    assert warehouse.tables("analytics")


def test_many_rows_stream_through(company: Any, warehouse: Warehouse, passage: str) -> None:
    selection = {"many": ["id", "text"], "company": ["uuid"]}
    company.run(MANY + "ANALYZE many;")
    company.grant(selection)
    seen: list[sync.Progress] = []
    run = sync.copy(
        "app", company.source(selection), warehouse, secret=SECRET, progress=seen.append
    )
    assert run.rows == 200_002
    answer = warehouse.query(
        "SELECT count(DISTINCT id) AS ids, "
        "count(*) FILTER (text = repeat('row ' || id, 10)) AS same FROM userdata.many"
    )
    assert answer.to_pylist() == [{"ids": 200_000, "same": 200_000}]
    grown = [at.rows for at in seen if at.table == "many"]
    assert len(grown) > 5
    assert grown == sorted(grown)
    assert seen[0].rows_estimated == 200_000


def test_a_cut_connection_leaves_the_old_rows_and_says_so(
    company: Any, warehouse: Warehouse, passage: str, at_first_batch: Any, cut: Any
) -> None:
    selection = {"company": ["uuid", "plan"], "many": ["id", "text"]}
    company.run(MANY)
    company.grant(selection)
    sync.copy("app", company.source(selection), warehouse, secret=SECRET)
    company.run("UPDATE company SET plan = 'new'")
    with pytest.raises(SourceUnavailable) as failed:
        sync.copy(
            "app", company.source(selection), warehouse, secret=SECRET, progress=at_first_batch(cut)
        )
    assert {row[1] for row in rows(warehouse, "company")} == {"pro", None}
    assert count(warehouse, "many") == 200_000
    good, bad = runs(warehouse)
    assert (good["error"], bad["error"]) == (None, str(failed.value))
    assert bad["as_of"] is None
    sync.copy("app", company.source(selection), warehouse, secret=SECRET)
    assert {row[1] for row in rows(warehouse, "company")} == {"new"}


def test_a_follower_that_is_away_leaves_the_old_rows_and_says_so(
    company: Any, warehouse: Warehouse
) -> None:
    company.grant()
    sync.copy("app", company.source(), warehouse, secret=SECRET)
    source = company.source()
    company.cluster.stop_follower()
    try:
        with pytest.raises(SourceUnavailable, match=r"127\.0\.0\.1:.* cannot be reached") as failed:
            sync.copy("app", source, warehouse, secret=SECRET)
    finally:
        company.cluster.start_follower()
    assert company.cluster.password(company.reader) not in str(failed.value)
    assert count(warehouse, "person") == 3
    assert runs(warehouse)[-1]["error"] == str(failed.value)
    assert sync.copy("app", source, warehouse, secret=SECRET).rows == 5


def test_a_read_cancelled_by_replay_is_to_be_tried_again(
    tmp_path: Path, warehouse: Warehouse, at_first_batch: Any
) -> None:
    settings = {"max_standby_streaming_delay": "0", "hot_standby_feedback": "off"}
    with Cluster(tmp_path / "cluster", settings=settings) as cluster:
        with cluster.connect() as connection:
            connection.execute(MANY)
        cluster.wait_replayed()

        def drop() -> None:
            with cluster.connect() as connection:
                connection.execute("DROP TABLE many")
            # A backend that waits for its reader to take rows is cancelled only once it goes on:
            # then replay goes on after the reading, and waiting here would be for ever.
            with suppress(TimeoutError):
                cluster.wait_replayed(timeout_s=3)

        tables = {"many": TableSelection(["id", "text"])}
        source = Source(url=cluster.follower_url(), tables=tables, retries=0)
        with pytest.raises(SourceUnavailable, match="many"):
            sync.copy("app", source, warehouse, secret=SECRET, progress=at_first_batch(drop))


def test_a_follower_that_does_not_get_newer_is_not_copied_from(
    company: Any, warehouse: Warehouse
) -> None:
    company.grant()
    with psycopg.connect(company.follower_url(), autocommit=True) as follower:
        follower.execute("SELECT pg_wal_replay_pause()")
        try:
            with pytest.raises(SourceUnavailable, match="paused"):
                sync.copy("app", company.source(), warehouse, secret=SECRET)
        finally:
            follower.execute("SELECT pg_wal_replay_resume()")
    assert sync.copy("app", company.source(), warehouse, secret=SECRET).rows == 5


@pytest.mark.parametrize(
    ("tables", "message"),
    [
        ({"compny": ["uuid"]}, r"no table 'compny' in the source\. Did you mean 'company'\?"),
        ({"company": ["pln"]}, r"'company' has no column 'pln'\. Did you mean 'plan'\?"),
        ({"billing.company": ["uuid"]}, r"no table 'billing\.company'"),
        ({"pg_catalog.pg_authid": ["rolname"]}, r"no table 'pg_catalog\.pg_authid'"),
    ],
)
def test_what_is_not_there_is_named_with_its_nearest_name(
    company: Any, warehouse: Warehouse, tables: dict[str, list[str]], message: str
) -> None:
    company.grant()
    with pytest.raises(SourceRefused, match=message):
        sync.copy("app", company.source(tables), warehouse, secret=SECRET)
    assert "userdata" not in {table.schema for table in warehouse.tables()}


def test_a_missing_right_is_named_with_the_statements_that_give_it(
    company: Any, warehouse: Warehouse
) -> None:
    company.grant({"company": ["uuid"]})
    source = company.source({"company": ["uuid", "plan"]})
    with pytest.raises(SourceRefused, match=r"may not read company\.plan\.") as failed:
        sync.copy("app", source, warehouse, secret=SECRET)
    company.run(str(failed.value).partition("Run on the leader: ")[2])
    assert sync.copy("app", source, warehouse, secret=SECRET).rows == 2


def test_a_dropped_column_stops_its_table_and_no_other(company: Any, warehouse: Warehouse) -> None:
    company.grant()
    sync.copy("app", company.source(), warehouse, secret=SECRET)
    company.run("ALTER TABLE company DROP COLUMN plan; UPDATE person SET role = 'new'")
    run = sync.copy("app", company.source(), warehouse, secret=SECRET)
    assert "plan" in run.problems["company"]
    assert rows(warehouse, "company")[0][2] == "pro"
    assert {row[1] for row in rows(warehouse, "person")} == {"new"}


def test_a_changed_type_arrives_as_it_now_is_once_that_is_asked_for(
    company: Any, warehouse: Warehouse
) -> None:
    selection = {"company": ["uuid", "seats"]}
    company.grant(selection)
    sync.copy("app", company.source(selection), warehouse, secret=SECRET)
    company.run("ALTER TABLE company ALTER seats TYPE numeric(10,2) USING seats + 0.5")
    with pytest.raises(SourceRefused, match=r"company\.seats changed its type .* --whole"):
        sync.copy("app", company.source(selection), warehouse, secret=SECRET)
    assert rows(warehouse, "company")[0][1] == 20
    sync.copy("app", company.source(selection), warehouse, secret=SECRET, whole=True)
    (table,) = warehouse.tables("userdata")
    assert table.column("seats") == Column("seats", Type.DECIMAL, 10, 2)


def test_a_row_policy_is_refused_rather_than_a_part_of_the_rows_copied(
    company: Any, warehouse: Warehouse
) -> None:
    company.grant()
    company.run(
        "ALTER TABLE company ENABLE ROW LEVEL SECURITY;"
        "CREATE POLICY only_pro ON company USING (plan = 'pro')"
    )
    run = sync.copy("app", company.source(), warehouse, secret=SECRET)
    assert "'company' may not be read as a whole" in run.problems["company"]
    assert [table.name for table in run.tables] == ["person"]


@pytest.mark.parametrize(
    ("part", "wrong", "message"),
    [
        ("password", "a-guess", "password authentication failed"),
        ("database", "nowhere", 'database "nowhere" does not exist'),
    ],
)
def test_a_wrong_url_is_the_operators_to_mend(
    company: Any, warehouse: Warehouse, part: str, wrong: str, message: str
) -> None:
    right = {"password": company.cluster.password(company.reader), "database": company.database}
    url = company.follower_url(company.reader).replace(right[part], wrong)
    with pytest.raises(SourceRefused, match=message) as failed:
        sync.copy("app", company.source(url=url), warehouse, secret=SECRET)
    assert right["password"] not in str(failed.value)
    assert "a-guess" not in str(failed.value)


@pytest.mark.parametrize("password", ["top/secret", "top@secret", "top%secret"])
def test_a_password_that_breaks_the_url_is_not_repeated(
    warehouse: Warehouse, password: str
) -> None:
    url = f"postgresql://turnout:{password}@127.0.0.1:1/app"
    source = Source(url=url, tables={"company": TableSelection(["uuid"])})
    with pytest.raises(SourceRefused, match="cannot be understood") as failed:
        sync.copy("app", source, warehouse, secret=SECRET)
    assert "secret" not in str(failed.value)
    assert "secret" not in str(runs(warehouse))


def test_an_empty_selection_is_refused_before_anything_is_asked(
    company: Any, warehouse: Warehouse
) -> None:
    with pytest.raises(ConfigError, match="selects no table"):
        sync.copy("app", Source(url="postgresql://nowhere"), warehouse, secret=SECRET)


def test_odd_names_work(company: Any, warehouse: Warehouse) -> None:
    long = "n" * 63
    odd = '"Odd schema"."say ""hi"" "'
    company.run(
        'CREATE SCHEMA "Odd schema";'
        f"CREATE TABLE {odd} "
        f'("select" int, "Upper" text, "with.dot" int, "{long}" int, "per%cent {{}}" int);'
        f"INSERT INTO {odd} VALUES (1, 'x', 2, 3, 4)"
    )
    names = ["select", "Upper", "with.dot", long, "per%cent {}"]
    selection = {odd: names}
    company.grant(selection)
    assert sync.check("app", company.source(selection)) == []
    sync.copy("app", company.source(selection), warehouse, secret=SECRET)
    (table,) = warehouse.tables("userdata")
    assert table.name == 'say "hi" '
    assert [column.name for column in table.columns] == names
    assert rows(warehouse, '"say ""hi"" "') == [[1, "x", 2, 3, 4]]


def test_views_and_partitioned_tables_are_tables_too(company: Any, warehouse: Warehouse) -> None:
    company.run(
        "CREATE VIEW paying AS SELECT uuid FROM company WHERE plan IS NOT NULL;"
        "CREATE TABLE visit (day date, n int) PARTITION BY RANGE (day);"
        "CREATE TABLE visit_1 PARTITION OF visit FOR VALUES FROM ('2026-01-01') TO ('2026-02-01');"
        "CREATE TABLE visit_2 PARTITION OF visit FOR VALUES FROM ('2026-02-01') TO ('2026-03-01');"
        "INSERT INTO visit VALUES ('2026-01-05', 1), ('2026-02-05', 2)"
    )
    selection = {"paying": ["uuid"], "visit": ["day", "n"]}
    company.grant(selection)
    run = sync.copy("app", company.source(selection), warehouse, secret=SECRET)
    assert [table.rows for table in run.tables] == [1, 2]


def test_tables_that_lose_many_columns_values_count_each(
    company: Any, warehouse: Warehouse
) -> None:
    names = [f"day_{number}" for number in range(70)]  # more than one number's bits
    columns = ", ".join(f"{name} date" for name in names)
    days = ", ".join(["'2026-01-01'"] * 70)
    company.run(
        f"CREATE TABLE wide ({columns}); INSERT INTO wide VALUES ({days});"
        f"INSERT INTO wide VALUES ('-infinity'{', NULL' * 69});"
        f"INSERT INTO wide VALUES ({'NULL, ' * 69} 'infinity')"
    )
    company.grant({"wide": names})
    run = sync.copy("app", company.source({"wide": names}), warehouse, secret=SECRET)
    assert run.tables[0].lost == {"day_0": 1, "day_69": 1}
    assert count(warehouse, "wide") == 3


def test_a_leader_can_be_copied_from_too(company: Any, warehouse: Warehouse) -> None:
    company.grant()
    before = clock(company.leader_url())
    source = company.source(url=company.leader_url(company.reader))
    run = sync.copy("app", source, warehouse, secret=SECRET)
    assert run.rows == 5
    assert before <= run.as_of <= clock(company.leader_url())
