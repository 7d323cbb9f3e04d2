"""A real PostgreSQL leader and a real streaming follower, from a pip wheel, in one folder.

Both listen on loopback only, ask for SCRAM passwords, and live exactly as long as the process
that started them: see `turnout.demo.keeper`. A second start reuses what is in the folder.
"""

from __future__ import annotations

import fcntl
import hashlib
import hmac
import json
import os
import secrets
import shutil
import socket
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self

import psycopg
from psycopg import sql

from turnout.demo.postmaster import (
    POLL_S,
    Server,
    keep,
    last_line,
    let_go,
    own,
    programs_of,
    stop_leftover,
)
from turnout.errors import AlreadyRunning, ConfigError, HomeUnusable

ADMIN = "postgres"
REPLICATOR = "replicator"
SLOT = "follower"

# What a small machine can spare; durability stays as PostgreSQL has it.
SETTINGS = {
    "listen_addresses": "127.0.0.1",
    # No socket file: its path may be longer than the system allows.
    "unix_socket_directories": "",
    "max_connections": "50",
    "shared_buffers": "64MB",
    "wal_level": "logical",
    "max_wal_size": "512MB",
    "max_slot_wal_keep_size": "2GB",
    "hot_standby_feedback": "on",
    "log_timezone": "UTC",
    "timezone": "UTC",
}


class Cluster:
    """A leader and its follower in `folder`. One process at a time may hold it."""

    def __init__(
        self,
        folder: Path,
        *,
        version: int = 18,
        database: str = "app",
        settings: Mapping[str, str] | None = None,
    ) -> None:
        """`version` is 16 or 18; `settings` are added to both servers' own."""
        self.folder = folder.absolute()
        self.database = database
        self._programs = programs_of(version)
        self._settings = {**SETTINGS, **(settings or {})}
        self._lock: IO[str] | None = None
        self._facts: dict[str, Any] = {}
        self._leader = Server(self.folder / "leader")
        self._follower = Server(self.folder / "follower")

    def start(self) -> None:
        """Create what is missing and start both; returns when both accept connections."""
        self._take_folder()
        try:
            self._make_leader()
            self._start_leader()
            self._make_database()
            self._make_follower()
            self.start_follower()
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """Fast shutdown of both, the follower first: the leader would wait for it."""
        self._follower.stop()
        self._leader.stop()
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def leader_url(self, user: str = ADMIN, database: str | None = None) -> str:
        return self._url("leader", user, database)

    def follower_url(self, user: str = ADMIN, database: str | None = None) -> str:
        return self._url("follower", user, database)

    def password(self, user: str) -> str:
        """The password of any role of ours; derived, so nothing has to remember it."""
        digest = hmac.digest(self._facts["secret"].encode(), user.encode(), hashlib.sha256)
        return digest.hex()[:32]

    def create_role(self, user: str) -> None:
        """A role that may sign in with `password(user)` and nothing else; harmless to repeat."""
        with self.connect() as connection:
            _create_role(connection, user, self.password(user), "LOGIN NOINHERIT")

    def connect(self, database: str | None = None) -> psycopg.Connection[Any]:
        """The administrator's autocommitting connection to the leader."""
        return psycopg.connect(self.leader_url(ADMIN, database), autocommit=True)

    def start_follower(self) -> None:
        conninfo = (
            f"host=127.0.0.1 port={self._facts['leader_port']} user={REPLICATOR} "
            f"passfile='{self.folder / 'pgpass'}' application_name={SLOT}"
        )
        settings = {"primary_conninfo": conninfo, "primary_slot_name": SLOT}
        self._start(self._follower, "follower", settings)

    def stop_follower(self) -> None:
        self._follower.stop()

    def wait_replayed(self, *, timeout_s: float = 30.0) -> None:
        """Return when the follower has replayed all that the leader has written by now."""
        with self.connect() as leader:
            position = _value(leader, "SELECT pg_current_wal_insert_lsn()::text")
        with psycopg.connect(self.follower_url(), autocommit=True) as follower:
            deadline = time.monotonic() + timeout_s
            question = "SELECT pg_last_wal_replay_lsn() >= %s::pg_lsn"
            while not _value(follower, question, position):
                if time.monotonic() > deadline:
                    raise TimeoutError(f"The follower did not replay {position} in {timeout_s} s.")
                time.sleep(POLL_S)

    @property
    def leader_pid(self) -> int:
        """The process id of the leader's postmaster, for tests that kill it."""
        return self._leader.pid()

    @property
    def follower_pid(self) -> int:
        return self._follower.pid()

    def _take_folder(self) -> None:
        if self._lock is not None:
            return
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            lock = (self.folder / "lock").open("w")
        except OSError as error:
            raise HomeUnusable(f"{self.folder} cannot be used: {error.strerror}.") from None
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.close()
            raise AlreadyRunning(
                f"The servers in {self.folder} are in use by another process.",
                hint="Stop the demo that runs there first.",
            ) from None
        self._lock = lock
        self._facts = _read_facts(self.folder / "cluster.json")

    def _make_leader(self) -> None:
        if self._leader.folder.exists():
            return
        password_file = self.folder / "password"
        _write_private(password_file, self.password(ADMIN))
        with _made_aside(self._leader.folder) as folder:
            # Nothing here is worth a sync yet; the running server syncs what it commits.
            self._run(
                "initdb", "--pgdata", str(folder), "--username", ADMIN, "--no-sync",
                "--pwfile", str(password_file), "--auth", "scram-sha-256",
                "--encoding", "UTF8", "--locale", "C", "--no-instructions",
            )  # fmt: skip
        password_file.unlink()

    def _start_leader(self) -> None:
        self._start(self._leader, "leader", {})

    def _make_database(self) -> None:
        with self.connect("postgres") as connection:
            _create_role(connection, REPLICATOR, self.password(REPLICATOR), "LOGIN REPLICATION")
            there = "SELECT count(*) FROM pg_database WHERE datname = %s"
            if not _value(connection, there, self.database):
                connection.execute(sql.SQL("CREATE DATABASE {}").format(_name(self.database)))

    def _make_follower(self) -> None:
        _write_private(self.folder / "pgpass", f"*:*:*:{REPLICATOR}:{self.password(REPLICATOR)}\n")
        own(self.folder / "pgpass")
        if self._follower.folder.exists():
            return
        with self.connect("postgres") as connection:
            there = "SELECT count(*) FROM pg_replication_slots WHERE slot_name = %s"
            if not _value(connection, there, SLOT):
                _value(connection, "SELECT pg_create_physical_replication_slot(%s, true)", SLOT)
        with _made_aside(self._follower.folder) as folder:
            self._run(
                "pg_basebackup", "--pgdata", str(folder), "--no-sync", "--checkpoint", "fast",
                "--slot", SLOT, "--dbname", f"host=127.0.0.1 port={self._facts['leader_port']} "
                f"user={REPLICATOR} passfile='{self.folder / 'pgpass'}'",
            )  # fmt: skip
            (folder / "standby.signal").touch()
            own(folder / "standby.signal")

    def _start(self, server: Server, name: str, settings: Mapping[str, str]) -> None:
        if server.is_ready():
            return
        server.stop()
        stop_leftover(server.folder)
        self._facts[f"{name}_port"] = _free_port(self._facts.get(f"{name}_port"))
        _write_private(self.folder / "cluster.json", json.dumps(self._facts))
        every = {**self._settings, **settings, "port": str(self._facts[f"{name}_port"])}
        options = [word for key, value in every.items() for word in ("-c", f"{key}={value}")]
        server.start([str(self._programs / "postgres"), "-D", str(server.folder), *options])

    def _run(self, program: str, *arguments: str) -> None:
        """Run one of PostgreSQL's own programs to its end."""
        log = self.folder / f"{program}.log"
        process = keep([str(self._programs / program), *arguments], log)
        try:
            code = process.wait()
        finally:
            let_go(process)
        if code != 0:
            raise ConfigError(f"{program} failed: {last_line(log)}", hint=f"See {log}.")

    def _url(self, server: str, user: str, database: str | None) -> str:
        place = f"127.0.0.1:{self._facts[f'{server}_port']}"
        return f"postgresql://{user}:{self.password(user)}@{place}/{database or self.database}"


