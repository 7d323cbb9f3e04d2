"""What is deleted is gone from the disk too."""

import threading
from pathlib import Path

import pyarrow as pa

from turnout.warehouse import Column, Table, Type
from turnout.warehouse.duckdb import DuckDB

PERSON = Table("userdata", "person", (Column("id", Type.TEXT), Column("name", Type.TEXT)), ("id",))
# Too random for any compression to hide it.
SECRET = "q7Zp-Alice-9fK2xW"


def opened(folder: Path) -> DuckDB:
    return DuckDB(folder / "warehouse.duckdb", memory_bytes_max=2**29, threads=1)


def filled(folder: Path) -> DuckDB:
    warehouse = opened(folder)
    with warehouse.transaction() as transaction:
        transaction.prepare(PERSON)
        transaction.append(PERSON, pa.table({"id": [SECRET, "bob"], "name": [SECRET * 3, "Bob"]}))
        transaction.execute("CREATE SCHEMA turnout")
        transaction.execute("CREATE VIEW turnout.names AS SELECT name FROM userdata.person")
        transaction.execute("CREATE VIEW turnout.first AS SELECT min(name) AS n FROM turnout.names")
    warehouse.publish(folder / "copy.duckdb")
    return warehouse


def test_rows_are_deleted_by_key(tmp_path: Path) -> None:
    warehouse = filled(tmp_path)
    with warehouse.transaction() as transaction:
        assert transaction.delete(PERSON, pa.table({"id": [SECRET, "nobody"]})) == 1
    assert warehouse.query("SELECT id FROM userdata.person")["id"].to_pylist() == ["bob"]
    warehouse.close()


def test_after_compacting_nothing_of_a_deleted_row_is_in_the_file(tmp_path: Path) -> None:
    warehouse = filled(tmp_path)
    assert SECRET.encode() in (tmp_path / "copy.duckdb").read_bytes()
    with warehouse.transaction() as transaction:
        transaction.delete(PERSON, pa.table({"id": [SECRET]}))
    warehouse.compact()
    for file in tmp_path.glob("warehouse*"):
        assert SECRET.encode() not in file.read_bytes(), file
    assert warehouse.query("SELECT n FROM turnout.first")["n"].to_pylist() == ["Bob"]
    with warehouse.transaction() as transaction:
        transaction.append(PERSON, pa.table({"id": ["charlie"], "name": ["Charlie"]}))
    warehouse.close()
    again = opened(tmp_path)
    assert again.query("SELECT count(*) AS n FROM userdata.person")["n"].to_pylist() == [2]
    again.close()


def test_queries_go_on_around_compacting(tmp_path: Path) -> None:
    warehouse = filled(tmp_path)
    done = threading.Event()
    counted: list[int] = []

    def ask() -> None:
        while not done.is_set():
            counted.append(warehouse.query("SELECT count(*) AS n FROM userdata.person").num_rows)

    asking = threading.Thread(target=ask)
    asking.start()
    for _ in range(5):
        warehouse.compact()
    done.set()
    asking.join()
    assert set(counted) == {1}
    warehouse.close()
