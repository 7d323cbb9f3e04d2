"""`turnout source`: a database connected in the terminal, and asked how it is."""

from __future__ import annotations

import os
import pty
import re
import select
import subprocess
import sys
import termios
import time
import tomllib
from pathlib import Path

import pytest

from turnout.demo.cluster import Cluster

DEMO = Path(__file__).parents[2] / "turnout" / "demo" / "schema.sql"
WITHIN_S = 60


@pytest.fixture
def url(cluster: Cluster, database: str) -> str:
    with cluster.connect(database) as connection:
        connection.execute(DEMO.read_bytes())
        connection.execute("INSERT INTO company VALUES (gen_random_uuid(), 'Acme', 'pro', 3, "
                           "'retail', 'AT', 'Europe/Vienna', now())")  # fmt: skip
    return cluster.leader_url("postgres", database)


def turnout(home: Path, *words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "turnout", *words, "--home", str(home)]
    return subprocess.run(command, check=False, capture_output=True, text=True, timeout=WITHIN_S)


def test_without_a_terminal_it_asks_nothing_and_the_source_can_be_copied(
    tmp_path: Path, url: str
) -> None:
    password = url.partition("://")[2].partition("@")[0].partition(":")[2]
    said = turnout(tmp_path, "source", "add", url, "--sample")
    assert said.returncode == 0, said.stderr
    assert "the leader" in said.stdout
    assert "membership: companyperson, because it is called companyperson" in said.stdout
    assert re.search(r"email \(an e-mail address\)", said.stdout)
    assert 'GRANT SELECT ("person_uuid", "company_uuid"' in said.stdout
    assert said.stdout.splitlines()[-1].startswith("Next: turnout source check app")
    written = (tmp_path / "turnout.toml").read_text()
    assert password not in written + said.stdout
    assert tomllib.loads(written)["identity"]["membership"]["user"] == "person_uuid"

    again = turnout(tmp_path, "source", "add", url)
    assert again.returncode == 2
    assert "has a source 'app' already" in again.stderr
    checked = turnout(tmp_path, "source", "check")
    assert checked.returncode == 1
    assert "is a superuser" in checked.stdout
    assert turnout(tmp_path, "sync", "app").returncode == 0
    listed = turnout(tmp_path, "source", "list").stdout
    assert re.search(r"^app: copied, into userdata, every 5 minutes, as of \d+ s ago", listed)
    assert re.search(r"company +1 rows +full", listed)


def test_tables_that_somebody_knows_better_are_taken(tmp_path: Path, url: str) -> None:
    words = ("--company=subscription", "--membership=", "--person=", "--table=invoice")
    said = turnout(tmp_path, "source", "add", url, "--name=money", *words)
    assert said.returncode == 0, said.stderr
    source = tomllib.loads((tmp_path / "turnout.toml").read_text())["sources"]["money"]
    assert set(source["tables"]) == {"subscription", "invoice"}
    assert turnout(tmp_path, "source", "add", url, "--name=x", "--table=nope").returncode == 7


def test_what_cannot_be_reached_writes_nothing(tmp_path: Path) -> None:
    said = turnout(tmp_path, "source", "add", "postgresql://a:hidden@127.0.0.1:1/x")
    assert said.returncode == 4
    assert "hidden" not in said.stdout + said.stderr
    assert not (tmp_path / "turnout.toml").exists()
    assert turnout(tmp_path, "source", "check").returncode == 2
    assert turnout(tmp_path, "source", "check", "nope").returncode == 7


def test_in_a_terminal_it_asks_and_takes_what_is_named(tmp_path: Path, url: str) -> None:
    bare = re.sub(r":[^:@]*@", "@", url)
    password = url.partition("://")[2].partition("@")[0].partition(":")[2]
    screen = Screen(
        [sys.executable, "-m", "turnout", "source", "add", bare, "--home", str(tmp_path)]
    )
    screen.answer("Password", password, hidden=True)
    screen.answer("Which table is the company", "no_such_table")
    screen.answer("no table called 'no_such_table'", "company")
    screen.answer("Which table is the person", "")
    screen.answer("Which table is the membership", "-")
    screen.answer("Write this into turnout.toml", "y")
    assert screen.end() == 0
    assert password not in screen.text
    written = tomllib.loads((tmp_path / "turnout.toml").read_text())
    assert set(written["sources"]["app"]["tables"]) == {"company", "person"}
    assert "identity" not in written


class Screen:
    """A command in a terminal of its own."""

    def __init__(self, command: list[str]) -> None:
        self.text = ""
        leader, follower = pty.openpty()
        self._terminal = leader
        environ = {**os.environ, "COLUMNS": "200", "TERM": "xterm"}
        self._process = subprocess.Popen(
            command, stdin=follower, stdout=follower, stderr=follower, env=environ
        )
        os.close(follower)
        self._seen = 0

    def answer(self, question: str, reply: str, *, hidden: bool = False) -> None:
        """Wait until it asks, for something `hidden` until nothing typed is shown; then type."""
        deadline = time.monotonic() + WITHIN_S
        while question not in self.text[self._seen :] or hidden == self._shows_typing():
            assert time.monotonic() < deadline, self.text
            self._read()
        self._seen = len(self.text)
        os.write(self._terminal, f"{reply}\n".encode())

    def _shows_typing(self) -> bool:
        return bool(termios.tcgetattr(self._terminal)[3] & termios.ECHO)

    def end(self) -> int:
        deadline = time.monotonic() + WITHIN_S
        while self._process.poll() is None:
            assert time.monotonic() < deadline, self.text
            self._read()
        os.close(self._terminal)
        return self._process.returncode

    def _read(self) -> None:
        if select.select([self._terminal], [], [], 0.05)[0]:
            try:
                self.text += os.read(self._terminal, 65_536).decode(errors="replace")
            except OSError:  # the other end is closed
                time.sleep(0.01)
