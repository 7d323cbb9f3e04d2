from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from turnout.config import TableSelection
from turnout.errors import SourceRefused
from turnout.sync.privacy import shapes
from turnout.sync.privacy.scan import Finding, record, scan, stop_if_found
from turnout.sync.privacy.watch import Watch
from turnout.sync.selection import SelectedTable
from turnout.warehouse import Column, Table, Type, Warehouse
from turnout.warehouse.duckdb import DuckDB

STAGED = Table("staging", "person", (Column("id", Type.INTEGER), Column("memo", Type.TEXT)))
AT = datetime(2026, 11, 1, tzinfo=UTC)


@pytest.fixture(scope="module")
def warehouse(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Warehouse]:
    path: Path = tmp_path_factory.mktemp("scan") / "warehouse.duckdb"
    warehouse = DuckDB(path, memory_bytes_max=256 * 1024**2, threads=1)
    yield warehouse
    warehouse.close()


def selected(**said: Any) -> SelectedTable:
    columns = ["id", "memo"]
    return SelectedTable("public", "person", tuple(columns), TableSelection(columns, **said))


def stage(warehouse: Warehouse, memos: Sequence[str | None]) -> None:
    with warehouse.transaction() as transaction:
        rows = pa.table({"id": range(len(memos)), "memo": pa.array(memos, pa.string())})
        transaction.replace(STAGED, rows)


def found(warehouse: Warehouse, memos: Sequence[str | None], **said: Any) -> list[Finding]:
    stage(warehouse, memos)
    return scan(warehouse.query, warehouse.dialect, STAGED, selected(**said))


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        ("email", "write to alice@acme.example today"),
        ("email", "Alice.B+x@mail.acme.example"),
        ("phone", "call +1 555 010 0123"),
        ("phone", "(030) 123 4567"),
        ("phone", "555-010-0123"),
        ("phone", "+4915112345678"),
        ("card", "4111 1111 1111 1111"),
        ("card", "5500005555555559"),
        ("card", "3782-822463-10005"),
        ("iban", "DE89 3704 0044 0532 0130 00"),
        ("iban", "pay GB82WEST12345698765432 now"),
        ("ip", "from 192.0.2.17:443"),
        ("ip", "2001:db8:0:0:0:0:0:17"),
        ("ip", "2001:db8::17"),
    ],
)
def test_a_shape_is_known_wherever_it_stands(kind: str, text: str) -> None:
    assert kind in shapes.having(pa.array([text]))


@pytest.mark.parametrize(
    "text",
    [
        "admin",
        "2026-11-01 10:20:30+00",
        "2026-11-01T10:20:30.123456Z",
        "00000000-0000-4000-8000-000000000001",
        "4111 1111 1111 1112",  # does not add up
        "1234567890123456",
        "DE00 3704 0044 0532 0130 00",
        "a@b",
        "@alice",
        "1.2.3",
        "999.1.1.1",
        "10:20:30",
        "https://acme.example/a/b",
        "k1a2b3c4d:4crLw8+hms41ELN2U+O2ypIHeKgFrrf3Cr+PFKMJt2c=",
        "a•••@acme.example",
        "",
    ],
)
def test_what_only_resembles_one_is_not_taken_for_it(text: str) -> None:
    assert shapes.having(pa.array([text])) == {}


@given(st.lists(st.uuids().map(str), min_size=1) | st.lists(st.datetimes().map(str), min_size=1))
def test_ids_and_times_have_no_personal_shape(texts: list[str]) -> None:
    assert shapes.having(pa.array(texts)) == {}


def test_the_share_is_told_and_no_value(warehouse: Warehouse) -> None:
    findings = found(warehouse, ["alice@acme.example", "fine", None, "4111 1111 1111 1111", "x"])
    assert findings == [
        Finding("person", "memo", "email", 0.25),
        Finding("person", "memo", "card", 0.25),
    ]
    assert findings[0].sentence == "25.0% of person.memo look like: e-mail addresses"
    assert "alice" not in repr(findings)


def test_treated_columns_are_not_looked_at(warehouse: Warehouse) -> None:
    assert found(warehouse, ["alice@acme.example"], treat={"memo": "mask"}) == []


