"""Copies in a process of its own for each copy, held still at a step where the test wants it.

Usage: python -m tests.conformance.streams.copier. Reads one task per line, as JSON, and answers
each with lines: {"held": its process id} where it stands still until it reads a line, and at last
{"done": …} or {"error": …}. A task that was killed answers nothing but {"killed": true}. Each is
forked here, so that nothing is imported twice.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec

from turnout import sync
from turnout.config import Source
from turnout.errors import TurnoutError
from turnout.warehouse.duckdb import DuckDB, DuckDBTransaction

SECRET = b"s" * 32


class Stepping(DuckDB):
    """A warehouse that calls `step` before and after each transaction, and before its commit."""

    def __init__(self, path: Path, step: Callable[[], None]) -> None:
        super().__init__(path, memory_bytes_max=256 * 1024**2, threads=1)
        self._step = step

    @contextmanager
    def transaction(self) -> Iterator[DuckDBTransaction]:
        self._step()
        with super().transaction() as transaction:
            yield transaction
            self._step()
        self._step()


def main() -> None:
    while line := _read_line():
        task = json.loads(line)
        child = os.fork()
        if child == 0:
            _say(_done(task))
            os._exit(0)
        _, status = os.waitpid(child, 0)
        if status != 0:
            _say({"killed": True})


def _done(task: dict[str, Any]) -> dict[str, Any]:
    steps = iter(range(10**9))

    def step() -> None:
        if next(steps) == task["hold_at"]:
            _say({"held": os.getpid()})
            _read_line()

    source = msgspec.convert(task["source"], Source)
    try:
        warehouse = Stepping(Path(task["warehouse"]), step)
        try:
            return {"done": _work(task, source, warehouse)}
        finally:
            warehouse.close()
    except TurnoutError as error:
        return {"error": str(error), "kind": type(error).__name__}


def _work(task: dict[str, Any], source: Source, warehouse: DuckDB) -> dict[str, Any]:
    name = task["name"]
    if task["is_log"]:
        captured = sync.capture(name, source, warehouse, secret=SECRET)
        return {"problems": dict(captured.problems), "is_behind": captured.is_behind}
    run = sync.copy(name, source, warehouse, secret=SECRET, retries=0)
    return {"problems": dict(run.problems), "as_of": run.as_of.isoformat()}


def _read_line() -> str:
    """Unbuffered: what comes after it may be for another process."""
    line = b""
    while (byte := os.read(0, 1)) not in (b"", b"\n"):
        line += byte
    return line.decode()


def _say(answer: dict[str, Any]) -> None:
    os.write(1, json.dumps(answer).encode() + b"\n")


if __name__ == "__main__":
    main()
