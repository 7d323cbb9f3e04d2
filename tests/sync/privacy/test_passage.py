from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from turnout.config import TableSelection
from turnout.errors import ConfigError, SourceRefused
from turnout.sync.privacy.passage import Passage
from turnout.sync.privacy.suppressed import Suppressed, suppress
from turnout.sync.selection import SelectedTable
from turnout.warehouse import Column, Type

SECRET = b"s" * 32
ALICE, BOB = "alice", "bob"
COLUMNS = {
    "uuid": Type.TEXT,
    "email": Type.TEXT,
    "role": Type.TEXT,
    "seats": Type.INTEGER,
    "updated_at": Type.TIME,
}


def passage(suppressed: Suppressed | None = None, secret: bytes = SECRET, **said: Any) -> Passage:
    names = said.pop("columns", ["uuid", "role", "seats"])
    key = said.pop("key", ["uuid"])
    selected = SelectedTable("public", "person", tuple(names), TableSelection(names, **said))
    columns = [Column(name, COLUMNS[name]) for name in names]
    return Passage(selected, columns, secret, suppressed, key=key)


def rows(**columns: list[Any]) -> pa.RecordBatch:
    return pa.RecordBatch.from_pydict(columns)


def test_columns_that_nothing_was_said_about_pass_as_they_are() -> None:
    batch = rows(uuid=[ALICE], role=[""], seats=[1])
    assert passage().through(batch) is batch


def test_treated_columns_have_the_announced_columns_and_schema() -> None:
    treated = passage(columns=["uuid", "email", "seats"], treat={"email": "hash", "seats": "keep"})
    batch = rows(uuid=[ALICE, BOB], email=["alice@acme.example", None], seats=[1, 2])
    landed = treated.through(batch)
    assert landed.schema == treated.schema(batch.schema)
    assert [column.type for column in treated.columns] == [Type.TEXT, Type.TEXT, Type.INTEGER]
    assert landed["email"][0].as_py().startswith("k")
    assert landed["email"][1].as_py() is None
    assert "alice@" not in str(landed.to_pydict())


def test_an_empty_batch_passes_too() -> None:
    treated = passage(treat={"seats": "bucket:10", "role": "mask"})
    batch = rows(uuid=[], role=[], seats=[]).cast(
        pa.schema([("uuid", pa.string()), ("role", pa.string()), ("seats", pa.int32())])
    )
    assert treated.through(batch).schema == treated.schema(batch.schema)


def test_what_looks_personal_is_refused_with_both_ways_out() -> None:
    with pytest.raises(ConfigError) as refused:
        passage(columns=["uuid", "email"])
    assert "person.email looks personal" in refused.value.message
    assert 'treat = { email = "hash" }' in str(refused.value.hint)
    assert 'personal = { email = "…" }' in str(refused.value.hint)
    with pytest.raises(ConfigError, match="looks personal"):
        passage(columns=["uuid", "email"], treat={"email": "keep"})
    passage(columns=["uuid", "email"], treat={"email": "mask"})
    passage(columns=["uuid", "email"], personal={"email": "support answers by it"})


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ({"treat": {"rol": "mask"}}, ["treat names 'rol'", "Did you mean 'role'"]),
        ({"personal": {"name": "x"}}, ["personal names 'name'"]),
        ({"person": "person_uuid"}, ["person names 'person_uuid'"]),
        ({"treat": {"uuid": "mask"}}, ["person.uuid", "key"]),
        ({"treat": {"uuid": "hash:email"}}, ["person.uuid", "key"]),
        ({"treat": {"role": "mask"}, "person": "role"}, ["person.role", "forgotten"]),
        (
            {
                "columns": ["uuid", "updated_at"],
                "treat": {"updated_at": "bucket:day"},
                "cursor": "updated_at",
            },
            ["person.updated_at", "cursor"],
        ),
        (
            {
                "columns": ["uuid", "role"],
                "treat": {"role": "hash"},
                "created_at": "role",
            },
            ["person.role", "created_at"],
        ),
    ],
)
def test_a_treatment_that_would_break_the_copy_is_refused(
    said: dict[str, Any], words: list[str]
) -> None:
    with pytest.raises(ConfigError) as refused:
        passage(**said)
    for word in words:
        assert word in str(refused.value)


def test_a_hashed_key_still_tells_rows_apart_and_is_found_by_the_keys_alone() -> None:
    whole = passage(treat={"uuid": "hash"})
    keys = passage(columns=["uuid"], treat={"uuid": "hash"})
    landed = whole.through(rows(uuid=["A", "a", "b"], role=["", "", ""], seats=[1, 2, 3]))
    assert len(set(landed["uuid"].to_pylist())) == 3
    assert keys.through(rows(uuid=["A", "a", "b"]))["uuid"] == landed["uuid"]


def test_values_that_cannot_be_treated_are_not_told() -> None:
    treated = passage(treat={"seats": "bucket:10"})
    with pytest.raises(SourceRefused) as refused:
        treated.through(rows(uuid=["a"], role=[""], seats=["alice@acme.example"]))
    assert "person.seats" in refused.value.message
    assert "alice" not in str(refused.value)
    assert refused.value.__cause__ is None
    assert refused.value.__suppress_context__


def test_the_forgotten_stay_out_also_when_their_id_is_hashed(tmp_path: Path) -> None:
    suppress(tmp_path, [ALICE])
    for treat in ({}, {"uuid": "hash"}):
        keeping = passage(Suppressed(tmp_path, "app"), person="uuid", treat=treat)
        landed = keeping.through(
            rows(uuid=[ALICE, BOB, None], role=["x", "y", "z"], seats=[1, 2, 3])
        )
        assert landed["role"].to_pylist() == ["y", "z"]


def test_a_change_that_gives_a_row_to_somebody_forgotten_takes_it_away(tmp_path: Path) -> None:
    suppress(tmp_path, [ALICE])
    keeping = passage(Suppressed(tmp_path, "app"), person="role", key=["uuid"])
    landed = keeping.through(
        rows(
            _op=[1, 1, 2, 3],
            _order=[1, 2, 3, 4],
            uuid=["row 1", "row 2", "row 3", None],
            role=[ALICE, BOB, None, None],
            seats=[7, 8, None, None],
        )
    )
    assert landed.to_pylist() == [
        {"_op": 2, "_order": 1, "uuid": "row 1", "role": None, "seats": None},
        {"_op": 1, "_order": 2, "uuid": "row 2", "role": BOB, "seats": 8},
        {"_op": 2, "_order": 3, "uuid": "row 3", "role": None, "seats": None},
        {"_op": 3, "_order": 4, "uuid": None, "role": None, "seats": None},
    ]


def test_somebody_forgotten_while_a_copy_runs_is_kept_out_of_its_rest(tmp_path: Path) -> None:
    keeping = passage(Suppressed(tmp_path, "app"), person="uuid")
    batch = rows(uuid=[ALICE], role=["x"], seats=[1])
    assert keeping.through(batch).num_rows == 1
    suppress(tmp_path, [ALICE])
    assert keeping.through(batch).num_rows == 0


def test_keys_of_a_column_that_is_not_copied_are_refused() -> None:
    with pytest.raises(ConfigError, match="json_keys names 'roel'"):
        passage(json_keys={"roel": ["plan"]})
