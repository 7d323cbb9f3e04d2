"""Everything the demo stands on, started in one order and ended in the other.

That is the databases, the settings, the owner, the clips with their links, and `turnout serve`
as a child process.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg

from turnout.access.keys import WriteKeys
from turnout.access.links import Links
from turnout.access.people import People, Person
from turnout.access.secret import secret_key
from turnout.clips.clip import Clips
from turnout.config import Config, load_config
from turnout.demo import database
from turnout.demo.clips import DemoClip, demo_clips
from turnout.demo.cluster import Cluster
from turnout.demo.configuration import PORTS, write_settings
from turnout.demo.world import World
from turnout.errors import ConfigError, HomeUnusable, NotFound
from turnout.serve import prepare_state
from turnout.state import State, open_state

OWNER_NAME = "you"
KEY_SOURCE = "demo product"
SERVE_STARTS_WITHIN_S = 30.0
SERVE_STOPS_WITHIN_S = 10.0
LOG_NAME = "serve.log"
KEEPER = Path(__file__).with_name("keeper.py")

# Our own addresses are never behind a proxy, whatever the environment says.
_open = urllib.request.build_opener(urllib.request.ProxyHandler({})).open


@dataclass(frozen=True, slots=True)
class Stage:
    """What runs, and how to reach it. `links` are the paths of the share links by clip id."""

    home: Path
    config: Config
    state: State
    database: psycopg.Connection[Any]
    serve: subprocess.Popen[bytes]
    write_key: str
    owner: Person
    links: Mapping[str, str]

    def sign_in_link(self) -> str:
        """A new one-time link that signs the owner in."""
        token = People(self.state).invite(self.owner, now=datetime.now(UTC))
        return f"{self.config.web.url}/welcome/{token}"

    def share_link(self, clip_id: str, format_: str = "") -> str:
        """The address a stranger may open; `format_` is '', 'csv' or 'json'."""
        link = f"{self.config.web.url}{self.links[clip_id]}"
        return f"{link}.{format_}" if format_ else link

    def refuse_dead(self) -> None:
        """Raise `ConfigError` with what it said last when `turnout serve` has ended."""
        if self.serve.poll() is not None:
            raise _died(self.home)


@contextlib.contextmanager
def stage(  # noqa: PLR0913 - the last three are the check's
    home: Path,
    world: World,
    at: datetime,
    *,
    clips: tuple[DemoClip, ...] = (),
    ports: tuple[int, int] = PORTS,
    environ: Mapping[str, str] | None = None,
) -> Iterator[Stage]:
    """Start everything in `home`; the database is filled as of `at` unless it is already.

    `clips` are kept beside the demo's own, `ports` are those wished for, and `environ` is added
    to the server's environment.
    """
    with contextlib.ExitStack() as started:
        cluster = started.enter_context(Cluster(home / "postgres"))
        cluster.create_role(database.READER)
        connection = started.enter_context(cluster.connect())
        if not database.is_filled(connection):
            database.fill(connection, world, at)
        write_settings(home, cluster.follower_url(database.READER), ports)
        config = load_config(home)
        prepare_state(config)
        state = open_state(config.state_url)
        started.callback(state.dispose)
        links = _keep_clips(state, config, (*demo_clips(), *clips))
        owner = People(state).owner() or _add_owner(state)
        write_key = _write_key(state)
        serve = started.enter_context(_serving(home, environ or {}))
        _wait_until_answering(home, config, serve)
        yield Stage(home, config, state, connection, serve, write_key, owner, links)


def fetch(url: str) -> tuple[int, bytes]:
    """Status and body of a GET by a stranger: no cookie, no key. 0 when nobody answers."""
    try:
        with _open(url, timeout=60) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.read()
    except (OSError, http.client.HTTPException):
        return 0, b""


def sync_now(home: Path) -> None:
    """`turnout sync`, as anybody would type it."""
    command = [sys.executable, "-m", "turnout", "sync", "--home", str(home)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - ours
    if done.returncode != 0:
        raise ConfigError(f"turnout sync failed: {(done.stderr or done.stdout).strip()}")


def _keep_clips(state: State, config: Config, wanted: tuple[DemoClip, ...]) -> dict[str, str]:
    """Make the clips and one share link each, unless they are there; the links' paths by clip."""
    clips, links = Clips(state), Links(state, secret_key(config.data_folder))
    paths = {}
    for clip in wanted:
        now = datetime.now(UTC)
        try:
            clips.find(clip.id)
        except NotFound:
            clips.create(
                clip.title, clip.sql, description=clip.description, author=OWNER_NAME,
                pinned=True, id=clip.id, now=now,
            )  # fmt: skip
        there = [link for link in links.of(clip.id) if link.is_open(now)]
        if there:
            token = links.token(there[-1])
        else:
            _, token = links.create(
                clip.id, OWNER_NAME, label="demo", shows_sql=True, expires_at=None, now=now
            )
        paths[clip.id] = f"/s/{token}"
    return paths


def _add_owner(state: State) -> Person:
    return People(state).add(OWNER_NAME, role="owner", now=datetime.now(UTC))


def _write_key(state: State) -> str:
    keys = WriteKeys(state)
    for key in keys.list():
        if key.source == KEY_SOURCE and key.revoked_at is None:
            return key.key
    return keys.create(KEY_SOURCE).key


@contextlib.contextmanager
def _serving(home: Path, environ: Mapping[str, str]) -> Iterator[subprocess.Popen[bytes]]:
    """`turnout serve` as a child that ends with us, however we end: see `turnout.demo.keeper`."""
    try:
        log = (home / LOG_NAME).open("wb")
    except OSError as error:
        raise HomeUnusable(f"{home / LOG_NAME} cannot be written: {error.strerror}.") from None
    command = [sys.executable, "-m", "turnout", "serve", "--home", str(home)]
    with log:
        serve = subprocess.Popen(  # noqa: S603 - the command is our own
            [sys.executable, "-I", "-S", str(KEEPER), "", *command],
            stdin=subprocess.PIPE,
            stdout=log,
            stderr=log,
            env={**os.environ, **environ},
            start_new_session=True,
        )
    try:
        yield serve
    finally:
        if serve.stdin is not None:
            serve.stdin.close()
        try:
            serve.wait(SERVE_STOPS_WITHIN_S)
        except subprocess.TimeoutExpired:
            serve.kill()
            serve.wait()


def _wait_until_answering(home: Path, config: Config, serve: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + SERVE_STARTS_WITHIN_S
    while fetch(f"{config.web.url}/healthz")[0] != http.HTTPStatus.OK:
        if serve.poll() is not None:
            raise _died(home)
        if time.monotonic() > deadline:
            raise ConfigError(
                f"The pages on {config.web.url} did not answer within "
                f"{SERVE_STARTS_WITHIN_S:.0f} s.",
                hint=f"See {home / LOG_NAME}.",
            )
        time.sleep(0.05)


def _died(home: Path) -> ConfigError:
    """What `turnout serve` said last: the sentence it ended with, or the problem it logged."""
    log = home / LOG_NAME
    lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
    said = [line for line in lines if not line.startswith("{")]
    logged = [json.loads(line).get("problem") for line in lines if line.startswith("{")]
    told = " ".join(said[-2:]) or next(filter(None, reversed(logged)), "nothing")
    return ConfigError(f"turnout serve ended. It said: {told}", hint=f"See {log}.")
