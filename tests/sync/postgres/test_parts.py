from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from turnout.config import TableSelection
from turnout.errors import SourceRefused
from turnout.sync.source import Keys, Since, WrittenSince

CURSOR = TableSelection(["id", "at"], cursor="at", mode="cursor")


def test_a_cursor_brings_ties_and_nulls_and_keeps_every_digit(run: Any, leader: Any) -> None:
    run(
        "CREATE TABLE visit (id int PRIMARY KEY, at timestamptz);"
        "INSERT INTO visit VALUES (1, '2026-01-01 00:00:00.123455+00'),"
        "(2, '2026-01-01 00:00:00.123456+00'), (3, '2026-01-01 02:00:00.123456+02'), (4, NULL),"
        "(5, '2026-01-02')"
    )
    reader = leader({"visit": CURSOR})
    found = reader.rows(Since("2026-01-01 00:00:00.123456+00"))
    assert [row[0] for row in found] == [2, 3, 4, 5]
    with reader.snapshot() as snapshot:
        assert snapshot.cursor_max(snapshot.tables[0]) == "2026-01-02 00:00:00+00"


def test_a_cursor_in_the_future_is_capped_at_now(run: Any, leader: Any, read_rows: Any) -> None:
    run(
        "CREATE TABLE visit (id int PRIMARY KEY, at timestamptz);"
        "INSERT INTO visit VALUES (1, now() - interval '1 day'), (2, '2999-01-01'), (3, 'infinity')"
    )
    with leader({"visit": CURSOR}).snapshot() as snapshot:
        largest = snapshot.cursor_max(snapshot.tables[0])
        assert largest is not None
        assert datetime.fromisoformat(largest) == snapshot.instant.now
        # They still arrive, each time.
        assert [row[0] for row in read_rows(snapshot, Since(largest))] == [2, 3]


@pytest.mark.parametrize(
    ("type_", "values", "largest", "bound", "found"),
    [
        ("bigint", "1, 9007199254740993", "9007199254740993", "9007199254740993", 1),
        ("smallint", "1, 2", "2", "-9998", 2),
        ("numeric", "1.5, 2.25, 'NaN', 'Infinity'", "2.25", "2.25", 3),
        ("float8", "0.1, 'NaN', 'Infinity'", "0.1", "0.1", 3),
        ("date", "'2026-01-01', '2999-01-01'", str(datetime.now(UTC).date()), "2026-01-01", 2),
        (
            "timestamp",
            "'2026-01-01 00:00:00.000001'",
            "2026-01-01 00:00:00.000001",
            "2026-01-01",
            1,
        ),
    ],
)
def test_cursors_are_times_and_numbers(
    run: Any, leader: Any, *, type_: str, values: str, largest: str, bound: str, found: int
) -> None:
    run(f"CREATE TABLE visit AS SELECT v::{type_} AS at FROM unnest(ARRAY[{values}]::{type_}[]) v")
    reader = leader({"visit": TableSelection(["at"], cursor="at")})
    with reader.snapshot() as snapshot:
        assert snapshot.cursor_max(snapshot.tables[0]) == largest
    assert len(reader.rows(Since(bound))) == found


def test_an_empty_tables_cursor_is_nowhere(run: Any, leader: Any) -> None:
    run("CREATE TABLE visit (id int, at timestamptz)")
    with leader({"visit": CURSOR}).snapshot() as snapshot:
        assert snapshot.cursor_max(snapshot.tables[0]) is None


def test_a_cursor_that_neither_is_a_time_nor_a_number_is_refused(run: Any, leader: Any) -> None:
    run("CREATE TABLE visit (id int, at text)")
    with (
        leader({"visit": CURSOR}).snapshot() as snapshot,
        pytest.raises(SourceRefused, match="neither a time nor a number"),
    ):
        snapshot.cursor_max(snapshot.tables[0])


@pytest.mark.parametrize("has_written", [True, False])
def test_a_transaction_that_is_open_holds_back_what_is_seen(
    run: Any, leader: Any, application: Any, has_written: bool
) -> None:
    run("CREATE TABLE visit (id int, at timestamptz)")
    insert = "INSERT INTO visit VALUES (1, now())"
    application.execute("BEGIN")
    (began_at,) = application.execute("SELECT now()").fetchone()
    if has_written:
        application.execute(insert)
    reader = leader({"visit": CURSOR})
    with reader.snapshot() as snapshot:
        oldest = snapshot.instant.oldest_open
    assert oldest == began_at
    if not has_written:
        application.execute(insert)
    application.execute("COMMIT")
    assert [row[0] for row in reader.rows(Since(str(oldest)))] == [1]
    with reader.snapshot() as snapshot:
        assert snapshot.instant.oldest_open is not None
        assert snapshot.instant.oldest_open > began_at


