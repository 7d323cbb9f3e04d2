"""Who is forgotten is gone from every table that names them; where they still are is told."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa
import pytest

from turnout.config import Source, TableSelection
from turnout.errors import BadRequest
from turnout.sync.forget import Forgetting, spellings
from turnout.sync.privacy.keyed import Keyed
from turnout.sync.source import Shape
from turnout.sync.state import TableState, write_states
from turnout.warehouse import Column, Table, Type, Warehouse, staging

SECRET = b"s" * 32
ALICE = "00000000-0000-4000-8000-000000000001"
BOB = "00000000-0000-4000-8000-000000000002"
URL = "postgresql://reader@127.0.0.1:1/app"


def fill(warehouse: Warehouse, name: str, rows: Sequence[Mapping[str, Any]]) -> Table:
    types = {str: Type.TEXT, int: Type.INTEGER}
    columns = tuple(Column(column, types[type(value)]) for column, value in rows[0].items())
    table = Table("userdata", name, columns)
    with warehouse.transaction() as transaction:
        transaction.replace(table, pa.Table.from_pylist(list(rows)))
    return table


def forgetting(warehouse: Warehouse, ids: Sequence[str], **tables: TableSelection) -> Forgetting:
    return Forgetting({"app": Source(url=URL, tables=tables)}, warehouse, SECRET, ids)


def erased(warehouse: Warehouse, forgetting: Forgetting) -> dict[str, int]:
    with warehouse.transaction() as transaction:
        return forgetting.erase(transaction)


def left(warehouse: Warehouse, name: str) -> list[Any]:
    rows = warehouse.query(f"SELECT * FROM userdata.{name}").to_pylist()
    return [next(iter(row.values())) for row in rows]


def test_rows_and_versions_of_the_person_go_and_others_stay(warehouse: Warehouse) -> None:
    person = TableSelection(["uuid", "role"], person="uuid", history=True)
    for name in ("person", "person_history"):
        fill(warehouse, name, [{"uuid": ALICE, "role": "x"}, {"uuid": BOB, "role": "y"}])
    found = forgetting(warehouse, [ALICE.upper()], person=person)
    expected = {"userdata.person": 1, "userdata.person_history": 1}
    assert found.counts() == expected
    assert erased(warehouse, found) == expected
    assert left(warehouse, "person") == left(warehouse, "person_history") == [BOB]
    assert found.counts() == erased(warehouse, found) == found.mentions() == {}


@pytest.mark.parametrize("key", [("id",), ("id", "place")])
def test_versions_from_before_the_person_was_copied_go_too(
    warehouse: Warehouse, key: tuple[str, ...]
) -> None:
    chosen = TableSelection(["id", "place", "who", "role"], person="who", history=True)
    rows = [
        (1, "new", ALICE), (1, "old", ""), (2, "new", BOB), (2, "old", ""), (3, "kept", "")
    ]  # fmt: skip
    fill(
        warehouse,
        "member_history",
        [{"role": f"{id_} {role}", "id": id_, "place": "x", "who": who} for id_, role, who in rows],
    )
    state = TableState("app", "userdata", "member", shape=Shape("1", key, {}))
    with warehouse.transaction() as transaction:
        transaction.execute("UPDATE userdata.member_history SET who = NULL WHERE who = ''")
        write_states(transaction, [state])
    found = forgetting(warehouse, [ALICE], member=chosen)
    assert found.counts() == {"userdata.member_history": 2}
    assert found.mentions() == {}
    assert erased(warehouse, found) == {"userdata.member_history": 2}
    assert left(warehouse, "member_history") == ["2 new", "2 old", "3 kept"]


@pytest.mark.parametrize(
    ("word", "id_", "stored"),
    [
        ("hash", ALICE, ALICE),
        ("hash:email", " Alice@ACME.example", "alice@acme.example"),
        ("hash:phone", "+1 (555) 0100", "15550100"),
    ],
)
def test_a_hashed_id_is_found_by_the_id(
    warehouse: Warehouse, word: str, id_: str, stored: str
) -> None:
    hashed = Keyed(SECRET).named(stored)
    fill(warehouse, "person", [{"email": hashed}, {"email": Keyed(SECRET).named(BOB)}])
    person = TableSelection(["email"], person="email", treat={"email": word})
    found = forgetting(warehouse, [id_], person=person)
    assert hashed in found.names
    assert found.listed() == {"app": tuple(dict.fromkeys([id_.strip(), stored]))}
    assert erased(warehouse, found) == {"userdata.person": 1}


def test_a_number_is_found_by_its_digits_and_nobody_elses(warehouse: Warehouse) -> None:
    fill(warehouse, "person", [{"id": 42}, {"id": 421}, {"id": 4}])
    found = forgetting(warehouse, ["42"], person=TableSelection(["id"], person="id"))
    assert erased(warehouse, found) == {"userdata.person": 1}
    assert left(warehouse, "person") == [421, 4]


def test_where_the_person_still_stands_is_told(warehouse: Warehouse) -> None:
    person = TableSelection(["uuid", "manager"], person="uuid")
    invoice = TableSelection(["number", "payer", "memo"])
    fill(warehouse, "person", [{"uuid": ALICE, "manager": ALICE}, {"uuid": BOB, "manager": ALICE}])
    fill(warehouse, "invoice", [{"number": 1, "payer": ALICE, "memo": f"for {ALICE}, thanks"}])
    fill(warehouse, "not_selected_any_more", [{"who": Keyed(SECRET).named(ALICE)}])
    found = forgetting(warehouse, [ALICE], person=person, invoice=invoice)
    expected = {
        "userdata.person.manager": 1,
        "userdata.invoice.payer": 1,
        "userdata.invoice.memo": 1,
    }
    assert found.mentions() == expected
    assert found.without_person() == ["userdata.invoice"]
    erased(warehouse, found)
    assert found.mentions() == expected
    hashed = TableSelection(["uuid"], person="uuid", treat={"uuid": "hash"})
    found = forgetting(warehouse, [ALICE], person=hashed, invoice=invoice)
    assert found.mentions()["userdata.not_selected_any_more.who"] == 1


def test_a_short_id_is_not_looked_for_inside_other_texts(warehouse: Warehouse) -> None:
    fill(warehouse, "invoice", [{"memo": "42 seats", "payer": "42"}])
    found = forgetting(warehouse, ["42"], invoice=TableSelection(["memo", "payer"]))
    assert found.mentions() == {"userdata.invoice.payer": 1}


def test_what_a_copy_that_was_cut_off_left_behind_goes_too(warehouse: Warehouse) -> None:
    table = fill(warehouse, "person", [{"uuid": BOB}])
    for part in ("rows", "keys"):
        staged = staging(table, part)
        fill(warehouse, staged.name, [{"uuid": ALICE}])
    found = forgetting(warehouse, [ALICE], person=TableSelection(["uuid"], person="uuid"))
    erased(warehouse, found)
    names = warehouse.query("SELECT table_name FROM information_schema.tables")
    assert names["table_name"].to_pylist() == ["person"]
    assert left(warehouse, "person") == [BOB]


def test_nobody_has_to_be_somebody(warehouse: Warehouse) -> None:
    with pytest.raises(BadRequest, match="Nobody is named"):
        forgetting(warehouse, ["", "  "])
    assert spellings([" A1 ", ALICE]) == ("A1", ALICE)
