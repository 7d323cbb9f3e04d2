"""A real MariaDB in a folder of its own, on loopback, for as long as a test session takes.

Debian's programs are used, none of its services. A leader and, where asked for, a follower.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pymysql

PROGRAMS = ("mariadbd", "mariadb-install-db")
MISSING = (
    "MariaDB's programs are not installed: `apt-get install --no-install-recommends "
    "mariadb-server-core mariadb-client-core` enables these tests."
)
ADMIN = "admin"
PASSWORD = "top/secret@%"
START_S_MAX = 60.0
POLL_S = 0.02
SETTINGS = {
    "log-bin": "bin",
    "binlog-format": "ROW",
    "binlog-row-image": "FULL",
    "binlog-row-metadata": "FULL",
    "character-set-server": "utf8mb4",
    "max-allowed-packet": "64M",
    "log-slave-updates": "ON",
    # A test's server has nothing to lose, and little room.
    "innodb-buffer-pool-size": "32M",
    "innodb-log-file-size": "16M",
    "innodb-flush-log-at-trx-commit": "0",
    "performance-schema": "OFF",
    # What a follower was not there for is dropped at its leader.
    "slave-skip-errors": "1008,1396",
}


def program(name: str) -> str | None:
    """Where a program is; Debian keeps servers where not everybody looks."""
    return shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")


def is_installed() -> bool:
    return all(program(name) for name in PROGRAMS)


def install(folder: Path) -> None:
    """An empty server's files, to be copied by each that starts."""
    subprocess.run(
        [
            str(program("mariadb-install-db")), "--no-defaults", f"--datadir={folder}",
            "--auth-root-authentication-method=normal", "--skip-test-db", "--skip-name-resolve",
        ],
        check=True,
        capture_output=True,
        timeout=START_S_MAX,
    )  # fmt: skip


@dataclass
class MariaDB:
    """One server; `template` is what `install` made."""

    folder: Path
    template: Path
    number: int = 1
    settings: dict[str, str] = field(default_factory=dict)
    port: int = 0
    process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Begin, or go on after `kill`; returns when it lets the administrator in."""
        if not self.folder.exists():
            self.folder.mkdir()
            shutil.copytree(self.template, self.folder / "files")
            (self.folder / "first.sql").write_text(
                # Not for the followers, who make their own.
                "SET sql_log_bin = 0;\n"
                f"CREATE USER IF NOT EXISTS '{ADMIN}'@'%' IDENTIFIED BY '{PASSWORD}';\n"
                f"GRANT ALL ON *.* TO '{ADMIN}'@'%' WITH GRANT OPTION;\n"
            )
        self.port = self.port or _free_port()
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(
                self._command(),
                cwd=self.folder,
                stdout=log,
                stderr=log,
                # Nobody's answers may hang on where the server is.
                env={**os.environ, "TZ": "Asia/Kolkata"},
            )
        try:
            self._wait()
        except BaseException:
            self.kill()
            raise

    def kill(self) -> None:
        """End it at once, as a power cut would."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None

    def url(self, user: str = ADMIN, database: str = "mysql", options: str = "") -> str:
        password = PASSWORD.replace("%", "%25").replace("/", "%2F").replace("@", "%40")
        return f"mysql://{user}:{password}@127.0.0.1:{self.port}/{database}{options}"

    def connect(self, database: str | None = None, user: str = ADMIN) -> Any:
        """An autocommitting connection."""
        return pymysql.connect(
            host="127.0.0.1",
            port=self.port,
            user=user,
            password=PASSWORD,
            database=database,
            autocommit=True,
            ssl_disabled=True,
        )

    def run(self, *statements: str, database: str | None = None) -> list[tuple[Any, ...]]:
        """Statements in one session of the administrator; the last one's rows."""
        connection = self.connect(database)
        try:
            with connection.cursor() as cursor:
                for statement in statements:
                    cursor.execute(statement)
                return list(cursor.fetchall())
        finally:
            connection.close()

    def follow(self, leader: MariaDB) -> None:
        """Replay whatever `leader` does from now on."""
        ((position,),) = leader.run("SELECT @@gtid_binlog_pos")
        self.run(
            f"SET GLOBAL gtid_slave_pos = '{position}'",
            f"CHANGE MASTER TO master_host='127.0.0.1', master_port={leader.port}, "
            f"master_user='{ADMIN}', master_password='{PASSWORD}', master_use_gtid=slave_pos, "
            "master_connect_retry=1",
            "START SLAVE",
            "SET GLOBAL read_only = 1",
        )

    def wait_replayed(self, leader: MariaDB) -> None:
        """Return when it has replayed all that the leader has written by now."""
        ((position,),) = leader.run("SELECT @@gtid_binlog_pos")
        ((answer,),) = self.run(f"SELECT MASTER_GTID_WAIT('{position}', {START_S_MAX})")
        assert answer == 0

    def _command(self) -> list[str]:
        settings = {
            **SETTINGS,
            "datadir": str(self.folder / "files"),
            "bind-address": "127.0.0.1",
            "port": str(self.port),
            "server-id": str(self.number),
            # Relative: a socket's path may not be long.
            "socket": "socket",
            "pid-file": str(self.folder / "pid"),
            "init-file": str(self.folder / "first.sql"),
            **self.settings,
        }
        user = ["--user=root"] if os.geteuid() == 0 else []
        return [
            str(program("mariadbd")),
            "--no-defaults",
            *(f"--{name}={value}" for name, value in settings.items()),
            "--skip-name-resolve",
            "--skip-slave-start",
            *user,
        ]

    def _wait(self) -> None:
        deadline = time.monotonic() + START_S_MAX
        while True:
            try:
                self.connect().close()
            except pymysql.Error:
                assert self.process is not None
                assert self.process.poll() is None, self._last_lines()
                assert time.monotonic() < deadline, self._last_lines()
                time.sleep(POLL_S)
            else:
                return

    def _last_lines(self) -> str:
        return "\n".join((self.folder / "log").read_text().splitlines()[-20:])


def _free_port() -> int:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        port: int = listening.getsockname()[1]
        return port
