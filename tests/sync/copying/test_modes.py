"""Copies of what is new: by cursor, by transaction number, and by comparing keys."""

from __future__ import annotations

from typing import Any

import pytest

from turnout import sync
from turnout.errors import ConfigError, SourceRefused

CURSOR = {"mode": "cursor", "cursor": "updated_at", "lag_s": 0.0}
XMIN = {"mode": "xmin"}


@pytest.mark.parametrize("mode", [CURSOR, XMIN])
def test_only_what_is_new_travels_and_what_is_gone_is_deleted(
    copying: Any, mode: dict[str, Any]
) -> None:
    copying.select(**mode)
    (first,) = copying.run().tables
    assert (first.rows, first.is_whole) == (10, True)
    copying.does(
        "UPDATE member SET role = 'admin', updated_at = now() WHERE id = 3;"
        "INSERT INTO member VALUES (11, 'user', 11);"
        "DELETE FROM member WHERE id IN (1, 2)"
    )
    (second,) = copying.run().tables
    assert (second.is_whole, second.mode, second.deleted) == (False, mode["mode"], 2)
    assert second.rows < 10
    assert copying.ids() == list(range(3, 12))
    assert [row[1] for row in copying.rows() if row[0] == 3] == ["admin"]
    assert copying.state()["rows"] == 9
    (third,) = copying.run().tables
    assert third.deleted == 0
    assert copying.ids() == list(range(3, 12))


def test_deleted_rows_stay_where_deletes_are_not_looked_for(copying: Any) -> None:
    copying.select(**CURSOR, deletes="none")
    copying.run()
    copying.does("DELETE FROM member WHERE id = 1")
    copying.run()
    assert len(copying.ids()) == 10


def test_rows_without_a_cursor_and_rows_of_the_future_arrive_and_so_do_those_after_them(
    copying: Any,
) -> None:
    copying.select(**CURSOR)
    copying.run()
    copying.does(
        "INSERT INTO member VALUES (11, 'new', 1, NULL), (12, 'new', 1, now() + interval '9 years')"
    )
    copying.run()
    copying.does("INSERT INTO member VALUES (13, 'later', 1)")
    copying.run()
    assert copying.ids() == list(range(1, 14))


def test_a_row_written_by_a_transaction_that_was_open_arrives_in_the_next_copy(
    copying: Any,
) -> None:
    copying.select(**CURSOR)
    copying.run()
    with copying.cluster.connect(copying.database) as slow:
        slow.execute("BEGIN")
        slow.execute("INSERT INTO member VALUES (11, 'slow', 1)")
        copying.does("INSERT INTO member VALUES (12, 'quick', 1)")
        copying.run()
        assert 11 not in copying.ids()
        slow.execute("COMMIT")
    copying.run()
    assert copying.ids() == list(range(1, 13))


def test_append_by_a_number_reads_the_last_rows_again(copying: Any) -> None:
    copying.does("CREATE INDEX ON member (seats)")
    copying.select(mode="append", cursor="seats", lag_rows=3)
    copying.run()
    copying.does(
        "INSERT INTO member VALUES (11, 'late', 8), (12, 'too late', 2), (13, 'new', 11);"
        "DELETE FROM member WHERE id = 1"
    )
    (table,) = copying.run().tables
    # From 7 on: 7, 8, 9, 10 again, and the two that are new there.
    assert (table.rows, table.deleted) == (6, 0)
    assert copying.ids() == [*range(1, 12), 13]


def test_a_table_is_copied_whole_when_its_last_whole_copy_is_old(copying: Any) -> None:
    copying.select(**CURSOR, deletes="none")
    copying.run()
    copying.does("DELETE FROM member WHERE id = 1")
    assert not copying.run().tables[0].is_whole
    (table,) = copying.run({"whole_every_s": 0.001}).tables
    assert table.is_whole
    assert len(copying.ids()) == 9


@pytest.mark.parametrize(
    "otherwise",
    [
        {"where": "id > 5"},
        {"treat": {"role": "mask"}},
        {"columns": ["id", "seats", "updated_at"]},
        {"history": True},
    ],
)
def test_another_selection_is_copied_whole(copying: Any, otherwise: dict[str, Any]) -> None:
    copying.select(**CURSOR)
    copying.run()
    assert not copying.run().tables[0].is_whole
    copying.select(**CURSOR, **otherwise)
    run = copying.run()
    assert run.problems == {}
    assert run.tables[0].is_whole
    assert not copying.run().tables[0].is_whole


