"""Runs the same few units of work again and again, killed at another step each time.

Usage: python cut.py FOLDER WAREHOUSE_URL. Each cut gets its own home and its own processes, forked
here so that nothing is imported twice. Prints one line per cut: what the warehouse holds after
the next process has gone on from the bookmark; the last line is the run nobody cut.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa

from turnout.config import load_config
from turnout.warehouse import Column, Table, Type, Warehouse, open_warehouse

UNITS = 3
ROWS = 1_000
EVENTS = Table(
    "analytics", "tracks", (Column("id", Type.INTEGER), Column("unit", Type.INTEGER)), key=("id",)
)
USERS = Table(
    "analytics", "users", (Column("id", Type.INTEGER), Column("seen", Type.INTEGER)), key=("id",)
)
TOTALS = Table("turnout", "totals", (Column("rows", Type.INTEGER),))
BOOKMARK = Table("_turnout", "bookmark", (Column("unit", Type.INTEGER),))

Step = Callable[[], None]


def work(warehouse: Warehouse, step: Step) -> None:
    """Do the units that the bookmark says are missing; `step` is called between any two steps."""
    with warehouse.transaction() as transaction:
        for table in (EVENTS, USERS, BOOKMARK):
            step()
            transaction.prepare(table)
    done = warehouse.query("SELECT count(*) AS done FROM _turnout.bookmark")["done"][0].as_py()
    for unit in range(done, UNITS):
        step()
        with warehouse.transaction() as transaction:
            # Half of each unit repeats the one before.
            ids = range(unit * ROWS // 2, unit * ROWS // 2 + ROWS)
            transaction.append(EVENTS, pa.table({"id": ids, "unit": [unit] * ROWS}))
            step()
            transaction.merge(USERS, pa.table({"id": [1, 2], "seen": [unit, unit]}))
            step()
            count = transaction.execute("SELECT count(*) AS rows FROM analytics.tracks")
            transaction.replace(TOTALS, count)
            step()
            transaction.append(BOOKMARK, pa.table({"unit": [unit]}))
            step()
        step()
    step()


def state(warehouse: Warehouse) -> str:
    """Everything in the warehouse, as text."""
    found = {}
    for table in warehouse.tables():
        name = warehouse.dialect.table(table.schema, table.name)
        rows = warehouse.query(f"SELECT * FROM {name} ORDER BY ALL").to_pylist()
        found[f"{table.schema}.{table.name}"] = [list(row.values()) for row in rows]
    return json.dumps(found)


def in_another_process(task: Callable[[], None]) -> bool:
    """Run `task` in a fork; whether it came to its end."""
    pid = os.fork()
    if pid == 0:
        task()
        os._exit(0)
    _, status = os.waitpid(pid, 0)
    assert status in (0, signal.SIGKILL), status
    return status == 0


def main(folder: Path, url: str) -> None:
    cut_at = 0
    finished = False
    while not finished:
        home = folder / f"cut-{cut_at}"
        config = load_config(home, {"TURNOUT_WAREHOUSE_URL": url})
        steps_left = iter(range(cut_at, -1, -1))

        def cut(steps_left: object = steps_left) -> None:
            if next(steps_left) == 0:  # type: ignore[call-overload]
                os.kill(os.getpid(), signal.SIGKILL)

        def first() -> None:
            work(open_warehouse(config), cut)  # noqa: B023 - run at once

        def second() -> None:
            warehouse = open_warehouse(config)  # noqa: B023 - run at once
            work(warehouse, lambda: None)
            sys.stdout.write(f"{state(warehouse)}\n")
            sys.stdout.flush()
            warehouse.close()

        finished = in_another_process(first)
        in_another_process(second)
        cut_at += 1


main(Path(sys.argv[1]), sys.argv[2])
