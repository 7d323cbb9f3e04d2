"""A real warehouse with a few rows, its follower, and a runner with small limits."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeAlias, TypeVar

import pyarrow as pa
import pytest

from turnout import config
from turnout.clips.follower import Follower
from turnout.clips.result import Result, open_rows
from turnout.clips.runner import Ran, Runner
from turnout.warehouse.duckdb import DuckDB

NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
MIB = 1024**2

T = TypeVar("T")
Ask: TypeAlias = Callable[[str], Awaitable[Ran]]
MakeResult: TypeAlias = Callable[..., Result]

ROWS = """
CREATE SCHEMA analytics; CREATE SCHEMA userdata; CREATE SCHEMA _turnout;
CREATE TABLE analytics.pressed_big_button AS
  SELECT range AS id, 'person-' || range % 20 AS user_id,
         TIMESTAMP '2026-03-01' + to_minutes(range::INTEGER) AS received_at FROM range(1000);
CREATE TABLE userdata.companyperson AS
  SELECT 'person-' || range AS person_uuid, 'company-' || range % 5 AS company_uuid FROM range(20);
CREATE TABLE _turnout.secretless AS SELECT 1 AS x;
CREATE SEQUENCE userdata.numbers;
"""


@pytest.fixture
def warehouse(tmp_path: Path) -> Iterator[DuckDB]:
    warehouse = DuckDB(tmp_path / "warehouse.duckdb", memory_bytes_max=512 * MIB, threads=1)
    with warehouse.transaction() as transaction:
        for statement in ROWS.split(";"):
            if statement.strip():
                transaction.execute(statement)
    yield warehouse
    warehouse.close()


@pytest.fixture
def follower(warehouse: DuckDB, tmp_path: Path) -> Follower:
    follower = Follower(tmp_path / "follower", warehouse)
    follower.note("analytics", datetime(2026, 3, 2, 8, 59, tzinfo=UTC))
    follower.note("userdata", datetime(2026, 3, 2, 8, 55, tzinfo=UTC))
    follower.publish(now=NOW)
    return follower


@pytest.fixture
def settings() -> config.Clips:
    return config.Clips(
        workers=2, queue_max=2, timeout_s=1.0, memory_bytes_max=640 * MIB, rows_max=5_000
    )


@pytest.fixture
def run_queries(
    settings: config.Clips, follower: Follower, tmp_path: Path
) -> Callable[[Callable[[Runner, Ask], Awaitable[T]]], T]:
    """Run an async story with a started runner, and an `ask` that runs SQL on the follower."""

    def run(story: Callable[[Runner, Ask], Awaitable[T]]) -> T:
        async def whole() -> T:
            async with started(settings, tmp_path) as runner:

                async def ask(sql: str) -> Ran:
                    return await runner.run(sql, follower.current(), tmp_path / "answer.arrow")

                return await story(runner, ask)

        return asyncio.run(whole())

    return run


@asynccontextmanager
async def started(settings: config.Clips, folder: Path) -> AsyncIterator[Runner]:
    runner = Runner(settings, folder)
    await runner.start()
    try:
        yield runner
    finally:
        await runner.close()


@pytest.fixture
def make_result(tmp_path: Path) -> MakeResult:
    """A result of the given columns, (field, type, Arrow array) each, in batches of two rows."""

    def make(*columns: tuple[str, str, pa.Array], **more: Any) -> Result:
        arrays = [array for _, _, array in columns]
        table = pa.table(arrays, names=[f"c{i}" for i in range(len(arrays))])
        # Never the same twice: an array's repr leaves out its middle, and renderings are kept.
        digest = uuid.uuid4().hex[:16]
        path = tmp_path / f"{digest}.arrow"
        with pa.ipc.new_file(str(path), table.schema) as writer:
            for batch in table.to_batches(max_chunksize=2):
                writer.write_batch(batch)
        known: dict[str, Any] = {
            "fields": [field for field, _, _ in columns],
            "types": [type_ for _, type_, _ in columns],
            "row_count": table.num_rows,
            "truncated": False,
            "as_of": NOW,
            "ran_at": NOW,
            "duration_ms": 12,
            "etag": digest,
            "snapshot": 1,
            "bytes": table.nbytes,
            "rows_file": open_rows(path),
        }
        return Result(**(known | more))

    return make
