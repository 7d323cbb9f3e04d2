from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from turnout.config import TableSelection
from turnout.errors import ConfigError
from turnout.sync import history
from turnout.sync.selection import SelectedTable
from turnout.warehouse import Column, Table, Type, Warehouse, staging
from turnout.warehouse.duckdb import DuckDB

NAMES = ["id", "role", "seats", "created_at"]
COLUMNS = (
    Column("id", Type.TEXT),
    Column("role", Type.TEXT),
    Column("seats", Type.INTEGER),
    Column("created_at", Type.TIME),
)
ARROW = pa.schema(
    [
        ("id", pa.string()),
        ("role", pa.string()),
        ("seats", pa.int64()),
        ("created_at", pa.timestamp("us")),
    ]
)
CHANGES = pa.schema(
    [("_op", pa.int8()), ("_order", pa.int64()), ("_at", pa.timestamp("us")), *ARROW]
)
MEMBER = Table("userdata", "member", COLUMNS, key=("id",))
START = datetime(2026, 1, 1, tzinfo=UTC)
END = history.OPEN_END


def minute(n: int) -> datetime:
    return START + timedelta(minutes=n)


def selected(**settings: Any) -> SelectedTable:
    return SelectedTable(
        "public", "member", tuple(NAMES), TableSelection(NAMES, history=True, **settings)
    )


def history_of(warehouse: Warehouse, table: Table = MEMBER, **settings: Any) -> history.History:
    found = history.history_of(warehouse, table, selected(**settings))
    assert found is not None
    return found


def rows_table(rows: Iterable[tuple[Any, ...]], schema: pa.Schema = ARROW) -> pa.Table:
    padded = [(*row, *[None] * (len(schema) - len(row))) for row in rows]
    return pa.Table.from_pylist(
        [dict(zip(schema.names, map(plain, row), strict=True)) for row in padded], schema
    )


def plain(value: Any) -> Any:
    return value.astimezone(UTC).replace(tzinfo=None) if isinstance(value, datetime) else value


def copy(
    warehouse: Warehouse, at: datetime, *rows: tuple[Any, ...], whole: bool = True, **settings: Any
) -> None:
    """What a copy does to the history, when `rows` are what it read."""
    kept = history_of(warehouse, **settings)
    staged = staging(MEMBER)
    with warehouse.transaction() as transaction:
        transaction.replace(staged, rows_table(rows))
        history.from_copy(transaction, kept, staged, at, whole=whole)


def change(warehouse: Warehouse, *changes: tuple[Any, ...], **settings: Any) -> None:
    """Each is: what (1, 2 or 3), at which minute, and the row."""
    kept = history_of(warehouse, **settings)
    staged = Table(
        "userdata",
        staging(MEMBER).name,
        (
            Column("_op", Type.INTEGER),
            Column("_order", Type.INTEGER),
            Column("_at", Type.TIME),
            *COLUMNS,
        ),
    )
    rows = [(op, order, minute(at), *row) for order, (op, at, *row) in enumerate(changes)]
    with warehouse.transaction() as transaction:
        transaction.replace(staged, rows_table(rows, CHANGES))
        history.from_changes(transaction, kept, staged)


def versions(warehouse: Warehouse) -> list[tuple[Any, ...]]:
    answer = warehouse.query(
        "SELECT id, role, valid_from, valid_to, assumed FROM userdata.member_history "
        "ORDER BY id, valid_from"
    )
    return [tuple(row.values()) for row in answer.to_pylist()]


def version(id_: str, role: str | None, since: Any, until: Any, *, assumed: bool = False) -> Any:
    return (id_, role, plain(since), plain(until), assumed)


def check_invariants(warehouse: Warehouse) -> None:
    answer = warehouse.query(
        "SELECT count(*) AS wrong FROM (SELECT valid_from, valid_to, "
        "lead(valid_from) OVER (PARTITION BY id ORDER BY valid_from) AS after "
        "FROM userdata.member_history) AS each WHERE valid_from >= valid_to OR valid_to > after"
    )
    assert answer["wrong"][0].as_py() == 0


@pytest.fixture
def warehouse(tmp_path: Path) -> Any:
    warehouse = DuckDB(tmp_path / "warehouse.duckdb", memory_bytes_max=256 * 1024**2, threads=1)
    yield warehouse
    warehouse.close()


