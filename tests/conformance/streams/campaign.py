"""One example played through: changes are made, copied, disturbed, and compared each time."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from copy import deepcopy
from datetime import datetime
from itertools import count
from pathlib import Path
from typing import IO, Any

import msgspec
import psutil
import psycopg

from tests.conformance.streams.changes import Batch, statements
from tests.conformance.streams.tables import MARK, SCHEMAS, Table
from tests.conformance.test_sources import DEFINITIONS
from turnout import sync
from turnout.config import Source
from turnout.demo.cluster import Cluster
from turnout.sync.postgres.publication import log_statements
from turnout.sync.postgres.stream import slot_name
from turnout.warehouse.duckdb import DuckDB

READER = "stream_reader"
SCHEMA = "userdata"
NEVER = -1
# Passes until a capture that has to copy whole again has done so.
PASSES_MAX = 3

# The rows of every table, as text.
State = list[list[tuple[str | None, ...]]]
_examples = count()


class Copier:
    """The process that forks one for each copy."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.conformance.streams.copier"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def close(self) -> None:
        self._process.stdin.close()  # type: ignore[union-attr] # it is a pipe
        self._process.stdout.close()  # type: ignore[union-attr] # it is a pipe
        self._process.wait(timeout=30)

    def ask(self, task: dict[str, Any]) -> Iterator[dict[str, Any]]:
        """Each answer; after one that says "held", it goes on with `go`."""
        self._write(json.dumps(task))
        stdout: IO[str] = self._process.stdout  # type: ignore[assignment] # it is a pipe
        while True:
            answer = json.loads(stdout.readline())
            yield answer
            if "held" not in answer:
                return

    def go(self) -> None:
        self._write("go")

    def _write(self, line: str) -> None:
        stdin: IO[str] = self._process.stdin  # type: ignore[assignment] # it is a pipe
        stdin.write(f"{line}\n")
        stdin.flush()


