"""The history that copies keep."""

from __future__ import annotations

from typing import Any

import pytest

from turnout.errors import ConfigError

CURSOR = {"mode": "cursor", "cursor": "updated_at", "lag_s": 0.0, "history": True}
FULL = {"mode": "full", "history": True}
MODES = pytest.mark.parametrize("mode", [CURSOR, FULL], ids=["cursor", "full"])


def versions(copying: Any, id_: int) -> list[tuple[Any, ...]]:
    answer = copying.warehouse.query(
        "SELECT role, assumed, valid_to = TIMESTAMP '9999-12-31' AS is_open "
        "FROM userdata.member_history WHERE id = ? ORDER BY valid_from",
        [id_],
    )
    return [tuple(row.values()) for row in answer.to_pylist()]


def check_open_is_now(copying: Any) -> None:
    copied = copying.rows(columns="id, role")
    answer = copying.warehouse.query(
        "SELECT id, role FROM userdata.member_history "
        "WHERE valid_to = TIMESTAMP '9999-12-31' ORDER BY id"
    )
    assert [tuple(row.values()) for row in answer.to_pylist()] == copied


@MODES
def test_changes_deletes_and_returns_are_versions(copying: Any, mode: dict[str, Any]) -> None:
    copying.select(**mode, tracked=["role"])
    copying.run()
    copying.does(
        "UPDATE member SET role = 'admin', updated_at = now() WHERE id = 1;"
        "UPDATE member SET seats = 99, updated_at = now() WHERE id = 2;"
        "DELETE FROM member WHERE id = 3"
    )
    copying.run()
    check_open_is_now(copying)
    copying.does("INSERT INTO member VALUES (3, 'user', 3), (11, 'user', 11)")
    copying.run()
    check_open_is_now(copying)
    assert versions(copying, 1) == [("user", True, False), ("admin", False, True)]
    assert versions(copying, 2) == [("user", True, True)]
    assert versions(copying, 3) == [("user", True, False), ("user", False, True)]
    assert versions(copying, 11) == [("user", False, True)]


def test_a_version_changes_when_the_source_was_read(copying: Any) -> None:
    copying.select(**FULL)
    copying.run()
    copying.does("UPDATE member SET role = 'admin' WHERE id = 1")
    run = copying.run()
    answer = copying.warehouse.query(
        "SELECT valid_from FROM userdata.member_history WHERE role = 'admin'"
    )
    assert answer["valid_from"].to_pylist() == [run.as_of.replace(tzinfo=None)]


def test_the_first_version_is_as_old_as_its_row(copying: Any) -> None:
    copying.select(**FULL, created_at="updated_at")
    copying.run()
    answer = copying.warehouse.query(
        "SELECT count(*) AS n FROM userdata.member_history WHERE valid_from = updated_at"
    )
    assert answer["n"][0].as_py() == 10


def test_versions_of_deleted_rows_go_where_that_is_asked_for(copying: Any) -> None:
    copying.select(**CURSOR, deleted_history="erase")
    copying.run()
    copying.does("UPDATE member SET role = 'x', updated_at = now() WHERE id IN (1, 2)")
    copying.run()
    copying.does("DELETE FROM member WHERE id = 1")
    copying.run()
    assert versions(copying, 1) == []
    assert len(versions(copying, 2)) == 2


def test_values_treated_otherwise_do_not_stay_in_the_history(copying: Any) -> None:
    copying.select(**CURSOR)
    copying.run()
    copying.does("UPDATE member SET role = 'admin', updated_at = now() WHERE id = 1")
    copying.run()
    copying.select(**CURSOR, treat={"role": "hash"})
    copying.run()
    answer = copying.warehouse.query("SELECT DISTINCT role FROM userdata.member_history")
    left = [role for role in answer["role"].to_pylist() if role is not None]
    assert len(left) == 2
    assert all(role.startswith("k") and ":" in role for role in left)
    check_open_is_now(copying)


def test_rows_that_are_filtered_out_later_leave_the_history(copying: Any) -> None:
    copying.select(**CURSOR)
    copying.run()
    copying.select(**CURSOR, where="id > 2")
    copying.run()
    assert versions(copying, 1) == []
    assert len(versions(copying, 3)) == 1


def test_a_history_that_is_not_asked_for_any_more_goes(copying: Any) -> None:
    copying.select(**CURSOR)
    copying.run()
    copying.select(**{**CURSOR, "history": False})
    copying.run()
    assert [table.name for table in copying.warehouse.tables("userdata")] == ["member"]


def test_a_refused_copy_leaves_the_history_alone(copying: Any) -> None:
    copying.select(**CURSOR)
    copying.select("company", ["uuid", "plan"])
    copying.run()
    copying.does("TRUNCATE member")
    assert "member" in copying.run().problems
    check_open_is_now(copying)


def test_a_history_called_as_a_selected_table_is_refused(copying: Any) -> None:
    copying.select(**FULL)
    copying.select("member_history", ["id"])
    with pytest.raises(ConfigError, match="the history of member would be called"):
        copying.run()


def test_rows_told_apart_by_other_columns_begin_anew(copying: Any) -> None:
    copying.select(**FULL)
    copying.run()
    keys = "ALTER TABLE member DROP CONSTRAINT member_pkey; ALTER TABLE member ADD PRIMARY KEY "
    copying.does(f"{keys} (id, role); INSERT INTO member VALUES (1, 'second', 1)")
    copying.run()
    assert len(versions(copying, 1)) == 3
    copying.does(f"DELETE FROM member WHERE role = 'second'; {keys} (id)")
    copying.run()
    copying.does("UPDATE member SET role = 'admin'")
    copying.run()
    open_ = [version for version in versions(copying, 1) if version[2]]
    assert open_ == [("admin", False, True)]
    answer = copying.warehouse.query(
        "SELECT count(*) AS n FROM userdata.member_history WHERE valid_from >= valid_to"
    )
    assert answer["n"][0].as_py() == 0


def test_a_key_of_another_type_is_compared_as_it_is_held(copying: Any) -> None:
    copying.does("CREATE TABLE code (id text PRIMARY KEY, said text)")
    copying.does("INSERT INTO code VALUES ('1', 'a'), ('02', 'b')")
    copying.select("code", ["id", "said"], history=True)
    copying.run()
    copying.does("ALTER TABLE code ALTER id TYPE int USING id::int")
    copying.run(whole=True)
    copying.does("UPDATE code SET said = 'z'")
    copying.run()
    answer = copying.warehouse.query(
        "SELECT id, said FROM userdata.code_history "
        "WHERE valid_to = TIMESTAMP '9999-12-31' ORDER BY id"
    )
    assert answer.to_pylist() == [{"id": "1", "said": "z"}, {"id": "2", "said": "z"}]
