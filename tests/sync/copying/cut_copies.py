"""Copies a source again and again, killed at another commit each time, or with a full disk.

Usage: python cut_copies.py killed|full FOLDER URL. Prints one line of JSON per cut: what the
warehouse served after it, and what it held after the next copy; the last line is the copy that
nobody cut.
"""

from __future__ import annotations

import json
import os
import resource
import shutil
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg

from turnout import sync
from turnout.config import Source, TableSelection
from turnout.errors import WarehouseUnavailable
from turnout.sync.copying import landing
from turnout.warehouse import Transaction, Warehouse
from turnout.warehouse.duckdb import DuckDB

BEFORE = (
    "CREATE TABLE member (id int PRIMARY KEY, role text, updated_at timestamptz);"
    "CREATE TABLE company (id int PRIMARY KEY, plan text);"
    "INSERT INTO member SELECT n, 'before', now() FROM generate_series(1, 9) n;"
    "INSERT INTO company SELECT n, 'before' FROM generate_series(1, 9) n"
)
AFTER = (
    "UPDATE member SET role = 'after', updated_at = now() WHERE id > 1;"
    "DELETE FROM member WHERE id = 1; UPDATE company SET plan = 'after'"
)
TABLES = {
    "member": TableSelection(
        ["id", "role", "updated_at"], mode="cursor", cursor="updated_at", history=True
    ),
    "company": TableSelection(["id", "plan"], mode="full"),
}
LARGE = (
    "CREATE TABLE large (id int PRIMARY KEY, noise text);"
    "INSERT INTO large SELECT n, gen_random_uuid()::text || gen_random_uuid() "
    "FROM generate_series(1, {rows}) n"
)
# The file may grow by so much, and the table needs more.
ROOM_BYTES = 4 * 1024 * 1024


def killed(folder: Path, url: str) -> None:
    """Kill a copy before each of its commits, and once when it has made the last."""
    source = Source(url=url, accept_leader=True, tables=TABLES, retries=0)
    does(url, BEFORE)
    in_another_process(lambda: copied(folder / "before", source))
    does(url, AFTER)
    is_cut = True
    steps = 0
    while is_cut:
        home = folder / f"cut-{steps}"
        shutil.copytree(folder / "before", home)
        left = iter(range(steps, -1, -1))
        is_cut = not in_another_process(lambda: copied(home, source, left))  # noqa: B023 - at once
        in_another_process(lambda: said(home, source))  # noqa: B023 - at once
        steps += 1


def full(folder: Path, url: str) -> None:
    """Let the disk be full while rows land, then give it room."""
    source = Source(
        url=url, accept_leader=True, tables={"large": TableSelection(["id", "noise"])}, retries=0
    )
    does(url, LARGE.format(rows=10))
    in_another_process(lambda: copied(folder / "home", source))
    does(url, "DROP TABLE large;" + LARGE.format(rows=200_000))
    in_another_process(lambda: without_room(folder / "home", source))
    in_another_process(lambda: said(folder / "home", source))


def without_room(home: Path, source: Source) -> None:
    size = (home / "warehouse.duckdb").stat().st_size
    resource.setrlimit(resource.RLIMIT_FSIZE, (size + ROOM_BYTES, resource.RLIM_INFINITY))
    landing.WRITE_BYTES = 1024 * 1024
    try:
        copied(home, source)
    except WarehouseUnavailable:
        os._exit(0)
    os._exit(1)


def copied(home: Path, source: Source, steps_left: Iterator[int] | None = None) -> None:
    warehouse = opened(home)
    if steps_left is not None:
        warehouse.transaction = cutting(warehouse.transaction, steps_left)  # type: ignore[method-assign]
    sync.copy("app", source, warehouse, secret=b"s" * 32)
    cut(steps_left)
    warehouse.close()


def cutting(transaction: Callable[[], Any], steps_left: Iterator[int]) -> Callable[[], Any]:
    """`transaction`, with a chance to be killed before each commit."""

    @contextmanager
    def cut_before() -> Iterator[Transaction]:
        with transaction() as inner:
            yield inner
            cut(steps_left)

    return cut_before


def cut(steps_left: Iterator[int] | None) -> None:
    if steps_left is not None and next(steps_left) == 0:
        os.kill(os.getpid(), signal.SIGKILL)


def said(home: Path, source: Source) -> None:
    """Say what is served, and what is after the next copy."""
    warehouse = opened(home)
    sync.drop_staging(warehouse)
    served = content(warehouse)
    sync.copy("app", source, warehouse, secret=b"s" * 32)
    left = warehouse.query(
        "SELECT count(*) AS n FROM information_schema.tables WHERE table_name LIKE '%staging%'"
    )["n"][0].as_py()
    sys.stdout.write(json.dumps([served, content(warehouse), left]) + "\n")
    sys.stdout.flush()
    warehouse.close()


def content(warehouse: Warehouse) -> dict[str, Any]:
    """Per table its rows counted by their second column; of a history the open and closed ones."""
    found = {}
    for table in warehouse.tables("userdata"):
        second = table.columns[1].name if table.name != "large" else "'noise'"
        extra = ", valid_to < TIMESTAMP '9999-12-31'" if table.name.endswith("_history") else ""
        rows = warehouse.query(
            f"SELECT {second} AS value{extra}, count(*) AS n, count(DISTINCT id) AS ids "
            f"FROM userdata.{table.name} GROUP BY ALL ORDER BY ALL"
        )
        found[table.name] = [list(row.values()) for row in rows.to_pylist()]
    return found


def opened(home: Path) -> DuckDB:
    return DuckDB(home / "warehouse.duckdb", memory_bytes_max=256 * 1024**2, threads=1)


def does(url: str, statements: str) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(statements.encode())


def in_another_process(task: Callable[[], None]) -> bool:
    """Run `task` in a fork; whether it came to its end."""
    pid = os.fork()
    if pid == 0:
        task()
        os._exit(0)
    _, status = os.waitpid(pid, 0)
    assert status in (0, signal.SIGKILL), status
    return status == 0


{"killed": killed, "full": full}[sys.argv[1]](Path(sys.argv[2]), sys.argv[3])