class Campaign:
    """Tables of one example, their copies in a new warehouse, and every state they have had."""

    def __init__(
        self,
        cluster: Cluster,
        database: str,
        copier: Copier,
        folder: Path,
        mode: str,
        *,
        from_follower: bool = False,
    ) -> None:
        self._cluster = cluster
        self._database = database
        self._copier = copier
        self._name = f"stream_{next(_examples)}"
        self._warehouse = folder / f"{self._name}.duckdb"
        self._mode = mode
        self._from_follower = from_follower
        self._tables: list[Table] = []
        # What was committed, in order; how far the copy is known to be; what it was when.
        self._states: list[State] = []
        self._reached = 0
        self._sampled: list[tuple[datetime, State]] = []

    def play(self, tables: Sequence[Table], batches: Sequence[Batch]) -> None:
        """Raises `AssertionError` where the copy is not what it should be."""
        self._tables = deepcopy(list(tables))
        with self._prepared():
            self._states.append(self._expected())
            for batch in batches:
                self._play(batch)
            self._copy_undisturbed()
            self._compare_history()
            self._look_for_what_was_not_selected()

    @contextmanager
    def _prepared(self) -> Iterator[None]:
        """The tables, with what an operator does for them; gone afterwards."""
        slot = slot_name(self._name, self._source())
        with self._connect() as connection:
            for schema in {table.schema for table in self._tables} - {"public"}:
                connection.execute(f'CREATE SCHEMA "{schema}"')
            for table in self._tables:
                connection.execute(table.definition())
            selection = sync.selected_tables(self._name, self._source())
            for statement in sync.grants(selection, READER):
                connection.execute(statement)
            if self._mode == "log":
                for statement in log_statements(selection, READER, slot):
                    connection.execute(statement)
        try:
            yield
        finally:
            with self._connect() as connection:
                self._remove(connection, slot)

    def _remove(self, connection: psycopg.Connection[Any], slot: str) -> None:
        connection.execute(
            "SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots "
            "WHERE slot_name = %s",
            [slot],
        )
        connection.execute(f'DROP PUBLICATION IF EXISTS "{slot}"')
        connection.execute(f'DROP SCHEMA IF EXISTS "{slot}" CASCADE')
        for table in self._tables:
            connection.execute(f"DROP TABLE {table.quoted}")
        for schema in {*SCHEMAS} - {"public"}:
            connection.execute(f'DROP SCHEMA IF EXISTS "{schema}"')

    def _play(self, batch: Batch) -> None:
        is_left_open = batch.is_left_open and self._may_be_left_open(batch)
        with ExitStack() as opened:
            for place, seed in enumerate(batch.seeds):
                is_last = place == len(batch.seeds) - 1
                self._change(seed, opened if is_last and is_left_open else None)
            if batch.failure != "none":
                self._copy_disturbed(batch)
            self._copy_undisturbed()
        if is_left_open:
            self._states.append(self._expected())
            self._copy_undisturbed()

    def _may_be_left_open(self, batch: Batch) -> bool:
        """A slot is made when nobody has begun to write; and a crash ends what is open."""
        is_begun = self._mode != "log" or bool(self._sampled)
        return is_begun and batch.failure != "crash"

    def _change(self, seed: int, held_open: ExitStack | None) -> None:
        """One transaction; committed when `held_open` ends, if there is one."""
        connection = self._cluster.connect(self._database)
        closing = ExitStack() if held_open is None else held_open
        closing.callback(connection.close)
        closing.enter_context(connection.transaction())
        truncates = held_open is None
        for statement in [*statements(self._tables, seed, truncates=truncates)]:
            connection.execute(statement.encode())
        if held_open is None:
            closing.close()
            self._states.append(self._expected())

    def _copy_disturbed(self, batch: Batch) -> None:
        """Something happens at a step of the copy: it may fail, and leaves a committed moment."""
        for answer in self._copier.ask(self._task(batch.step)):
            if "held" not in answer:
                assert answer.get("kind", "SourceUnavailable") == "SourceUnavailable", answer
            elif batch.failure == "kill":
                os.kill(answer["held"], signal.SIGKILL)
            else:
                self._disturb(batch.failure)
                self._copier.go()
        self._compare()

    def _disturb(self, failure: str) -> None:
        if failure == "crash":
            server = psutil.Process(self._cluster.leader_pid)
            server.kill()
            psutil.wait_procs([server], timeout=30)
            self._cluster._start_leader()
            return
        with psycopg.connect(self._url("postgres"), autocommit=True) as connection:
            connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = %s",
                [READER],
            )

    def _copy_undisturbed(self) -> None:
        """Afterwards the copy is what the source is now."""
        for _ in range(PASSES_MAX):
            (answer,) = self._copier.ask(self._task(NEVER))
            assert "done" in answer, answer
            assert answer["done"]["problems"] == {}
            if not answer["done"].get("is_behind"):
                break
        self._compare()
        assert self._reached == len(self._states) - 1, "something is missing in the copy"
        self._sampled.append((self._moment(answer["done"]), self._states[-1]))

    def _compare(self) -> None:
        """The copy is one of the states since the one it was known to be in."""
        copied = self._copied()
        if copied is None:
            return
        for place in range(len(self._states) - 1, self._reached - 1, -1):
            if copied == self._states[place]:
                self._reached = place
                return
        assert copied == self._states[-1], "the copy is no state that was ever committed"

    def _compare_history(self) -> None:
        """At each instant that was sampled, the history holds the rows of then."""
        with self._opened() as warehouse:
            for at, state in self._sampled:
                moment = at.replace(tzinfo=None).isoformat()
                condition = (
                    f"valid_from <= TIMESTAMP '{moment}' AND TIMESTAMP '{moment}' < valid_to"
                )
                for table, expected in zip(self._tables, state, strict=True):
                    assert _rows(warehouse, table, "_history", condition) == expected, (at, table)

    def _look_for_what_was_not_selected(self) -> None:
        for path in self._warehouse.parent.glob(f"{self._name}*"):
            assert MARK.encode() not in path.read_bytes()

    def _moment(self, done: dict[str, Any]) -> datetime:
        """As of when the copy is; of changes, now: nothing happens until the next ones."""
        if "as_of" in done:
            return datetime.fromisoformat(done["as_of"])
        with self._connect() as connection:
            row = connection.execute("SELECT clock_timestamp() AT TIME ZONE 'UTC'").fetchone()
            assert row is not None
            return row[0]  # type: ignore[no-any-return] # a time, as asked

    def _copied(self) -> State | None:
        """None while nothing was ever let in."""
        with self._opened() as warehouse:
            there = {table.name for table in warehouse.tables(SCHEMA)}
            if not {table.name for table in self._tables} <= there:
                assert self._reached == 0
                return None
            return [_rows(warehouse, table) for table in self._tables]

    def _expected(self) -> State:
        return [table.expected() for table in self._tables]

    def _task(self, hold_at: int) -> dict[str, Any]:
        if self._from_follower:
            self._cluster.wait_replayed()
        return {
            "name": self._name,
            "source": msgspec.to_builtins(self._source()),
            "warehouse": str(self._warehouse),
            "is_log": self._mode == "log",
            "hold_at": hold_at,
        }

    def _source(self) -> Source:
        return Source(
            self._url(READER),
            tables={table.label: table.selection(self._mode) for table in self._tables},
            accept_leader=True,
            retries=0,
        )

    def _url(self, user: str) -> str:
        if self._from_follower:
            return self._cluster.follower_url(user, self._database)
        return self._cluster.leader_url(user, self._database)

    def _connect(self) -> psycopg.Connection[Any]:
        return self._cluster.connect(self._database)

    @contextmanager
    def _opened(self) -> Iterator[DuckDB]:
        warehouse = DuckDB(self._warehouse, memory_bytes_max=256 * 1024**2, threads=1)
        try:
            yield warehouse
        finally:
            warehouse.close()


def prepare(cluster: Cluster, database: str) -> None:
    """A database for examples, and their reader."""
    with cluster.connect("postgres") as connection:
        connection.execute(f'CREATE DATABASE "{database}"')
    cluster.create_role(READER)
    with cluster.connect(database) as connection:
        connection.execute(DEFINITIONS)
        # Shows since when others write: without it a cursor has to look back further.
        connection.execute(f"GRANT pg_read_all_stats TO {READER}")


def _rows(
    warehouse: DuckDB, table: Table, suffix: str = "", condition: str = "true"
) -> list[tuple[str | None, ...]]:
    quoted = warehouse.dialect.identifier
    columns = ", ".join(f"{quoted(name)}::VARCHAR AS {quoted(name)}" for name in table.columns)
    name = warehouse.dialect.table(SCHEMA, table.name + suffix)
    rows = warehouse.query(f"SELECT {columns} FROM {name} WHERE {condition}").to_pylist()
    return sorted((tuple(row.values()) for row in rows), key=str)
