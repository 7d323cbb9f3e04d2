"""Every setting, its default and its sentence: one TOML file, the environment over it.

`load_config` reads both once, at the start of a process. Nothing else reads the environment.
A secret may also come from a file: `TURNOUT_SOURCES_APP_URL_FILE=/run/secrets/app`.
"""

from __future__ import annotations

import difflib
import ipaddress
import os
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, get_args, get_origin, get_type_hints
from urllib.parse import urlsplit, urlunsplit

import msgspec
from msgspec import Meta, Struct

from turnout.errors import ConfigError

FILE_NAME = "turnout.toml"
PREFIX = "TURNOUT_"
# Variables with our prefix that are not settings.
NOT_SETTINGS = ("TURNOUT_HOME", "TURNOUT_TRACE", "TURNOUT_TEST_", "TURNOUT_DEMO_", "TURNOUT_BENCH_")

Port = Annotated[int, Meta(ge=1, le=65535)]
Count = Annotated[int, Meta(ge=1)]
# At most a year: infinity is a float too, and nothing waits that long.
Seconds = Annotated[float, Meta(gt=0, le=366 * 86_400)]


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


class TableSelection(Struct, frozen=True, forbid_unknown_fields=True):
    """One table of a source, and the columns of it that are copied. Nothing else is read."""

    columns: Annotated[list[str], Meta(min_length=1, description="Columns to copy, by exact name.")]


class Source(Struct, frozen=True, forbid_unknown_fields=True):
    """One database to copy chosen columns from."""

    url: Annotated[
        str,
        Meta(
            description="postgresql://user@host:port/database of a read-only follower.",
            extra={"secret": True},
        ),
    ]
    tables: Annotated[
        dict[str, TableSelection], Meta(description="The selection: table by table.")
    ] = {}
    schema: Annotated[
        str, Meta(pattern="^[a-z_][a-z0-9_]*$", description="Warehouse schema to copy into.")
    ] = "userdata"
    every_s: Annotated[Seconds, Meta(description="Pause between two copies.")] = 300.0


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


def load_config(home: Path, environ: Mapping[str, str] | None = None) -> Config:
    """Read `turnout.toml` in `home` (it may be absent) and the environment over it.

    Raises `ConfigError` with the place, the offending value and the nearest known name.
    """
    home = home.absolute()
    settings = _read_file(home / FILE_NAME)
    _refuse_unknown(settings)
    _overlay(settings, os.environ if environ is None else environ)
    _refuse_missing(settings)
    try:
        config = msgspec.convert(
            {**settings, "home": home}, Config, strict=False, dec_hook=lambda _, path: path
        )
    except msgspec.ValidationError as error:
        raise ConfigError(f"{FILE_NAME}: {_place(str(error))}") from None
    _check(config)
    return config


def settings_in_force(config: Config) -> Iterator[tuple[str, str, str]]:
    """Every setting as (dotted name, value, sentence), secrets hidden."""
    yield from _walk(config, "")


def hide_password(url: str) -> str:
    """`url` with its password replaced, safe to print."""
    parts = urlsplit(url)
    if parts.password is None:
        return url
    place = f"{parts.username}:•••@{parts.hostname}" + (f":{parts.port}" if parts.port else "")
    return urlunsplit(parts._replace(netloc=place))


def _read_file(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror}.") from None
    except UnicodeDecodeError:
        raise ConfigError(f"{path} is not UTF-8 text.") from None
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{path} is not valid TOML: {error}.") from None


def _sections(
    settings: Mapping[str, Any], struct: type[Struct], place: str
) -> Iterator[tuple[Mapping[str, Any], type[Struct], str]]:
    """Every section of `settings` with its struct and its place, the outermost first."""
    yield settings, struct, place
    for key, hint in _hints(struct).items():
        inner, value = _struct_inside(hint), settings.get(key)
        if inner is None or not isinstance(value, dict):
            continue
        named = value if _is_dict(hint) else {"": value}
        for name, section in named.items():
            if isinstance(section, dict):
                yield from _sections(section, inner, f"{place}{key}.{name}".rstrip(".") + ".")


