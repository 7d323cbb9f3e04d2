"""Connections to a PostgreSQL server that are gentle to it and can change nothing there."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import adbc_driver_postgresql.dbapi as adbc
import psycopg

from turnout import config
from turnout.sync.postgres.address import Address

# The same text for the same value whatever the server's defaults.
SESSION = {
    "default_transaction_read_only": "on",
    "search_path": "",
    # A policy then refuses instead of silently hiding rows.
    "row_security": "off",
    "timezone": "UTC",
    "datestyle": "ISO",
    "intervalstyle": "postgres",
    "extra_float_digits": "1",
    "bytea_output": "hex",
    "standard_conforming_strings": "on",
    "lock_timeout": "2s",
    "max_parallel_workers_per_gather": "0",
    # Each reading of a table begins at its beginning, so that one can be taken up again.
    "synchronize_seqscans": "off",
    # Whoever is gone is noticed there, too, and holds no snapshot open.
    "tcp_keepalives_idle": "60",
    "tcp_keepalives_interval": "10",
    "tcp_keepalives_count": "6",
}
SNAPSHOT = "ISOLATION LEVEL REPEATABLE READ READ ONLY"
# A connection that reads in bulk and was asked for nothing so long is closed by the server; the
# next table opens another.
BULK_IDLE_S_MAX = 60.0
# What the server keeps such a time in, milliseconds, has 31 bits.
MS_MAX = 2**31 - 1


def connect(
    address: Address, *, statement_s_max: float, idle_s_max: float
) -> psycopg.Connection[Any]:
    """A connection that asks and watches; `idle_s_max` is how long it may hold a snapshot."""
    # Poolers cannot keep a statement prepared.
    connection = psycopg.connect(address.conninfo, autocommit=True, prepare_threshold=None)
    with _closed_on_error(connection):
        connection.execute("; ".join(_session(statement_s_max, idle_s_max)))
    return connection


def join(address: Address, source: config.Source, snapshot: str) -> adbc.Connection:
    """A connection that reads in bulk, inside the snapshot of that name."""
    connection = adbc.connect(address.conninfo, autocommit=True)
    joining = (f"BEGIN {SNAPSHOT}", f"SET TRANSACTION SNAPSHOT '{snapshot}'")
    with _closed_on_error(connection), connection.cursor() as cursor:
        for statement in (*_session(source.statement_s_max, BULK_IDLE_S_MAX), *joining):
            cursor.execute(statement)
    return connection


def limit_idle(connection: psycopg.Connection[Any], idle_s_max: float) -> None:
    """How long the connection may hold a snapshot open from now on."""
    connection.execute(f"SET idle_in_transaction_session_timeout = {milliseconds(idle_s_max)}")


def _session(statement_s_max: float, idle_s_max: float) -> Iterator[str]:
    for name, value in SESSION.items():
        yield f"SET {name} = '{value}'"
    yield f"SET statement_timeout = {milliseconds(statement_s_max)}"
    yield f"SET idle_in_transaction_session_timeout = {milliseconds(idle_s_max)}"


def milliseconds(seconds: float) -> int:
    """As the server counts times; never 0, which would mean no limit at all."""
    return max(1, min(int(seconds * 1000), MS_MAX))


@contextmanager
def _closed_on_error(connection: psycopg.Connection[Any] | adbc.Connection) -> Iterator[None]:
    try:
        yield
    except BaseException:
        connection.close()
        raise