def test_another_server_is_copied_whole(copying: Any) -> None:
    copying.select(**CURSOR)
    copying.run()
    with copying.warehouse.transaction() as transaction:
        transaction.execute("UPDATE _turnout.sync_tables SET server = 'another'")
    assert copying.run().tables[0].is_whole
    assert not copying.run().tables[0].is_whole


def test_a_table_that_was_lost_in_the_warehouse_is_copied_whole(copying: Any) -> None:
    copying.select(**CURSOR)
    copying.run()
    with copying.warehouse.transaction() as transaction:
        transaction.execute("DROP TABLE userdata.member")
    assert copying.run().tables[0].is_whole
    assert len(copying.ids()) == 10


def test_too_many_deletes_are_refused_until_they_are_accepted(copying: Any) -> None:
    copying.select(**CURSOR)
    copying.run()
    copying.does(
        "DELETE FROM member WHERE id > 6; UPDATE member SET role = 'x', updated_at = now()"
    )
    with pytest.raises(SourceRefused, match=r"4 of 10 rows of 'member' .* shrink = true"):
        copying.run()
    assert len(copying.ids()) == 10
    assert {row[1] for row in copying.rows()} == {"user"}
    assert "4 of 10 rows" in copying.state()["problem"]
    copying.select(**CURSOR, shrink=True)
    assert copying.run().tables[0].deleted == 4
    assert len(copying.ids()) == 6
    assert copying.state()["problem"] is None


@pytest.mark.parametrize("mode", [CURSOR, {"mode": "full"}])
def test_a_source_that_is_empty_empties_nothing(copying: Any, mode: dict[str, Any]) -> None:
    copying.select(**mode)
    copying.run()
    copying.does("TRUNCATE member")
    with pytest.raises(SourceRefused, match="shrink = true"):
        copying.run()
    assert len(copying.ids()) == 10


def test_a_key_that_tells_no_rows_apart_is_refused(copying: Any) -> None:
    copying.select(key=["role"], mode="full", history=True)
    with pytest.raises(ConfigError, match="role do not tell the rows of 'member' apart"):
        copying.run()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"mode": "cursor"}, "has no cursor"),
        ({"mode": "cursor", "cursor": "created_at"}, "'created_at'"),
        ({"mode": "cursor", "cursor": "role"}, "neither a time nor a number"),
        ({"mode": "xmin", "columns": ["role"]}, "no key"),
    ],
)
def test_a_mode_that_does_not_work_here_is_refused_with_the_reason(
    copying: Any, settings: dict[str, Any], message: str
) -> None:
    copying.select(**settings)
    with pytest.raises((ConfigError, SourceRefused), match=message):
        copying.run()


def test_two_tables_changed_at_once_arrive_both_or_neither(copying: Any) -> None:
    copying.select(**CURSOR)
    copying.select("company", ["uuid", "plan"])
    copying.run()
    copying.does(
        "BEGIN; UPDATE member SET role = 'x', updated_at = now(); UPDATE company SET plan = 'x';"
        "COMMIT"
    )
    seen = []

    def look(_: Any) -> None:
        seen.append(
            ({row[1] for row in copying.rows()}, {row[1] for row in copying.rows("company")})
        )

    copying.run(progress=look)
    assert seen
    assert all(each == ({"user"}, {"pro", None}) for each in seen)
    assert {row[1] for row in copying.rows()} == {"x"}
    assert {row[1] for row in copying.rows("company")} == {"x"}


def test_a_table_taken_out_of_the_selection_goes_with_its_history(copying: Any) -> None:
    copying.select(history=True)
    copying.select("company", ["uuid", "plan"])
    copying.run()
    del copying.tables["member"]
    run = copying.run()
    assert run.removed == ("member",)
    assert "member is not selected any more" in run.sentence
    assert [table.name for table in copying.warehouse.tables("userdata")] == ["company"]
    assert copying.run().removed == ()
    book = copying.warehouse.query(
        "SELECT DISTINCT table_name, until IS NULL AS leaves FROM _turnout.sync_columns ORDER BY 1"
    )
    assert [tuple(row.values()) for row in book.to_pylist()] == [
        ("company", True),
        ("member", False),
    ]


def test_a_table_that_another_source_has_now_stays(copying: Any) -> None:
    copying.select()
    copying.select("company", ["uuid", "plan"])
    copying.run()
    sync.copy("other", copying.source(), copying.warehouse, secret=b"s" * 32)
    del copying.tables["member"]
    assert copying.run().removed == ()
    assert len(copying.ids()) == 10