def test_the_first_copy_holds_since_the_beginning_and_says_that_this_is_assumed(
    warehouse: Warehouse,
) -> None:
    copy(warehouse, minute(0), ("alice", "admin"), ("bob", None))
    assert versions(warehouse) == [
        version("alice", "admin", history.BEGINNING, END, assumed=True),
        version("bob", None, history.BEGINNING, END, assumed=True),
    ]


def test_a_first_version_holds_since_the_row_was_created_and_not_from_the_future(
    warehouse: Warehouse,
) -> None:
    copy(
        warehouse,
        minute(0),
        ("alice", "admin", 1, minute(-9)),
        ("bob", "user", 1, minute(99)),
        ("charlie", "user", 1, None),
        created_at="created_at",
    )
    assert versions(warehouse) == [
        version("alice", "admin", minute(-9), END, assumed=True),
        version("bob", "user", minute(0), END, assumed=True),
        version("charlie", "user", history.BEGINNING, END, assumed=True),
    ]
    copy(
        warehouse,
        minute(10),
        ("alice", "admin", 1, minute(-9)),
        ("bob", "user", 1, minute(99)),
        ("charlie", "user", 1, None),
        ("dora", "user", 1, minute(7)),
        created_at="created_at",
    )
    assert versions(warehouse)[3:] == [version("dora", "user", minute(7), END, assumed=True)]


def test_a_change_between_copies_begins_a_version_at_the_second(warehouse: Warehouse) -> None:
    copy(warehouse, minute(0), ("alice", "user"), ("bob", "user"))
    copy(warehouse, minute(5), ("alice", "admin"), ("bob", "user"))
    assert versions(warehouse) == [
        version("alice", "user", history.BEGINNING, minute(5), assumed=True),
        version("alice", "admin", minute(5), END),
        version("bob", "user", history.BEGINNING, END, assumed=True),
    ]


def test_a_change_and_back_between_copies_leaves_no_trace(warehouse: Warehouse) -> None:
    copy(warehouse, minute(0), ("alice", "user"))
    before = versions(warehouse)
    copy(warehouse, minute(5), ("alice", "user"))
    assert versions(warehouse) == before


def test_a_change_and_back_in_the_log_are_three_versions(warehouse: Warehouse) -> None:
    copy(warehouse, minute(0), ("alice", "user"))
    change(warehouse, (1, 1, "alice", "admin"), (1, 2, "alice", "user"))
    assert versions(warehouse) == [
        version("alice", "user", history.BEGINNING, minute(1), assumed=True),
        version("alice", "admin", minute(1), minute(2)),
        version("alice", "user", minute(2), END),
    ]


def test_a_row_that_goes_and_comes_back_has_a_gap(warehouse: Warehouse) -> None:
    copy(warehouse, minute(0), ("alice", "user"), ("bob", "user"))
    copy(warehouse, minute(1), ("bob", "user"))
    copy(warehouse, minute(2), ("alice", "user"), ("bob", "user"))
    assert versions(warehouse)[:2] == [
        version("alice", "user", history.BEGINNING, minute(1), assumed=True),
        version("alice", "user", minute(2), END),
    ]


def test_a_row_that_comes_back_with_an_old_creation_begins_anew(warehouse: Warehouse) -> None:
    row = ("alice", "user", 1, minute(-9))
    copy(warehouse, minute(0), row, created_at="created_at")
    copy(warehouse, minute(1), created_at="created_at")
    copy(warehouse, minute(2), row, created_at="created_at")
    assert versions(warehouse) == [
        version("alice", "user", minute(-9), minute(1), assumed=True),
        version("alice", "user", minute(2), END),
    ]


def test_a_part_of_the_rows_closes_none_of_the_others(warehouse: Warehouse) -> None:
    copy(warehouse, minute(0), ("alice", "user"), ("bob", "user"))
    copy(warehouse, minute(1), ("bob", "admin"), whole=False)
    assert [row[1] for row in versions(warehouse)] == ["user", "user", "admin"]