def _refuse_unknown(settings: Mapping[str, Any]) -> None:
    for section, struct, place in _sections(settings, Config, ""):
        known = {name: hint for name, hint in _hints(struct).items() if name != "home"}
        for key in section:
            if key not in known:
                raise ConfigError(
                    f"{FILE_NAME}: there is no setting '{place}{key}'.", hint=_nearest(key, known)
                )


def _refuse_missing(settings: Mapping[str, Any]) -> None:
    for section, struct, place in _sections(settings, Config, ""):
        for field in msgspec.structs.fields(struct):
            if field.required and field.name not in section:
                raise ConfigError(f"{FILE_NAME}: '{place}{field.name}' is missing.")


def _overlay(settings: dict[str, Any], environ: Mapping[str, str]) -> None:
    """Put each `TURNOUT_…` variable over the file's value."""
    for variable in sorted(environ):
        if not variable.startswith(PREFIX) or variable.startswith(NOT_SETTINGS):
            continue
        value = environ[variable]
        name = variable.removeprefix(PREFIX).lower()
        path = _setting_path(name, settings)
        if path is None and name.endswith("_file"):
            path = _setting_path(name.removesuffix("_file"), settings)
            value = _read_secret(variable, value)
        if path is None:
            raise ConfigError(
                f"The environment variable {variable} names no setting.",
                hint=_nearest(name, {"_".join(path): None for path in _all_paths(settings)}),
            )
        section = settings
        for step in path[:-1]:
            section = section.setdefault(step, {})
        section[path[-1]] = value


def _setting_path(name: str, settings: Mapping[str, Any]) -> tuple[str, ...] | None:
    for path in _all_paths(settings):
        if "_".join(path).lower() == name:
            return path
    return None


def _all_paths(settings: Mapping[str, Any]) -> Iterator[tuple[str, ...]]:
    """Every plain setting that a variable may name; sources only as the file names them."""
    for section, hint in _hints(Config).items():
        inner = _struct_inside(hint)
        if inner is None:
            continue
        if _is_dict(hint):
            for name in settings.get(section, {}):
                for key in ("url", "schema", "every_s"):
                    yield section, name, key
        else:
            for key, deeper in _hints(inner).items():
                for rest in getattr(_struct_inside(deeper), "__struct_fields__", ("",)):
                    yield tuple(filter(None, (section, key, rest)))