def test_a_large_table_is_sampled_from_its_beginning_to_its_end(warehouse: Warehouse) -> None:
    memos = ["plain"] * 60_000 + ["alice@acme.example"] * 40_000
    (finding,) = found(warehouse, memos)
    assert finding.kind == "email"
    assert finding.share == pytest.approx(0.4, abs=0.01)


def test_only_rows_that_are_new_are_looked_at_where_they_lie_among_others(
    warehouse: Warehouse,
) -> None:
    stage(warehouse, ["alice@acme.example", "plain"])
    assert scan(warehouse.query, warehouse.dialect, STAGED, selected(), "id = 1") == []


def test_one_in_many_may_be_chance(warehouse: Warehouse) -> None:
    assert found(warehouse, ["1.2.3.4"] + ["plain"] * 5_000) == []


def test_a_table_may_ask_that_nothing_of_the_kind_lands() -> None:
    findings = [Finding("person", "memo", "email", 0.25)]
    stop_if_found(selected(), findings)
    stop_if_found(
        selected(on_found="stop", personal={"memo": "agreed with the works council"}), findings
    )
    stop_if_found(selected(on_found="stop"), [])
    with pytest.raises(SourceRefused, match=r"25.0% of person.memo look like: e-mail addresses"):
        stop_if_found(selected(on_found="stop"), findings)


def test_of_changes_each_kind_is_told_once() -> None:
    watch = Watch()
    columns = (Column("id", Type.INTEGER), Column("memo", Type.TEXT))
    mail = pa.table({"id": [1, 2], "memo": ["alice@acme.example", None]})
    card = pa.table({"id": [3], "memo": ["bob@acme.example 4111 1111 1111 1111"]})
    told = [watch.new_findings(selected(), columns, rows) for rows in (mail, mail, card, card)]
    assert told == [
        [Finding("person", "memo", "email", 1.0)],
        [],
        [Finding("person", "memo", "card", 1.0)],
        [],
    ]


def test_findings_are_remembered_since_when_and_end_with_a_whole_copy_without_them(
    warehouse: Warehouse,
) -> None:
    mail, card = (Finding("person", "memo", kind, 0.5) for kind in ("email", "card"))
    later = datetime(2026, 11, 2, tzinfo=UTC)
    for findings, at, whole in [([mail, card], AT, True), ([mail], later, False)]:
        with warehouse.transaction() as transaction:
            record(transaction, "app", selected(), findings, at, whole=whole)
    assert kinds(warehouse) == {"email": (AT, later), "card": (AT, AT)}
    with warehouse.transaction() as transaction:
        record(transaction, "app", selected(), [mail], later, whole=True)
    assert kinds(warehouse) == {"email": (AT, later)}
    with warehouse.transaction() as transaction:
        record(transaction, "app", selected(), [], later, whole=True)
    assert kinds(warehouse) == {}


def kinds(warehouse: Warehouse) -> dict[str, tuple[datetime, datetime]]:
    rows = warehouse.query("SELECT kind, first_found_at, run_at FROM _turnout.sync_findings")
    return {
        row["kind"]: (row["first_found_at"].replace(tzinfo=UTC), row["run_at"].replace(tzinfo=UTC))
        for row in rows.to_pylist()
    }


def test_what_leaves_is_written_down_since_when_and_until_when(warehouse: Warehouse) -> None:
    later = datetime(2026, 11, 2, tzinfo=UTC)
    for said, at in [
        ({}, AT),
        ({}, datetime(2026, 11, 1, 12, tzinfo=UTC)),
        ({"treat": {"memo": "mask"}, "personal": {"id": "they ask by it"}}, later),
    ]:
        with warehouse.transaction() as transaction:
            record(transaction, "book", selected(**said), [], at, whole=True)
    lines = warehouse.query(
        "SELECT column_name, treatment, reason, since, until FROM _turnout.sync_columns "
        "WHERE source = 'book' ORDER BY since, column_name"
    ).to_pylist()
    first, second = AT.replace(tzinfo=None), later.replace(tzinfo=None)
    assert [tuple(line.values()) for line in lines] == [
        ("id", "keep", None, first, second),
        ("memo", "keep", None, first, second),
        ("id", "keep", "they ask by it", second, None),
        ("memo", "mask", None, second, None),
    ]
