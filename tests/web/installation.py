"""A small real installation: Alice owns it, Bob is a member, its warehouse holds a few tables.

Everything is the real part: state database, warehouse, follower, sandboxed workers, and the site
on a real server, reached over HTTP.
"""

from __future__ import annotations

import asyncio
import re
import socket
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pyarrow as pa
from granian.constants import Interfaces
from granian.server.embed import Server

from turnout.access.keys import WriteKeys
from turnout.access.links import Links
from turnout.access.people import People
from turnout.access.secret import secret_key
from turnout.clips.cache import Answers
from turnout.clips.clip import Clip, Clips
from turnout.clips.follower import Follower
from turnout.clips.runner import Ran, Runner
from turnout.config import Clips as ClipSettings
from turnout.config import Collector, Config, Source, TableSelection, Web
from turnout.state import open_state
from turnout.state.table import notice
from turnout.sync.standing import Standing
from turnout.warehouse import Column, Table, Type, open_warehouse
from turnout.web.rooms import Rooms
from turnout.web.site import build_site
from turnout.web.waiting import Waiting

PASSWORD = "a long enough password"
START_S = 20


class Clock:
    """The site's time: the real one, moved on by `offset`."""

    def __init__(self) -> None:
        self.offset = timedelta()

    def __call__(self) -> datetime:
        return datetime.now(UTC) + self.offset


class CountedRunner(Runner):
    """The real runner; it counts the queries it was asked to run."""

    runs = 0

    async def run(self, *asked: Any, **how: Any) -> Ran:
        self.runs += 1
        return await super().run(*asked, **how)


class Installation:
    """One home folder, its rooms and its running site."""

    def __init__(
        self,
        home: Path,
        *,
        public_url: str = "",
        clips: ClipSettings | None = None,
        patience_s: float = 20.0,
    ) -> None:
        """`patience_s`: how long pages wait for an answer; long, for the machine may be busy."""
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.config = Config(
            home=home,
            web=Web(port=self.port, public_url=public_url),
            collector=Collector(port=free_port()),  # nobody listens there
            clips=clips or ClipSettings(workers=2, timeout_s=10.0),
            sources={
                "app": Source(
                    url="postgresql://reader@127.0.0.1:5433/app",
                    tables={
                        "companyperson": TableSelection(columns=["company_uuid", "person_uuid"])
                    },
                )
            },
        )
        self.state = open_state(self.config.state_url)
        self.warehouse = open_warehouse(self.config)
        self.follower = Follower(self.config.follower_folder, self.warehouse)
        self.runner = CountedRunner(self.config.clips, self.config.data_folder)
        self.answers = Answers(
            self.runner, self.follower, self.config.cache_folder, self.config.clips
        )
        self.people = People(self.state)
        self.keys = WriteKeys(self.state)
        self.links = Links(self.state, secret_key(self.config.data_folder))
        self.clips = Clips(self.state)
        self.clock = Clock()
        self.standings: dict[str, Standing] = {}
        self.patience_s = patience_s

    def rooms(self) -> Rooms:
        return Rooms(
            config=self.config,
            state=self.state,
            people=self.people,
            links=self.links,
            keys=self.keys,
            clips=self.clips,
            answers=self.answers,
            follower=self.follower,
            warehouse=self.warehouse,
            backlog_bytes=lambda: 0,
            standings=lambda: self.standings,
        )

    def clip(self, title: str, sql: str, **values: Any) -> Clip:
        """A new clip by Alice."""
        known: dict[str, Any] = {"author": "Alice", "now": self.clock(), **values}
        return self.clips.create(title, sql, **known)

    def link(self, clip: Clip, **values: Any) -> str:
        """The token of a new link by Alice."""
        values = {"expires_at": None, "now": self.clock()} | values
        return self.links.create(clip.id, "Alice", **values)[1]

    def write(self, table: Table, **columns: list[Any]) -> None:
        """Make these columns a table of the warehouse."""
        with self.warehouse.transaction() as transaction:
            transaction.replace(table, pa.table(columns))

    def publish(self) -> None:
        """Let clips see what the warehouse holds now."""
        self.follower.publish(now=self.clock())

    def say(self, name: str, text: str, *, done: int = 0, total: int = 0) -> None:
        """Put a notice on the home page."""
        row = {"name": name, "text": text, "done": done, "total": total}
        with self.state.begin() as connection:
            connection.execute(notice.insert().values(updated_at=self.clock(), **row))

    async def serve(self, started: threading.Event, stop: asyncio.Event) -> None:
        await self.runner.start()
        site = build_site(self.rooms(), clock=self.clock)
        site.state.waiting = Waiting(self.answers, self.patience_s)
        server = Server(
            site,
            address="127.0.0.1",
            port=self.port,
            interface=Interfaces.ASGI,
            websockets=False,
            log_enabled=False,
        )
        serving = asyncio.create_task(server.serve())
        started.set()
        await stop.wait()
        server.stop()  # type: ignore[no-untyped-call]
        await serving
        await self.answers.close()
        await self.runner.close()


