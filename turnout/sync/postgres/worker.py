"""A connection that reads in bulk inside a snapshot, made anew when it broke."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

import adbc_driver_postgresql.dbapi as adbc
import pyarrow as pa

from turnout.sync.postgres.errors import DRIVER_ERRORS, code_of, is_broken

BATCH_BYTES = 1024 * 1024


class Worker:
    """One connection at a time; `join` makes one inside the snapshot."""

    def __init__(self, join: Callable[[], adbc.Connection]) -> None:
        self._join = join
        self._connection: adbc.Connection | None = None
        self._cursor: adbc.Cursor | None = None
        self._is_reading = False

    def open(self, sql: str) -> pa.RecordBatchReader:
        """Begin to read. What was read here before is let go."""
        self._leave_statement()
        was_open = self._connection is not None
        try:
            return self._execute(sql)
        except DRIVER_ERRORS as error:
            # The server closes a connection that was idle for long; nobody has to know.
            if not was_open or not is_broken(code_of(error)):
                raise
            self.close()
            return self._execute(sql)

    def drain(self, reader: pa.RecordBatchReader) -> Iterator[pa.RecordBatch]:
        """What `open` gave, to its end."""
        yield from reader
        self._is_reading = False

    def value(self, sql: str) -> Any:
        """The only value of the only row."""
        (batch,) = self.drain(self.open(sql))
        return batch.column(0)[0].as_py()

    def cancel(self) -> None:
        """Have the server stop what is read here, which another thread may wait for."""
        cursor = self._cursor
        if cursor is not None and self._is_reading:
            with suppress(*DRIVER_ERRORS):
                cursor.adbc_cancel()

    def close(self) -> None:
        """Leave the snapshot; opening again joins it anew."""
        with suppress(*DRIVER_ERRORS):
            self._leave_statement()
        connection, self._connection = self._connection, None
        if connection is not None:
            with suppress(*DRIVER_ERRORS):
                connection.close()

    def _execute(self, sql: str) -> pa.RecordBatchReader:
        if self._connection is None:
            self._connection = self._join()
        self._cursor = self._connection.cursor()
        self._cursor.adbc_statement.set_options(
            **{"adbc.postgresql.batch_size_hint_bytes": str(BATCH_BYTES)}
        )
        self._is_reading = True
        self._cursor.execute(sql)
        # Unlike the one `fetch_record_batch` gives, this reader says a server's code when it fails.
        reader: pa.RecordBatchReader = self._cursor._results.reader  # noqa: SLF001
        return reader

    def _leave_statement(self) -> None:
        self.cancel()
        cursor, self._cursor, self._is_reading = self._cursor, None, False
        if cursor is not None:
            cursor.close()