class _made_aside:  # noqa: N801 - used like a function: with _made_aside(folder) as aside
    """A folder filled beside its final place, so that a half-made one is never mistaken for it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._aside = folder.with_name(f"{folder.name}.new")

    def __enter__(self) -> Path:
        shutil.rmtree(self._aside, ignore_errors=True)
        self._aside.mkdir(mode=0o700)
        own(self._aside)
        return self._aside

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None:
            self._aside.rename(self._folder)


def _read_facts(path: Path) -> dict[str, Any]:
    with suppress(FileNotFoundError):
        return dict(json.loads(path.read_text()))
    facts = {"secret": secrets.token_hex(16)}
    _write_private(path, json.dumps(facts))
    return facts


def _write_private(path: Path, text: str) -> None:
    aside = path.with_name(f"{path.name}.new")
    aside.unlink(missing_ok=True)
    with os.fdopen(os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)
    aside.rename(path)


def _free_port(wish: int | None) -> int:
    """`wish` when nobody listens there, so that addresses stay the same from start to start."""
    for port in (wish or 0, 0):
        with socket.socket() as probe, suppress(OSError):
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(("127.0.0.1", port))
            return int(probe.getsockname()[1])
    raise ConfigError("No free port was found on 127.0.0.1.")


def _create_role(
    connection: psycopg.Connection[Any], user: str, password: str, attributes: str
) -> None:
    if not _value(connection, "SELECT count(*) FROM pg_roles WHERE rolname = %s", user):
        connection.execute(sql.SQL("CREATE ROLE {}").format(_name(user)))
    connection.execute(
        sql.SQL("ALTER ROLE {} {} PASSWORD {}").format(
            _name(user), sql.SQL(attributes), sql.Literal(password)
        )
    )


def _name(text: str) -> sql.Identifier:
    return sql.Identifier(text)


def _value(connection: psycopg.Connection[Any], question: str, *values: Any) -> Any:
    row = connection.execute(question, values).fetchone()
    return row[0] if row else None