def test_what_is_open_is_unknown_on_a_follower_and_without_the_right(
    company: Any, reader: Any
) -> None:
    company.grant()

    def oldest(url: str) -> datetime | None:
        with reader(url, {"company": ["uuid"]}).snapshot() as snapshot:
            found: datetime | None = snapshot.instant.oldest_open
            return found

    assert oldest(company.follower_url()) is None
    url = company.leader_url(company.reader)
    assert oldest(url) is None
    company.run(f"GRANT pg_read_all_stats TO {company.reader} WITH INHERIT TRUE")
    assert oldest(url) is not None


def written(reader: Any, since: int) -> list[Any]:
    return [row[0] for row in reader.rows(WrittenSince(since))]


def xmin(reader: Any) -> int:
    with reader.snapshot() as snapshot:
        assert snapshot.tables[0].has_xmin
        assert snapshot.instant.xmin is not None
        number: int = snapshot.instant.xmin
        return number


def test_rows_written_since_are_found_by_their_transactions(
    run: Any, leader: Any, follower: Any, application: Any
) -> None:
    run("CREATE TABLE visit (id int); INSERT INTO visit SELECT generate_series(1, 100)")
    reader = leader({"visit": TableSelection(["id"], mode="xmin")})
    application.execute("BEGIN; INSERT INTO visit VALUES (101)")
    application.execute("SAVEPOINT a; INSERT INTO visit VALUES (102); RELEASE a")
    since = xmin(reader)
    application.execute("SAVEPOINT b; INSERT INTO visit VALUES (103)")
    run("UPDATE visit SET id = 200 WHERE id = 100")
    application.execute("COMMIT")
    assert written(reader, since) == [101, 102, 103, 200]
    assert written(follower({"visit": ["id"]}), since) == [101, 102, 103, 200]
    # Freezing and moving rows changes nothing about who wrote them, or reads more than needed.
    run("VACUUM FREEZE visit")
    assert set(written(reader, since)) >= {101, 102, 103, 200}
    run("VACUUM FULL visit")
    assert set(written(reader, since)) >= {101, 102, 103, 200}
    later = xmin(reader)
    assert written(reader, later) == []
    # A number of another history, or one too long ago to tell, brings every row.
    assert len(written(reader, later + 10)) == 103
    assert len(written(reader, later - 2**31)) == 103


@pytest.mark.parametrize(
    ("since", "xid", "is_newer"),
    [
        (1000, 1000, True),
        (1000, 999, False),
        # Numbers have 32 bits at each row, and start over.
        (2**32 - 1, 3, True),
        (2**32 + 5, 2**32 - 1, False),
        (2**32 + 5, 2**31 + 4, True),
        (2**33 + 3, 2**32 - 9, False),
    ],
)
def test_transaction_numbers_that_start_over_are_told_apart(
    run: Any, leader: Any, since: int, xid: int, is_newer: bool
) -> None:
    run("CREATE TABLE visit (id int)")
    reader = leader({"visit": ["id"]})
    with reader.snapshot() as snapshot:
        read = snapshot._reads[reader.selection[0]]
        (condition,) = read.statement(WrittenSince(since), since + 1).conditions
    found = run(f"SELECT {condition} FROM (SELECT '{xid % 2**32}'::text AS xmin) AS row")
    assert found.fetchone() == (is_newer,)


def test_keys_come_alone(run: Any, leader: Any) -> None:
    run(
        "CREATE TABLE seat (a int, b text, email text, PRIMARY KEY (b, a));"
        "INSERT INTO seat VALUES (1, 'x', 'alice@acme.example'), (2, 'y', NULL)"
    )
    reader = leader({"seat": ["email", "a", "b"]})
    with reader.snapshot() as snapshot:
        assert snapshot.tables[0].shape.key == ("b", "a")
        keys = snapshot.rows(snapshot.tables[0], Keys())
        assert keys.schema.names == ["b", "a"]
        assert [batch.to_pylist() for batch in keys] == [[{"b": "x", "a": 1}, {"b": "y", "a": 2}]]


@pytest.mark.parametrize(
    ("table", "key"),
    [
        ("(a int PRIMARY KEY, b int UNIQUE NOT NULL)", ("a",)),
        ("(c int PRIMARY KEY, b int UNIQUE NOT NULL, a int)", ("b",)),
        ("(a int UNIQUE, b int)", ()),
        ("(a int NOT NULL, b int); CREATE UNIQUE INDEX ON seat (a) WHERE b > 0", ()),
        ("(a int NOT NULL, b int); CREATE UNIQUE INDEX ON seat (a) INCLUDE (b)", ("a",)),
        ("(a int NOT NULL, b int, UNIQUE (a) DEFERRABLE)", ()),
    ],
)
def test_a_key_is_one_that_is_selected_and_always_holds(
    run: Any, leader: Any, table: str, key: tuple[str, ...]
) -> None:
    run(f"CREATE TABLE seat {table}")
    with leader({"seat": ["a", "b"]}).snapshot() as snapshot:
        assert snapshot.tables[0].shape.key == key
    own = TableSelection(["a", "b"], key=["b", "a"])
    with leader({"seat": own}).snapshot() as snapshot:
        assert snapshot.tables[0].shape.key == ("b", "a")


