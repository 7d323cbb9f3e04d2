"""Streams of messages out of a server, row by row, while other threads go on.

psycopg's own copying costs several times more per message than all that is done with it here.
"""

from __future__ import annotations

import select
from collections.abc import Iterator
from typing import Any

import psycopg
from psycopg import pq

# What stands before the first row of a binary COPY; and before the one column of a row: how many
# columns there are, and how long it is. After the last row come two bytes.
HEADER_BYTES = 19
ROW_BYTES = 6
# A server that says nothing at all for so long is taken to be gone.
SILENCE_S_MAX = 900.0


def copied(connection: psycopg.Connection[Any], query: str) -> Iterator[bytes]:
    """The values of a query with one column, never all in memory. Raises `psycopg.Error`."""
    pgconn = connection.pgconn
    start(pgconn, f"COPY ({query}) TO STDOUT (FORMAT binary)", pq.ExecStatus.COPY_OUT)
    begins_at = HEADER_BYTES + ROW_BYTES  # the header comes with the first row
    while True:
        size, message = pgconn.get_copy_data(1)
        if size > ROW_BYTES:
            if size > begins_at:
                yield bytes(message[begins_at:])
            begins_at = ROW_BYTES
        elif size == 0:
            wait(pgconn, SILENCE_S_MAX)
            pgconn.consume_input()
        elif size < 0:
            finish(pgconn)
            return


def start(pgconn: pq.abc.PGconn, query: str, expected: pq.ExecStatus) -> None:
    """Send `query`, and wait until it begins to answer as `expected`."""
    pgconn.send_query(query.encode())
    result = _result(pgconn)
    if result is None or result.status != expected:
        error = _error(result)
        finish(pgconn)
        raise error


def finish(pgconn: pq.abc.PGconn) -> None:
    """Take the rest of what the server has to say. Raises what went wrong."""
    while (result := _result(pgconn)) is not None:
        if result.status == pq.ExecStatus.FATAL_ERROR:
            error = _error(result)
            while _result(pgconn) is not None:
                pass
            raise error


def wait(pgconn: pq.abc.PGconn, seconds: float) -> None:
    """Wait until there is something to read. Raises `psycopg.OperationalError` at the end."""
    poll = select.poll()
    poll.register(pgconn.socket, select.POLLIN)
    if not poll.poll(seconds * 1000):
        raise psycopg.OperationalError("connection failed: the server is silent")


def _result(pgconn: pq.abc.PGconn) -> pq.abc.PGresult | None:
    while pgconn.is_busy():
        wait(pgconn, SILENCE_S_MAX)
        pgconn.consume_input()
    return pgconn.get_result()


def _error(result: pq.abc.PGresult | None) -> psycopg.Error:
    state = result.error_field(pq.DiagnosticField.SQLSTATE) if result is not None else None
    if state is None:
        return psycopg.OperationalError("connection failed: the server closed it")
    try:
        kind = psycopg.errors.lookup(state.decode())
    except KeyError:
        kind = psycopg.DatabaseError
    said = result.error_field(pq.DiagnosticField.MESSAGE_PRIMARY) if result is not None else None
    return kind((said or b"").decode(errors="replace"))