def test_keys_that_are_gone_close_their_versions(warehouse: Warehouse) -> None:
    copy(warehouse, minute(0), ("alice", "user"), ("bob", "user"))
    keys = Table("userdata", "_staging_keys", COLUMNS[:1])
    with warehouse.transaction() as transaction:
        transaction.replace(keys, pa.table({"id": ["bob"]}))
        history.from_deletes(transaction, history_of(warehouse), keys, minute(3))
    assert [(row[0], row[3]) for row in versions(warehouse)] == [
        ("alice", plain(minute(3))),
        ("bob", plain(END)),
    ]


def test_only_tracked_columns_are_kept_and_begin_versions(warehouse: Warehouse) -> None:
    copy(warehouse, minute(0), ("alice", "user", 1), tracked=["role"])
    copy(warehouse, minute(1), ("alice", "user", 2), tracked=["role"])
    assert len(versions(warehouse)) == 1
    (table,) = (t for t in warehouse.tables("userdata") if t.name == "member_history")
    assert [column.name for column in table.columns] == [
        "id",
        "role",
        "valid_from",
        "valid_to",
        "assumed",
    ]


def test_missing_and_empty_are_different_and_missing_twice_is_the_same(
    warehouse: Warehouse,
) -> None:
    copy(warehouse, minute(0), ("alice", None))
    copy(warehouse, minute(1), ("alice", None))
    copy(warehouse, minute(2), ("alice", ""))
    assert [row[1] for row in versions(warehouse)] == [None, ""]


def test_a_column_added_later_is_not_known_of_the_time_before(warehouse: Warehouse) -> None:
    copy(warehouse, minute(0), ("alice", "user", 7), tracked=["role"])
    copy(warehouse, minute(1), ("alice", "user", 7), tracked=["role", "seats"])
    answer = warehouse.query("SELECT seats FROM userdata.member_history ORDER BY valid_from")
    assert answer["seats"].to_pylist() == [None, 7]


def test_a_column_that_became_wider_keeps_the_values_of_before(warehouse: Warehouse) -> None:
    copy(warehouse, minute(0), ("alice", "user", 7))
    wider = Table(
        MEMBER.schema,
        MEMBER.name,
        tuple(Column("seats", Type.TEXT) if c.name == "seats" else c for c in COLUMNS),
        MEMBER.key,
    )
    staged = staging(wider)
    with warehouse.transaction() as transaction:
        rows = pa.table({"id": ["alice"], "role": ["user"], "seats": ["many"]})
        transaction.replace(staged, rows)
        history.from_copy(transaction, history_of(warehouse, wider), staged, minute(1), whole=True)
    answer = warehouse.query("SELECT seats FROM userdata.member_history ORDER BY valid_from")
    assert answer["seats"].to_pylist() == ["7", "many"]
    # And back: what the history holds does not become narrower.
    copy(warehouse, minute(2), ("alice", "user", 8))
    answer = warehouse.query("SELECT seats FROM userdata.member_history ORDER BY valid_from")
    assert answer["seats"].to_pylist() == ["7", "many", "8"]
    copy(warehouse, minute(3), ("alice", "user", 8))
    assert len(versions(warehouse)) == 3


def test_values_that_are_not_to_be_read_so_any_more_are_gone_from_all_versions(
    warehouse: Warehouse,
) -> None:
    copy(warehouse, minute(0), ("alice", "user", 1))
    copy(warehouse, minute(1), ("alice", "admin", 1))
    with warehouse.transaction() as transaction:
        history.forget_values(transaction, history_of(warehouse), ["role"])
    copy(warehouse, minute(2), ("alice", "hashed", 1))
    assert [row[1] for row in versions(warehouse)] == [None, None, "hashed"]


def test_the_role_one_microsecond_before_a_change_is_the_old_one(warehouse: Warehouse) -> None:
    copy(warehouse, minute(0), ("alice", "user"))
    change(warehouse, (1, 3, "alice", "admin"))
    instants = [minute(3) - timedelta(microseconds=1), minute(3)]
    events = pa.table({"id": ["alice", "alice"], "at": [plain(at) for at in instants]})
    with warehouse.transaction() as transaction:
        table = Table("analytics", "event", (Column("id", Type.TEXT), Column("at", Type.TIME)))
        transaction.replace(table, events)
    answer = warehouse.query(
        "SELECT h.role FROM analytics.event AS e LEFT JOIN userdata.member_history AS h "
        "ON h.id = e.id AND e.at >= h.valid_from AND e.at < h.valid_to ORDER BY e.at"
    )
    assert answer["role"].to_pylist() == ["user", "admin"]