class Running:
    """An installation served by a thread of its own, until closed."""

    def __init__(self, installation: Installation) -> None:
        self._installation = installation
        self._started = threading.Event()
        self._loop = asyncio.new_event_loop()
        self._stop = asyncio.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def open(self) -> None:
        self._thread.start()
        assert self._started.wait(START_S)
        transport = httpx.HTTPTransport(retries=20)
        with httpx.Client(transport=transport) as client:
            assert client.get(f"{self._installation.url}/healthz").status_code == 200

    def close(self) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(START_S)
        self._loop.close()
        self._installation.warehouse.close()
        self._installation.state.dispose()

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_until_complete(self._installation.serve(self._started, self._stop))


def token_in(html: str) -> str:
    found = re.search(r'name="form_token" value="([0-9a-f]+)"', html)
    assert found, html
    return found[1]


def fill(installation: Installation) -> None:
    """A few companies, events and numbers, and one published copy of them."""
    now = datetime.now(UTC).replace(tzinfo=None)
    text = {name: Column(name, Type.TEXT) for name in ("company_uuid", "person_uuid")}
    installation.write(
        Table("userdata", "companyperson", tuple(text.values())),
        company_uuid=["acme", "acme", "globex"],
        person_uuid=["alice", "bob", "charlie"],
    )
    installation.write(
        Table(
            "analytics",
            "tracks",
            (Column("event", Type.TEXT), Column("user_id", Type.TEXT), Column("at", Type.TIME)),
        ),
        event=["pressed_big_button", "signed_in", "signed_in"],
        user_id=["alice", "bob", "charlie"],
        at=[now, now, now],
    )
    counts = ("received", "stored", "duplicates", "rejected")
    installation.write(
        Table(
            "_turnout",
            "loads",
            (Column("loaded_at", Type.TIME), *(Column(name, Type.INTEGER) for name in counts)),
        ),
        loaded_at=[now - timedelta(minutes=1), now],
        received=[1000, 340],
        stored=[990, 300],
        duplicates=[10, 30],
        rejected=[0, 10],
    )
    installation.write(
        Table(
            "_turnout",
            "rejected_events",
            (
                Column("source", Type.TEXT),
                Column("received_at", Type.TIME),
                Column("reason", Type.TEXT),
                Column("head", Type.TEXT),
            ),
        ),
        source=["web"],
        received_at=[now],
        reason=["no_user"],
        head=['{"type":"track","event":"<b>bold</b>"}'],
    )
    installation.write(
        Table(
            "_turnout",
            "sync_runs",
            (
                Column("source", Type.TEXT),
                Column("finished_at", Type.TIME),
                Column("as_of", Type.TIME),
                Column("error", Type.TEXT),
            ),
        ),
        source=["app", "app"],
        finished_at=[now - timedelta(minutes=3), now],
        as_of=[now - timedelta(minutes=3), None],
        error=[None, "The source cannot be reached."],
    )
    for schema in ("analytics", "userdata"):
        installation.follower.note(schema, installation.clock())
    installation.follower.publish(now=installation.clock())


def free_port() -> int:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        return int(listening.getsockname()[1])
