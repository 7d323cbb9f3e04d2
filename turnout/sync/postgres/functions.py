"""Changes read by plain SQL, through functions bound to one slot and one publication.

Whoever may replicate can read every column of every table. The functions belong to a role that
may, and the reader may call them: it sees what the publication has and touches no other slot. It
may also make and give up this one slot, so that what is lost mends itself.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import psycopg

from turnout.sync.postgres.names import literal, quoted
from turnout.sync.postgres.wire import copied

# As a slot's plugin reads them: version 1 of its protocol sends whole transactions only.
OPTIONS = "'proto_version', '1', 'publication_names', "
BODIES = {
    "peek(upto pg_lsn) RETURNS SETOF bytea": "SELECT data FROM "
    "pg_logical_slot_peek_binary_changes({slot}, upto, NULL, " + OPTIONS + "{publication})",
    "advance(upto pg_lsn) RETURNS pg_lsn": "SELECT end_lsn FROM "
    "pg_replication_slot_advance({slot}, upto)",
    "start() RETURNS pg_lsn": "SELECT lsn FROM "
    "pg_create_logical_replication_slot({slot}, 'pgoutput')",
    "stop() RETURNS void": "SELECT pg_drop_replication_slot({slot})",
}

# Their names and types, without the names of what they are called with.
HEADS = ("peek(pg_lsn)", "advance(pg_lsn)", "start()", "stop()")


def function_statements(slot: str, role: str) -> list[str]:
    """The functions, in a schema of the slot's name, and the right of `role` to call them."""
    schema = quoted(slot)
    names = {"slot": literal(slot), "publication": literal(quoted(slot))}
    return [
        f"CREATE SCHEMA IF NOT EXISTS {schema};",
        *(
            f"CREATE OR REPLACE FUNCTION {schema}.{head} LANGUAGE sql SECURITY DEFINER "
            f"SET search_path = pg_catalog, pg_temp AS $$ {body.format(**names)} $$;"
            for head, body in BODIES.items()
        ),
        f"REVOKE ALL ON ALL FUNCTIONS IN SCHEMA {schema} FROM PUBLIC;",
        f"GRANT USAGE ON SCHEMA {schema} TO {quoted(role)};",
        f"GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA {schema} TO {quoted(role)};",
    ]


class Functions:
    """The slot, as the functions give it."""

    pid = None  # each call takes the slot and leaves it

    def __init__(self, connection: psycopg.Connection[Any], slot: str) -> None:
        self._connection = connection
        self._schema = quoted(slot)

    def start(self) -> str:
        """Make the slot; where its log begins."""
        row = self._connection.execute(f"SELECT {self._schema}.start()").fetchone()
        return str(row[0]) if row else ""

    def stop(self) -> None:
        """Give up the slot."""
        self._connection.execute(f"SELECT {self._schema}.stop()")

    def messages(self, after: str, upto: str) -> Iterator[bytes]:  # noqa: ARG002 - the slot knows
        """Every message of the transactions that begin to commit before `upto`."""
        query = f"SELECT * FROM {self._schema}.peek({literal(upto)})"
        return copied(self._connection, query)

    def advance(self, upto: str) -> None:
        """Have the server forget what is before `upto`."""
        self._connection.execute(f"SELECT {self._schema}.advance(%s)", [upto])

    def rest(self) -> None:
        """Nothing is open that would have to be kept alive."""

    def close(self) -> None:
        """Nothing of it stays open."""