def _read_secret(variable: str, path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8").strip()
    except OSError as error:
        raise ConfigError(
            f"{variable} names {path}, which cannot be read: {error.strerror}."
        ) from None


def _check(config: Config) -> None:
    """What types alone cannot say."""
    _check_proxies(config)
    if not config.warehouse.url.startswith("duckdb:"):
        raise ConfigError(
            f"warehouse.url is '{hide_password(config.warehouse.url)}'.",
            hint="This version keeps its warehouse in DuckDB: 'duckdb:data/warehouse.duckdb'.",
        )
    if (config.web.host, config.web.port) == (config.collector.host, config.collector.port):
        raise ConfigError(
            f"web.port and collector.port are both {config.web.port}.",
            hint="Give each its own port.",
        )
    for name, source in config.sources.items():
        if not source.url.startswith(("postgres://", "postgresql://")):
            raise ConfigError(
                f"sources.{name}.url does not begin with postgresql://.",
                hint="This version copies from PostgreSQL.",
            )
        if not _is_address(source.url):
            raise ConfigError(
                f"sources.{name}.url is not a whole address.",
                hint="Write postgresql://user:password@host:port/database.",
            )
        if source.schema in {"analytics", "turnout", "_turnout"}:
            raise ConfigError(
                f"sources.{name}.schema is '{source.schema}', a schema Turnout fills itself.",
                hint="Choose another, such as 'userdata'.",
            )
        for table, selection in source.tables.items():
            if "*" in selection.columns:
                raise ConfigError(
                    f"sources.{name}.tables.{table}.columns holds '*'.",
                    hint="Name each column: only what is named is copied.",
                )
    _check_membership(config)


def _check_membership(config: Config) -> None:
    """Only what is copied can be read."""
    declared = config.identity.membership
    if not declared.table:
        return
    schema, _, name = declared.table.partition(".")
    copied = {
        column
        for source in config.sources.values()
        for table, selection in source.tables.items()
        if (source.schema, table.rpartition(".")[2].strip('"')) == (schema, name)
        for column in selection.columns
    }
    if not copied:
        raise ConfigError(
            f"identity.membership.table is '{declared.table}', which no source copies.",
            hint="Write it as schema.table, and select the table under [sources].",
        )
    for key in ("account", "user", "since", "until"):
        column = getattr(declared, key)
        if (key in ("account", "user") or column) and column not in copied:
            raise ConfigError(
                f"identity.membership.{key} is '{column}', no copied column of {declared.table}.",
                hint=f"Copied are: {', '.join(sorted(copied))}.",
            )


def _check_proxies(config: Config) -> None:
    """The collector believes what they say of a request's origin."""
    for network in config.collector.trusted_proxies.split():
        try:
            ipaddress.ip_network(network, strict=False)
        except ValueError:
            raise ConfigError(
                f"collector.trusted_proxies names '{network}', which is no address or network.",
                hint="Write them with spaces between: '10.0.0.0/8 127.0.0.1'.",
            ) from None


def _is_address(url: str) -> bool:
    try:
        parts = urlsplit(url)
        return bool(parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError:
        return False


def _walk(value: Struct, prefix: str) -> Iterator[tuple[str, str, str]]:
    for name, hint in _hints(type(value)).items():
        if name == "home":
            continue
        item = getattr(value, name)
        dotted = f"{prefix}{name}"
        if isinstance(item, Struct):
            yield from _walk(item, f"{dotted}.")
        elif isinstance(item, dict):
            for key, inner in item.items():
                yield from _walk(inner, f"{dotted}.{key}.")
        else:
            meta = _meta(hint)
            secret = bool(meta and meta.extra and meta.extra.get("secret"))
            yield dotted, _hidden(item) if secret else str(item), _sentence(meta)


def _hidden(secret: str) -> str:
    return hide_password(secret) if "://" in secret else "•••" * bool(secret)


def _hints(struct: type[Struct]) -> dict[str, Any]:
    return get_type_hints(struct, include_extras=True)


def _bare(hint: Any) -> Any:
    """The type inside `Annotated`."""
    return get_args(hint)[0] if get_origin(hint) is Annotated else hint


def _is_dict(hint: Any) -> bool:
    return get_origin(_bare(hint)) is dict


def _struct_inside(hint: Any) -> type[Struct] | None:
    """The struct that `hint` is, or that it maps names to."""
    inside = get_args(_bare(hint))[1] if _is_dict(hint) else _bare(hint)
    return inside if isinstance(inside, type) and issubclass(inside, Struct) else None


def _meta(hint: Any) -> Meta | None:
    """The innermost `Meta` that carries a sentence."""
    metas = [item for item in get_args(hint)[1:] if isinstance(item, Meta)]
    return next((meta for meta in metas if meta.description), None)


def _sentence(meta: Meta | None) -> str:
    return (meta and meta.description) or ""


def _nearest(name: str, known: Mapping[str, Any]) -> str:
    close = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    return f"Did you mean '{close[0]}'?" if close else f"Known here: {', '.join(sorted(known))}."


def _place(message: str) -> str:
    """The path a validation message ends with, put before it in our own spelling."""
    text, _, path = message.partition(" - at `$.")
    return f"{path.rstrip('`')}: {text}." if path else f"{text}."
