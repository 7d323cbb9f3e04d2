"""The shaping engine: a DuckDB in memory, where Arrow is worked on with SQL by several threads."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, TypeVar

import duckdb
import pyarrow as pa

Item = TypeVar("Item")
Answer = TypeVar("Answer")
MEMORY_BYTES_MAX = 1024**3


class Engine:
    """Every statement has a cursor of its own; Arrow `tables` are visible to it by their names."""

    def __init__(self, *, threads: int = 2, memory_bytes_max: int = MEMORY_BYTES_MAX) -> None:
        self._database = duckdb.connect(
            config={"threads": threads, "memory_limit": f"{memory_bytes_max // 1024}KiB"}
        )
        self._database.execute("SET GLOBAL TimeZone = 'UTC'")
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="shape")

    def execute(self, sql: str, **tables: pa.Table) -> None:
        with self._cursor(tables) as cursor:
            cursor.execute(sql)

    def rows(self, sql: str, **tables: pa.Table) -> list[tuple[Any, ...]]:
        """Small answers, as Python values."""
        with self._cursor(tables) as cursor:
            return cursor.execute(sql).fetchall()

    def table(self, sql: str, values: Sequence[Any] = (), **tables: pa.Table) -> pa.Table:
        """Answers of any size, as Arrow."""
        with self._cursor(tables) as cursor:
            return cursor.sql(sql, params=list(values)).to_arrow_table()

    def each(self, function: Callable[[Item], Answer], items: Iterable[Item]) -> list[Answer]:
        """`function` of every item, in order; statements of different items run side by side."""
        return list(self._threads.map(function, items))

    def close(self) -> None:
        self._threads.shutdown()
        self._database.close()

    @contextmanager
    def _cursor(self, tables: dict[str, pa.Table]) -> Iterator[duckdb.DuckDBPyConnection]:
        with self._database.cursor() as cursor:
            for name, table in tables.items():
                cursor.register(name, table)
            try:
                yield cursor
            finally:
                for name in tables:
                    cursor.unregister(name)
