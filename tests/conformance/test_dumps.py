"""A dump shows what its server shows: every type of a live copy, through pg_dump's own forms."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conformance.test_sources import DEFINITIONS, POSTGRES, fill
from turnout import sync
from turnout.config import Source, TableSelection
from turnout.demo.cluster import Cluster
from turnout.demo.postmaster import programs_of
from turnout.warehouse import Warehouse
from turnout.warehouse.duckdb import DuckDB

FORMS = ("custom", "plain")
SECRET = bytes(32)
# Written by the server in its own zone; the same instants.
IN_ITS_ZONE = {"timestamptz[]": ['["2026-01-01T05:30:00+05:30"]']}


@pytest.fixture(scope="module")
def dumped(
    cluster: Cluster, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[str, tuple[Warehouse, sync.Run]]]:
    """One table per type, dumped where time zones are odd, and loaded."""
    database = "conformance_of_dumps"
    folder = tmp_path_factory.mktemp("dumps")
    with cluster.connect("postgres") as connection:
        connection.execute(f"CREATE DATABASE {database}")
        connection.execute(f"ALTER DATABASE {database} SET timezone = 'Asia/Kolkata'")
        with cluster.connect(database) as there:
            there.execute(DEFINITIONS)
            for number, each in enumerate(POSTGRES):
                fill(there, f"t{number}", each)
        loaded = {form: _loaded(cluster, database, form, folder) for form in FORMS}
        yield loaded
        for warehouse, _ in loaded.values():
            warehouse.close()
        connection.execute(f"DROP DATABASE {database}")


def _loaded(cluster: Cluster, database: str, form: str, folder: Path) -> tuple[Warehouse, sync.Run]:
    file = folder / f"{form}.dump"
    program = str(programs_of(18) / "pg_dump")
    url = cluster.leader_url(database=database)
    subprocess.run([program, "-d", url, "-f", str(file), f"--format={form}"], check=True)
    tables = {f"t{number}": TableSelection(["id", "value"]) for number in range(len(POSTGRES))}
    warehouse = DuckDB(folder / f"{form}.duckdb", memory_bytes_max=512 * 1024**2, threads=2)
    source = Source(url=f"file:{file}", tables=tables)
    return warehouse, sync.copy("dump", source, warehouse, secret=SECRET)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("number", range(len(POSTGRES)), ids=[each.name for each in POSTGRES])
def test_dumped_values_arrive_as_a_live_copy_brings_them(
    dumped: dict[str, tuple[Warehouse, sync.Run]], number: int, form: str
) -> None:
    each = POSTGRES[number]
    warehouse, run = dumped[form]
    answer = warehouse.query(f"SELECT value::VARCHAR AS value FROM userdata.t{number} ORDER BY id")
    values = IN_ITS_ZONE.get(each.name, list(each.values.values()))
    assert answer["value"].to_pylist() == [None, *values]
    (table,) = [t for t in warehouse.tables("userdata") if t.name == f"t{number}"]
    assert table.column("value") == each.column
    assert run.tables[number].lost == ({"value": each.lost} if each.lost else {})