def test_a_log_read_twice_and_a_clock_set_back_break_no_invariant(warehouse: Warehouse) -> None:
    copy(warehouse, minute(10), ("alice", "user"), created_at="created_at")
    change(warehouse, (1, 12, "alice", "admin"), (2, 11, "alice"), (1, 11, "alice", "owner"))
    check_invariants(warehouse)
    assert [row[1:4] for row in versions(warehouse)][-1] == (
        "owner",
        plain(minute(12)),
        plain(END),
    )
    change(warehouse, (1, 5, "alice", "admin"), (1, 6, "alice", "owner"))
    check_invariants(warehouse)
    assert versions(warehouse)[-1][1] == "owner"


def test_emptying_the_table_closes_every_version(warehouse: Warehouse) -> None:
    copy(warehouse, minute(0), ("alice", "user"), ("bob", "user"))
    change(warehouse, (1, 1, "dora", "user"), (3, 2), (1, 3, "bob", "user"))
    assert versions(warehouse) == [
        version("alice", "user", history.BEGINNING, minute(2), assumed=True),
        version("bob", "user", history.BEGINNING, minute(2), assumed=True),
        version("bob", "user", minute(3), END),
        version("dora", "user", minute(1), minute(2)),
    ]


def test_of_one_commits_changes_the_last_counts(warehouse: Warehouse) -> None:
    copy(warehouse, minute(0), ("alice", "user"))
    change(warehouse, (2, 1, "alice"), (1, 1, "alice", "admin"), (1, 2, "bob", "x"), (2, 2, "bob"))
    assert [row[:2] for row in versions(warehouse)] == [("alice", "user"), ("alice", "admin")]


@pytest.mark.parametrize(
    ("table", "settings", "message"),
    [
        (Table("userdata", "member", COLUMNS), {}, "'member' has no key"),
        (MEMBER, {"tracked": ["email"]}, "names 'email', which is not copied"),
        (MEMBER, {"created_at": "role"}, "'member.role' says no time"),
        (
            Table("userdata", "member", (*COLUMNS, Column("Valid_To", Type.TEXT)), ("id",)),
            {},
            "has a column 'Valid_To' of its own",
        ),
    ],
)
def test_what_no_history_can_be_kept_of_is_said(
    warehouse: Warehouse, table: Table, settings: dict[str, Any], message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        history_of(warehouse, table, **settings)


ROLES = st.sampled_from([None, "", "user", "admin"])
PEOPLE = st.sampled_from(["alice", "bob", "charlie"])
STEPS = st.lists(
    st.one_of(
        st.dictionaries(PEOPLE, ROLES, max_size=3),
        st.lists(
            st.one_of(
                st.tuples(st.just(1), PEOPLE, ROLES),
                st.tuples(st.just(2), PEOPLE, st.none()),
                st.tuples(st.just(3), st.just(""), st.none()),
            ),
            min_size=1,
            max_size=6,
        ),
    ),
    min_size=1,
    max_size=4,
)


@settings(
    max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(steps=STEPS)
def test_the_history_replays_to_what_was_there_at_each_instant(
    warehouse: Warehouse, steps: list[Any]
) -> None:
    with warehouse.transaction() as transaction:
        transaction.drop(Table("userdata", "member_history", ()))
    copy(warehouse, minute(0))
    now: dict[str, Any] = {}
    was: list[dict[str, Any]] = [{}]
    for step in steps:
        if isinstance(step, dict):
            now = dict(step)
            was.append(dict(now))
            copy(warehouse, minute(len(was) - 1), *now.items())
            continue
        changes = []
        for op, id_, role in step:
            if op == 3:
                now = {}
            elif op == 1:
                now[id_] = role
            else:
                now.pop(id_, None)
            was.append(dict(now))
            changes.append((op, len(was) - 1, *([] if op == 3 else [id_, role])))
        change(warehouse, *changes)
    check_invariants(warehouse)
    found = versions(warehouse)
    for place, expected in enumerate(was):
        at = plain(minute(place))
        assert {row[0]: row[1] for row in found if row[2] <= at < row[3]} == expected
