"""Connections to a MySQL or MariaDB server: read-only, bounded, one text for one value."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import Any

import pymysql
from pymysql.cursors import SSCursor

from turnout import config
from turnout.sync.mysql.address import Address
from turnout.sync.mysql.errors import explained

CONNECT_S_MAX = 10
# A server that says nothing for this long, within an answer or before it, is taken to be gone.
# The statement's own limit comes first.
SILENCE_S = 60
LOCK_WAIT_S = 2
# For a warehouse that is slow to take what is sent.
NET_WRITE_S = 600


@dataclass(frozen=True, slots=True)
class Server:
    """Which of the two kinds a server is, and its version."""

    is_mariadb: bool
    version: tuple[int, ...]
    version_text: str

    @property
    def kind(self) -> str:
        return "MariaDB" if self.is_mariadb else "MySQL"


class Session:
    """One open connection, and what to ask it with. Every value comes back as its own text."""

    def __init__(self, connection: Any, address: Address) -> None:
        self.connection = connection
        self.address = address
        self.server = _server(connection.get_server_info())

    def rows(self, sql: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """All rows of a short answer: text, bytes or None."""
        with closing(self.connection.cursor(pymysql.cursors.Cursor)) as cursor:
            # Without values, a '%' in the statement is just that.
            cursor.execute(sql, tuple(values) or None)
            return list(cursor.fetchall())

    def named(self, sql: str) -> list[dict[str, Any]]:
        """All rows of a short answer, by their columns' names in lower case."""
        with closing(self.connection.cursor(pymysql.cursors.DictCursor)) as cursor:
            cursor.execute(sql)
            return [{name.lower(): row[name] for name in row} for row in cursor.fetchall()]

    def value(self, sql: str, values: Sequence[Any] = ()) -> Any:
        """The first value of the first row."""
        return self.rows(sql, values)[0][0]

    def variables(self, *names: str) -> Mapping[str, str]:
        """Those of the server's settings that it has, by name in lower case."""
        places = ", ".join(["%s"] * len(names))
        found = self.rows(f"SHOW GLOBAL VARIABLES WHERE Variable_name IN ({places})", names)
        return {name.lower(): value for name, value in found}


@contextmanager
def opened(address: Address, source: config.Source) -> Iterator[Session]:
    """A session, closed at the end.

    Raises `SourceUnavailable` or `SourceRefused`, for what goes wrong while connecting only.
    """
    with explained(address):
        session = _connect(address, source)
    try:
        yield session
    finally:
        # What is still on its way is not waited for.
        session.connection._force_close()  # noqa: SLF001 - its close() reads a stream to its end


def _connect(address: Address, source: config.Source) -> Session:
    tls = address.tls()
    connection = pymysql.connect(
        host=address.host,
        port=address.port,
        unix_socket=address.socket or None,
        user=address.user,
        password=address.password,
        database=address.database,
        charset="utf8mb4",
        connect_timeout=CONNECT_S_MAX,
        read_timeout=source.statement_s_max + SILENCE_S,
        write_timeout=SILENCE_S,
        autocommit=True,
        local_infile=False,
        program_name="turnout",
        conv={},
        cursorclass=SSCursor,
        ssl=tls,
        ssl_disabled=tls is None,
    )
    session = Session(connection, address)
    for statement in _settings(session.server, source):
        session.rows(statement)
    return session


def _settings(server: Server, source: config.Source) -> Iterator[str]:
    yield "SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY"
    yield (
        "SET SESSION time_zone = '+00:00', sql_mode = '', "
        f"net_write_timeout = {NET_WRITE_S}, lock_wait_timeout = {LOCK_WAIT_S}, "
        f"innodb_lock_wait_timeout = {LOCK_WAIT_S}"
    )
    if server.is_mariadb:
        yield f"SET SESSION max_statement_time = {source.statement_s_max:f}"
    else:
        yield f"SET SESSION max_execution_time = {int(source.statement_s_max * 1000)}"


def _server(said: str) -> Server:
    """`8.4.3`, `10.11.19-MariaDB-…`, and `5.5.5-10.11.19-MariaDB` of those that hide behind it."""
    text = said.removeprefix("5.5.5-") if "MariaDB" in said else said
    numbers = text.partition("-")[0].split(".")
    version = tuple(int(number) for number in numbers if number.isdigit())
    return Server("MariaDB" in said, version, text.partition("-")[0])
