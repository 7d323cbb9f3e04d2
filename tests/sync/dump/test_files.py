"""CSV and Parquet files as a source."""

from __future__ import annotations

import gzip
import os
import uuid
from datetime import UTC, date, datetime, time
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pytest
from pyarrow import parquet

from tests.sync.dump.conftest import problem, read, selected
from turnout.errors import SourceRefused
from turnout.sync.dump.dump import Dump
from turnout.warehouse import Column, Type

COMPANY = selected("company", "name", "plan")
CSV = 'uuid,plan,secret,name\n1,pro,x,Acme\n2,,y,"Glo""bex,\nLtd"\n3,"",z,\\N\n'
ROWS = {"name": ["Acme", 'Glo"bex,\nLtd', None], "plan": ["pro", None, ""]}


def test_csv_is_read_by_the_names_in_its_header(tmp_path: Path) -> None:
    file = tmp_path / "company.csv"
    file.write_text(CSV)
    assert read(file, COMPANY)[0].to_pydict() == ROWS


@pytest.mark.parametrize("delimiter", [";", "\t", "|"])
def test_other_delimiters_marks_and_line_ends_are_understood(
    tmp_path: Path, delimiter: str
) -> None:
    file = tmp_path / "company.csv"
    text = CSV.replace('Glo""bex,', 'Glo""bex').replace(",", delimiter)
    file.write_bytes(b"\xef\xbb\xbf" + text.replace("\n", "\r\n").encode())
    rows, _ = read(file, COMPANY)
    assert rows["plan"].to_pylist() == ROWS["plan"]
    assert rows["name"].to_pylist()[0] == "Acme"


def test_compressed_files_and_whole_folders_are_read(tmp_path: Path) -> None:
    (tmp_path / "company.csv.gz").write_bytes(gzip.compress(CSV.encode()))
    (tmp_path / "billing.invoice.csv").write_text("number\n7\n")
    (tmp_path / ".hidden").write_text("not a file of rows")
    assert read(tmp_path, COMPANY)[0].to_pydict() == ROWS
    invoice = selected("invoice", "number", schema="billing")
    assert read(tmp_path, invoice)[0]["number"].to_pylist() == ["7"]


def test_a_table_may_be_named_and_be_in_several_files(tmp_path: Path) -> None:
    for name in ("a.csv", "b.csv"):
        (tmp_path / name).write_text(CSV)
    rows, _ = read([tmp_path / "a.csv", tmp_path / "b.csv"], COMPANY, table="company")
    assert rows.num_rows == 6
    with pytest.raises(SourceRefused, match="no table 'compny'"):
        read(tmp_path / "a.csv", COMPANY, table="compny")


def test_types_of_csv_are_text_unless_a_definition_says_more(tmp_path: Path) -> None:
    (tmp_path / "company.csv").write_text("id,seats,at,paid\n007,1.5,2026-01-01 01:00:00+01,t\n")
    table = selected("company", "id", "seats", "at", "paid")
    with Dump([tmp_path]).snapshot([table]) as snapshot:
        assert {column.type for column in snapshot.tables[0].columns} == {Type.TEXT}
        assert snapshot.untyped == ["company"]
    (tmp_path / "schema.sql").write_text(
        "create table company (id text primary key, seats decimal(6,2), at timestamptz, "
        "paid boolean not null);"
    )
    with Dump([tmp_path]).snapshot([table]) as snapshot:
        assert [column.type for column in snapshot.tables[0].columns] == [
            Type.TEXT, Type.DECIMAL, Type.TIME, Type.BOOLEAN,
        ]  # fmt: skip
        assert snapshot.tables[0].shape.key == ("id",)
        assert snapshot.untyped == []
    row = read(tmp_path, table)[0].to_pylist()[0]
    assert row == {"id": "007", "seats": "1.5", "at": datetime(2026, 1, 1), "paid": "t"}  # noqa: DTZ001 - naive UTC, as the warehouse has it


def test_a_csv_that_is_wrong_is_refused_without_its_values(tmp_path: Path) -> None:
    file = tmp_path / "company.csv"
    file.write_text("name,plan\nAcme,pro\nalice@acme.example\n")
    with pytest.raises(SourceRefused) as refused:
        read(file, COMPANY)
    assert "alice" not in str(refused.value)
    file.write_bytes("name,plan\nZürich,pro\n".encode("latin-1"))
    with pytest.raises(SourceRefused, match="UTF-8"):
        read(file, COMPANY)
    file.write_text("nmae,plan\nAcme,pro\n")
    assert "no column 'name'. Did you mean 'nmae'?" in problem(file, COMPANY)


def test_parquet_brings_its_types(tmp_path: Path) -> None:
    table = pa.table(
        {
            "id": pa.array([1, 2], pa.uint64()),
            "small": pa.array([1, None], pa.int8()),
            "share": pa.array([0.5, None], pa.float32()),
            "price": pa.array([Decimal("1.50"), None], pa.decimal128(9, 2)),
            "name": pa.array(["Acme", None]).dictionary_encode(),
            "paid": pa.array([True, None]),
            "on": pa.array([date(2026, 1, 1), None]),
            "at": pa.array([datetime(2026, 1, 1, 12, tzinfo=UTC), None], pa.timestamp("ns", "UTC")),
            "clock": pa.array([time(1, 2, 3), None]),
            "bytes": pa.array([b"\x00\xff", None]),
            "tags": pa.array([["a", 'b"'], None]),
            "secret": pa.array(["x", "y"]),
        }
    )
    file = tmp_path / "company.parquet"
    parquet.write_table(table, file)
    chosen = selected("company", *(name for name in table.column_names if name != "secret"))
    with Dump([file]).snapshot([chosen]) as snapshot:
        columns = snapshot.tables[0].columns
    assert [column.type for column in columns] == [
        Type.DECIMAL, Type.INTEGER, Type.FLOAT, Type.DECIMAL, Type.TEXT, Type.BOOLEAN,
        Type.DATE, Type.TIME, Type.CLOCK, Type.BYTES, Type.JSON,
    ]  # fmt: skip
    assert columns[3] == Column("price", Type.DECIMAL, 9, 2)
    rows, lost = read(file, chosen)
    assert lost == {}
    assert rows.slice(0, 1).to_pylist() == [
        {
            "id": Decimal(1), "small": 1, "share": 0.5, "price": Decimal("1.50"), "name": "Acme",
            "paid": True, "on": date(2026, 1, 1), "at": datetime(2026, 1, 1, 12),  # noqa: DTZ001 - naive UTC, as the warehouse has it
            "clock": time(1, 2, 3), "bytes": b"\x00\xff", "tags": '["a","b\\""]',
        }
    ]  # fmt: skip


def test_a_broken_parquet_file_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "company.parquet"
    parquet.write_table(pa.table({"name": [uuid.uuid4().hex] * 100, "plan": ["x"] * 100}), file)
    file.write_bytes(file.read_bytes()[:-10])
    with pytest.raises(SourceRefused, match="damaged or cut off"), Dump([file]).snapshot([COMPANY]):
        pass


def test_rows_are_as_of_when_the_oldest_file_was_written(tmp_path: Path) -> None:
    for name, day in (("company.csv", 2), ("person.csv", 1)):
        (tmp_path / name).write_text(CSV)
        at = datetime(2026, 1, day, tzinfo=UTC).timestamp()
        os.utime(tmp_path / name, (at, at))
    with Dump([tmp_path]).snapshot([COMPANY]) as snapshot:
        assert snapshot.as_of == datetime(2026, 1, 1, tzinfo=UTC)
