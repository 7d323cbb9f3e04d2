"""Every setting, its default and its sentence; those of `[sources]` are in `source.py`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from msgspec import Meta, Struct

from turnout.config.source import Source
from turnout.config.unit import Count, Port, Seconds


class Web(Struct, frozen=True, forbid_unknown_fields=True):
    """The pages and the API people use."""

    host: Annotated[str, Meta(description="Address the pages listen on.")] = "127.0.0.1"
    port: Annotated[Port, Meta(description="Port the pages listen on.")] = 8100
    public_url: Annotated[
        str, Meta(description="Address people see; empty means http://host:port.")
    ] = ""

    @property
    def url(self) -> str:
        """The address to print and to put into links, without a slash at its end."""
        return (self.public_url or f"http://{self.host}:{self.port}").rstrip("/")


class Collector(Struct, frozen=True, forbid_unknown_fields=True):
    """The door for events: what Segment libraries are pointed at."""

    host: Annotated[str, Meta(description="Address the collector listens on.")] = "127.0.0.1"
    port: Annotated[Port, Meta(description="Port the collector listens on.")] = 8101
    public_url: Annotated[
        str, Meta(description="Address SDKs are given; empty means http://host:port.")
    ] = ""
    body_bytes_max: Annotated[
        Count, Meta(description="Largest request, unpacked; larger ones get 413.")
    ] = 4 * 1024 * 1024
    event_bytes_max: Annotated[
        Count, Meta(description="Largest single event; a larger one is rejected by itself.")
    ] = 512 * 1024
    batch_events_max: Annotated[Count, Meta(description="Most events in one batch.")] = 10_000
    trusted_proxies: Annotated[
        str,
        Meta(
            description="Addresses or networks of proxies in front of the collector, such as "
            "'10.0.0.0/8 127.0.0.1'; only their X-Forwarded-For and X-Forwarded-Proto are believed."
        ),
    ] = ""
    processes: Annotated[
        Count, Meta(description="Collectors that share the port; one per core at most.")
    ] = 1

    @property
    def url(self) -> str:
        """The address to give to an SDK as its host, without a slash at its end."""
        return (self.public_url or f"http://{self.host}:{self.port}").rstrip("/")


class Journal(Struct, frozen=True, forbid_unknown_fields=True):
    """The durable log on disk that every event reaches before it is acknowledged."""

    segment_bytes_max: Annotated[
        Count, Meta(description="A journal file is closed and a new one begun at this size.")
    ] = 64 * 1024 * 1024
    segment_age_max_s: Annotated[
        Seconds, Meta(description="A journal file is closed after this time, however small.")
    ] = 3600.0
    keep_days: Annotated[
        float,
        Meta(
            gt=0,
            le=10_000,
            description="Loaded journal files are deleted after this many days, and the door "
            "remembers for as long which events it has.",
        ),
    ] = 30
    keep_bytes: Annotated[
        Count, Meta(description="Beyond this the oldest loaded journal files are deleted earlier.")
    ] = 100 * 1024**3


class Warehouse(Struct, frozen=True, forbid_unknown_fields=True):
    """Where events and copied tables live."""

    url: Annotated[str, Meta(description="duckdb:<path, relative to the home folder>.")] = (
        "duckdb:data/warehouse.duckdb"
    )
    memory_bytes_max: Annotated[Count, Meta(description="Memory the writer's engine may use.")] = (
        2 * 1024**3
    )
    threads: Annotated[Count, Meta(description="Threads the writer's engine may use.")] = 2
    load_every_s: Annotated[
        Seconds, Meta(description="Pause between two loads of the journal.")
    ] = 1.0
    compact_every_s: Annotated[
        Seconds,
        Meta(
            description="The file is written anew this often, so that rows deleted meanwhile are "
            "gone from it too; needs as much free disk as the file has bytes."
        ),
    ] = 30 * 86_400.0


class Clips(Struct, frozen=True, forbid_unknown_fields=True):
    """Saved queries, and the limits they run under."""

    fresh_for_s: Annotated[
        float,
        Meta(
            ge=0,
            le=366 * 86_400,
            description="An answer younger than this is served without a new run.",
        ),
    ] = 60.0
    workers: Annotated[Count, Meta(description="Queries that may run at the same time.")] = 4
    queue_max: Annotated[Count, Meta(description="Queries that may wait; more get 503.")] = 50
    timeout_s: Annotated[Seconds, Meta(description="Longest run of one query.")] = 30.0
    memory_bytes_max: Annotated[
        Count, Meta(description="Memory of one query's process, held from outside.")
    ] = 1536 * 1024**2
    rows_max: Annotated[
        Count, Meta(description="Rows kept of one answer; more are cut, and that is said.")
    ] = 1_000_000
    bytes_max: Annotated[Count, Meta(description="Bytes kept of one answer.")] = 256 * 1024**2


class Metrics(Struct, frozen=True, forbid_unknown_fields=True):
    """What Prometheus reads at `/metrics` of both ports."""

    token: Annotated[
        str,
        Meta(
            description="Bearer token for /metrics; while it is empty, only this machine may ask.",
            extra={"secret": True},
        ),
    ] = ""


class Membership(Struct, frozen=True, forbid_unknown_fields=True):
    """A copied table that alone decides who belongs to which account, instead of the events."""

    table: Annotated[
        str,
        Meta(description="Its name, such as userdata.companyperson; empty means events decide."),
    ] = ""
    account: Annotated[str, Meta(description="Its column that names the account.")] = ""
    user: Annotated[str, Meta(description="Its column that names the user, as events do.")] = ""
    since: Annotated[
        str, Meta(description="Its column that says from when on; empty or null means always.")
    ] = ""
    until: Annotated[
        str, Meta(description="Its column that says until when; empty or null means still.")
    ] = ""


class Identity(Struct, frozen=True, forbid_unknown_fields=True):
    """Who somebody is, and for which account they act."""

    membership: Membership = Membership()


class Config(Struct, frozen=True, forbid_unknown_fields=True):
    """All settings in force, and the home folder they belong to."""

    web: Web = Web()
    collector: Collector = Collector()
    journal: Journal = Journal()
    warehouse: Warehouse = Warehouse()
    clips: Clips = Clips()
    metrics: Metrics = Metrics()
    identity: Identity = Identity()
    sources: dict[str, Source] = {}
    home: Path = Path()

    @property
    def data_folder(self) -> Path:
        return self.home / "data"

    @property
    def journal_folder(self) -> Path:
        return self.data_folder / "journal"

    @property
    def seen_folder(self) -> Path:
        return self.journal_folder / "seen"

    @property
    def follower_folder(self) -> Path:
        return self.data_folder / "follower"

    @property
    def cache_folder(self) -> Path:
        return self.data_folder / "cache"

    @property
    def meters_folder(self) -> Path:
        return self.data_folder / "meters"

    @property
    def warehouse_file(self) -> Path:
        return self.home / self.warehouse.url.removeprefix("duckdb:")

    @property
    def state_url(self) -> str:
        return f"sqlite:///{(self.data_folder / 'state.db').absolute()}"
