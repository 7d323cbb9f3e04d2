"""Changes read over a replication connection: faster, for a role that may read everything."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from struct import Struct
from typing import Any

import psycopg
from psycopg import pq
from psycopg.conninfo import make_conninfo

from turnout.sync.postgres import wire
from turnout.sync.postgres.names import literal, quoted
from turnout.sync.postgres.pgoutput import BEGIN, COMMIT
from turnout.sync.postgres.slot import number

DATA, KEEPALIVE = b"wk"
# Before each message of the log: a letter and three numbers.
DATA_BYTES = 25
_KEEPALIVE = Struct(">xqqB")
_STATUS = Struct(">cqqqqB")
# The server's clock begins in 2000, and it is told ours.
EPOCH_S = 946_684_800
# How long the server may take to say how far it is before it is asked again.
ASK_AGAIN_S = 1.0


class Replication:
    """The slot, over one connection that stays open from pass to pass."""

    def __init__(
        self, connection: psycopg.Connection[Any], session: Mapping[str, str], slot: str
    ) -> None:
        """`connection` is an ordinary one of the same role; `session` are its settings."""
        self._connection = connection
        self._session = session
        self._slot = slot
        self._stream: psycopg.Connection[Any] | None = None
        self._confirmed = 0

    @property
    def pid(self) -> int | None:
        """The server's process that sends the stream."""
        return None if self._stream is None else self._stream.info.backend_pid

    def start(self) -> str:
        """Make the slot; where its log begins."""
        row = self._connection.execute(
            "SELECT lsn FROM pg_create_logical_replication_slot(%s, 'pgoutput')", [self._slot]
        ).fetchone()
        return str(row[0]) if row else ""

    def stop(self) -> None:
        """Give up the slot."""
        self.close()
        self._connection.execute("SELECT pg_drop_replication_slot(%s)", [self._slot])

    def messages(self, after: str, upto: str) -> Iterator[bytes]:
        """Every message of the transactions that begin to commit before `upto`, perhaps more."""
        stream = (self._stream or self._begun(after)).pgconn
        goal = number(upto)
        is_open = False
        self._tell(ask=True)
        while True:
            size, message = stream.get_copy_data(1)
            if size == 0:
                self._wait(stream)
            elif size < 0:
                wire.finish(stream)
                raise psycopg.OperationalError("connection failed: the server ended the stream")
            elif message[0] == KEEPALIVE:
                sent, _, _ = _KEEPALIVE.unpack_from(message)
                if sent >= goal and not is_open:
                    return
            else:
                said = bytes(message[DATA_BYTES:])
                is_open = (is_open or said[0] == BEGIN) and said[0] != COMMIT
                yield said

    def advance(self, upto: str) -> None:
        """Have the server forget what is before `upto`."""
        self._confirmed = max(self._confirmed, number(upto))
        self.rest()

    def rest(self) -> None:
        """Say that we are still here: a reader that is silent for a minute is sent away."""
        if self._stream is not None:
            self._tell(ask=False)

    def close(self) -> None:
        """End the stream; the slot stays."""
        if self._stream is not None:
            self._stream.close()
            self._stream = None

    def _begun(self, after: str) -> psycopg.Connection[Any]:
        info = self._connection.info
        options = " ".join(
            f"-c {name}={value}" for name, value in self._session.items() if " " not in value
        )
        conninfo = make_conninfo(
            info.dsn, password=info.password, replication="database", options=options
        )
        stream = self._stream = psycopg.connect(conninfo, autocommit=True)
        wire.start(
            stream.pgconn,
            f"START_REPLICATION SLOT {quoted(self._slot)} LOGICAL {after} "
            f"(proto_version '1', publication_names {literal(quoted(self._slot))})",
            pq.ExecStatus.COPY_BOTH,
        )
        return stream

    def _wait(self, stream: pq.abc.PGconn) -> None:
        try:
            wire.wait(stream, ASK_AGAIN_S)
        except psycopg.OperationalError:
            self._tell(ask=True)
        stream.consume_input()

    def _tell(self, *, ask: bool) -> None:
        """Say how far all is safe here; with `ask` the server answers how far it is."""
        if self._stream is None:
            return
        now = int((time.time() - EPOCH_S) * 1e6)
        safe = self._confirmed
        message = _STATUS.pack(b"r", safe, safe, safe, now, ask)
        pgconn = self._stream.pgconn
        while pgconn.put_copy_data(message) == 0:
            wire.wait(pgconn, wire.SILENCE_S_MAX)
        pgconn.flush()
