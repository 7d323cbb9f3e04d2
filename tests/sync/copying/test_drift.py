"""What happens when a table changes its shape at the source."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from turnout.errors import SourceRefused
from turnout.warehouse import Column, Type

CURSOR = {"mode": "cursor", "cursor": "updated_at", "lag_s": 0.0}
MODES = pytest.mark.parametrize("mode", [CURSOR, {"mode": "full"}], ids=["cursor", "full"])


def column(copying: Any, name: str, table: str = "member") -> Column:
    (found,) = (one for one in copying.warehouse.tables("userdata") if one.name == table)
    held: Column | None = found.column(name)
    assert held is not None
    return held


def test_a_new_column_that_is_not_selected_is_named_once_and_never_copied(
    copying: Any, tmp_path: Path
) -> None:
    copying.select(**CURSOR)
    copying.run()
    copying.does("ALTER TABLE member ADD email text; UPDATE member SET email = 'bob@acme.example'")
    run = copying.run()
    assert "member has a new column 'email', which is not selected" in run.sentence
    assert "email" not in copying.run().sentence
    assert copying.state()["not_selected"] == '["email"]'
    (table,) = copying.warehouse.tables("userdata")
    assert table.column("email") is None
    for file in tmp_path.rglob("*"):
        assert file.is_dir() or b"bob@acme.example" not in file.read_bytes()
    copying.does("ALTER TABLE member DROP email")
    copying.run()
    assert copying.state()["not_selected"] == "[]"


def test_a_column_that_is_selected_later_arrives_for_all_rows(copying: Any) -> None:
    copying.select(**CURSOR, columns=["id", "updated_at"])
    copying.run()
    copying.select(**CURSOR)
    copying.run()
    assert [row[2] for row in copying.rows()] == list(range(1, 11))


@MODES
def test_a_column_that_is_gone_stops_its_table_and_no_other(
    copying: Any, mode: dict[str, Any]
) -> None:
    copying.select(**mode)
    copying.select("company", ["uuid", "plan"])
    copying.run()
    copying.does("ALTER TABLE member DROP seats; UPDATE company SET plan = 'new'")
    run = copying.run()
    assert "seats" in run.problems["member"]
    assert run.error is not None
    assert [row[2] for row in copying.rows()] == list(range(1, 11))
    assert {row[1] for row in copying.rows("company")} == {"new"}
    since = copying.state()["problem_at"]
    assert copying.state()["problem"] == run.problems["member"]
    copying.run()
    assert copying.state()["problem_at"] == since
    copying.does("ALTER TABLE member ADD seats int")
    copying.run(whole=True)
    assert copying.state()["problem"] is None


def test_a_renamed_column_is_not_followed(copying: Any) -> None:
    copying.select()
    copying.run()
    copying.does("ALTER TABLE member RENAME seats TO places")
    with pytest.raises(SourceRefused, match="seats"):
        copying.run()
    assert len(copying.rows()) == 10


@MODES
def test_a_column_that_is_gone_is_left_empty_where_that_is_accepted(
    copying: Any, mode: dict[str, Any]
) -> None:
    copying.select(**mode, on_dropped="null")
    copying.run()
    copying.does("ALTER TABLE member DROP seats")
    for _ in range(2):
        run = copying.run()
        assert run.problems == {}
        assert {row[2] for row in copying.rows()} == {None}
        assert column(copying, "seats").type is Type.INTEGER


@MODES
def test_a_column_that_was_dropped_and_added_again_stops_its_table(
    copying: Any, mode: dict[str, Any]
) -> None:
    copying.select(**mode)
    copying.run()
    copying.does("ALTER TABLE member DROP role; ALTER TABLE member ADD role text DEFAULT 'other'")
    with pytest.raises(SourceRefused, match=r"member\.role was dropped .* sync app --whole"):
        copying.run()
    assert {row[1] for row in copying.rows()} == {"user"}
    copying.run(whole=True)
    assert {row[1] for row in copying.rows()} == {"other"}
    assert copying.run().problems == {}


@MODES
def test_a_wider_type_is_followed(copying: Any, mode: dict[str, Any]) -> None:
    copying.does(
        "ALTER TABLE member ADD price numeric(6,2) DEFAULT 1.25, ADD code char(1) DEFAULT 7"
    )
    copying.select(**mode, columns=["id", "price", "code", "updated_at"])
    copying.run()
    copying.does(
        "ALTER TABLE member ALTER price TYPE numeric(12,4), ALTER code TYPE char(2);"
        "INSERT INTO member (id, price, code) VALUES (11, 12345678.1234, 'x')"
    )
    (table,) = copying.run().tables
    assert table.is_whole == (mode["mode"] == "full")
    assert column(copying, "price") == Column("price", Type.DECIMAL, 12, 4)
    assert [str(row[1]) for row in copying.rows()][-2:] == ["1.2500", "12345678.1234"]
    assert copying.rows()[-1][2] == "x"


@MODES
def test_values_that_another_type_changes_are_copied(copying: Any, mode: dict[str, Any]) -> None:
    copying.does("ALTER TABLE member ADD seen timestamp DEFAULT '2026-01-01 12:00:00'")
    copying.select(**mode, columns=["id", "updated_at", "seen"])
    copying.run()
    copying.does(
        "ALTER TABLE member ALTER seen TYPE timestamptz USING seen AT TIME ZONE 'Asia/Tokyo'"
    )
    copying.run()
    answer = copying.warehouse.query("SELECT DISTINCT seen FROM userdata.member")
    assert [str(seen) for seen in answer["seen"].to_pylist()] == ["2026-01-01 03:00:00"]
    copying.does("ALTER TABLE member ALTER seen TYPE text")
    (table,) = copying.run().tables
    assert table.is_whole
    assert column(copying, "seen").type is Type.TEXT


def test_an_enumeration_that_grows_is_followed(copying: Any) -> None:
    copying.does(
        "DROP TYPE IF EXISTS mood CASCADE; CREATE TYPE mood AS ENUM ('so so');"
        "ALTER TABLE member ADD mood mood DEFAULT 'so so'"
    )
    copying.select(**CURSOR, columns=["id", "mood", "updated_at"])
    copying.run()
    copying.does("ALTER TYPE mood ADD VALUE 'fine'")
    copying.does("INSERT INTO member (id, mood) VALUES (11, 'fine')")
    assert not copying.run().tables[0].is_whole
    assert copying.rows()[-1][1] == "fine"


@MODES
def test_another_type_stops_its_table_until_a_whole_copy_is_asked_for(
    copying: Any, mode: dict[str, Any]
) -> None:
    copying.select(**mode)
    copying.run()
    copying.does("ALTER TABLE member ALTER seats TYPE date USING '2026-01-01'::date + seats")
    with pytest.raises(SourceRefused, match=r"member\.seats changed its type .* integer to date"):
        copying.run()
    assert copying.rows()[0][2] == 1
    copying.run(whole=True)
    assert column(copying, "seats").type is Type.DATE


def test_a_table_made_anew_is_copied_whole(copying: Any) -> None:
    copying.select(**CURSOR)
    copying.run()
    copying.does(
        "ALTER TABLE member RENAME TO before; CREATE TABLE member AS SELECT * FROM before;"
        "ALTER TABLE member ADD PRIMARY KEY (id); DELETE FROM member WHERE id = 1;"
        "DROP TABLE before"
    )
    (table,) = copying.run().tables
    assert table.is_whole
    assert len(copying.rows()) == 9


def test_another_key_is_copied_whole(copying: Any) -> None:
    copying.select(**CURSOR)
    copying.run()
    copying.does("ALTER TABLE member DROP CONSTRAINT member_pkey, ADD PRIMARY KEY (id, role)")
    assert copying.run().tables[0].is_whole


def test_a_table_that_is_gone_stays_as_it_was(copying: Any) -> None:
    copying.select()
    copying.select("company", ["uuid", "plan"])
    copying.run()
    copying.does("DROP TABLE member")
    run = copying.run()
    assert "member" in run.problems
    assert len(copying.rows()) == 10


def test_values_that_no_column_can_hold_are_counted_or_stop_their_table(copying: Any) -> None:
    copying.does("ALTER TABLE member ADD until date DEFAULT 'infinity'")
    columns = ["id", "until", "updated_at"]
    copying.select(**CURSOR, columns=columns)
    (table,) = copying.run().tables
    assert table.lost == {"until": 10}
    assert copying.state()["lost"] == '{"until": 10}'
    copying.does("INSERT INTO member (id, role) VALUES (11, 'x')")
    copying.select(**CURSOR, columns=columns, on_lost="fail")
    with pytest.raises(SourceRefused, match="'member' has values that no column"):
        copying.run()
    assert len(copying.rows()) == 10