def test_a_condition_holds_for_every_part(run: Any, leader: Any) -> None:
    run(
        "CREATE TABLE visit (id int PRIMARY KEY, at timestamptz, kind text);"
        "INSERT INTO visit VALUES (1, '2026-01-01', 'a'), (2, '2026-01-02', 'b'), (3, NULL, 'b')"
    )
    where = "kind = 'a' OR kind = '--' -- or so"
    reader = leader({"visit": TableSelection(["id", "at"], cursor="at", where=where)})
    for part in (Since("2025-01-01"), WrittenSince(3), Keys()):
        assert [row[0] for row in reader.rows(part)] == [1]
    with reader.snapshot() as snapshot:
        assert snapshot.cursor_max(snapshot.tables[0]) == "2026-01-01 00:00:00+00"


@pytest.mark.parametrize("where", ["kind =", "knd = 'a'", "1/0 = 1 OR lower(1)", "id = 'x'"])
def test_a_condition_that_cannot_be_understood_is_said(run: Any, leader: Any, where: str) -> None:
    run("CREATE TABLE visit (id int, kind text); CREATE TABLE other (id int)")
    reader = leader({"visit": TableSelection(["id"], where=where), "other": ["id"]})
    with reader.snapshot() as snapshot:
        (sentence,) = snapshot.problems.values()
        assert "the condition that its `where` sets" in sentence
        assert [table.selected.name for table in snapshot.tables] == ["other"]


def test_only_the_named_keys_of_json_leave(run: Any, leader: Any) -> None:
    run("CREATE TABLE visit (id int, seen jsonb, raw json)")
    values = ['{"plan": "pro", "email": "alice@acme.example", "o\'k": {"n": null}}', '"plan"',
              '["plan"]', "{}", "null"]  # fmt: skip
    for number, value in enumerate(values):
        run(f"INSERT INTO visit VALUES ({number}, '{value.replace(chr(39), 2 * chr(39))}', NULL)")
    run('INSERT INTO visit VALUES (5, NULL, \'{"plan": 1, "email": 2}\')')
    keys = {"seen": ["plan", "o'k"], "raw": ["plan"]}
    found = leader({"visit": TableSelection(["id", "seen", "raw"], json_keys=keys)}).rows()
    assert [row[1:] for row in found] == [
        ('{"o\'k": {"n": null}, "plan": "pro"}', None),
        (None, None),
        (None, None),
        ("{}", None),
        (None, None),
        (None, '{"plan": 1}'),
    ]


def test_settings_that_speak_of_other_columns_are_said(run: Any, leader: Any) -> None:
    run("CREATE TABLE visit (id int, at timestamptz); CREATE VIEW seen AS TABLE visit")
    tables = {
        "visit": TableSelection(["id"], cursor="at", json_keys={"id": ["a"]}),
        "seen": TableSelection(["id"], mode="xmin"),
    }
    with leader(tables).snapshot() as snapshot:
        visit, seen = snapshot.problems.values()
    assert "speak of 'at', which is not selected" in visit
    assert "do not say which transaction wrote them" in seen
    tables = {"visit": TableSelection(["id"], json_keys={"id": ["a"]})}
    with leader(tables).snapshot() as snapshot:
        assert "which is no JSON but integer" in next(iter(snapshot.problems.values()))


def test_a_column_that_is_gone_may_be_left_out(run: Any, leader: Any) -> None:
    run(
        "CREATE TABLE visit (id int, gone int);"
        "ALTER TABLE visit DROP gone; ALTER TABLE visit ADD n int"
    )
    reader = leader({"visit": TableSelection(["id", "gone"], on_dropped="null")})
    with reader.snapshot() as snapshot:
        (table,) = snapshot.tables
        assert [column.name for column in table.columns] == ["id"]
        assert table.shape.columns == {"id": (1, "integer", True)}
        assert table.shape.others == ("n",)
    with leader({"visit": TableSelection(["gone"], on_dropped="null")}).snapshot() as snapshot:
        assert "has no column 'gone'" in next(iter(snapshot.problems.values()))


def test_odd_names_work_in_every_part(run: Any, leader: Any) -> None:
    odd, cursor = 'say "hi"', "n" * 62 + "'"
    name = '"Odd"."say ""hi"" "'
    columns = f'"say ""hi""" int PRIMARY KEY, "{cursor}" int, "select" jsonb'
    run(f'CREATE SCHEMA "Odd"; CREATE TABLE {name} ({columns})')
    run(f"INSERT INTO {name} VALUES (1, 2, '{{\"a\": 1}}')")
    reader = leader(
        {name: TableSelection([odd, cursor, "select"], cursor=cursor, json_keys={"select": ["a"]})}
    )
    for part in (Since("1"), WrittenSince(3)):
        assert reader.rows(part) == [(1, 2, '{"a": 1}')]
    assert reader.rows(Keys()) == [(1,)]
    with reader.snapshot() as snapshot:
        assert snapshot.cursor_max(snapshot.tables[0]) == "2"
