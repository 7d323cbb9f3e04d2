"""Write keys: each lets an SDK send events to one source, and nothing more.

Several keys may live on one source, so that a new one can be rolled out before the old one goes.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal, TypeAlias, get_args
from urllib.parse import urlsplit

import sqlalchemy as sa

from turnout.errors import BadRequest, NotFound
from turnout.state import State
from turnout.state.table import write_key

# Where a key lives: 'server' is a secret kept; 'browser' and 'mobile' are read by everyone.
Kind: TypeAlias = Literal["server", "browser", "mobile"]
# What becomes of a sender's address: kept, cut to its network (/24 or /48), or left out.
IpPolicy: TypeAlias = Literal["keep", "truncate", "drop"]

KEY_BYTES = 24
SOURCE_CHARS_MAX = 60
SCHEMA_PATTERN = re.compile(r"[a-z][a-z0-9_]{0,62}")
# Schemas that Turnout fills from elsewhere.
SCHEMAS_TAKEN = frozenset({"turnout", "information_schema", "main", "pg_catalog"})
# What a browser sends as the origin of a sandboxed page or a file.
NULL_ORIGIN = "null"


@dataclass(frozen=True, slots=True)
class WriteKey:
    """`key` lets events in, as from `source`, into the warehouse schema `schema`.

    `origins` are the web pages it may be used from (none: any); `rate_per_s` is in requests.
    """

    key: str
    source: str
    schema: str
    created_at: datetime
    revoked_at: datetime | None
    kind: Kind = "server"
    origins: tuple[str, ...] = ()
    ip: IpPolicy = "truncate"
    rate_per_s: int | None = None
    # Using a key does not make it another.
    last_used_at: datetime | None = field(default=None, compare=False)


class WriteKeys:
    """The write keys of an installation."""

    def __init__(self, state: State) -> None:
        self._state = state

    def create(  # noqa: PLR0913 - all that a key is
        self,
        source: str,
        schema: str = "analytics",
        *,
        kind: Kind = "server",
        origins: Iterable[str] = (),
        ip: IpPolicy = "truncate",
        rate_per_s: int | None = None,
    ) -> WriteKey:
        """A new key for `source`, at once usable. Raises `BadRequest` for what cannot be used."""
        key = WriteKey(
            _new_key(),
            _checked_source(source),
            _checked_schema(schema),
            datetime.now(UTC),
            None,
            _checked(kind, Kind, "kind"),
            _checked_origins(origins),
            _checked(ip, IpPolicy, "way with addresses"),
            _checked_rate(rate_per_s),
        )
        with self._state.begin() as connection:
            connection.execute(write_key.insert().values(_row(key)))
        return key

    def change(
        self,
        key: str,
        *,
        kind: Kind | None = None,
        origins: Iterable[str] | None = None,
        ip: IpPolicy | None = None,
        rate_per_s: int | None = None,
    ) -> WriteKey:
        """The key, with what is given changed; no origins means any, a rate of 0 means no limit.

        Raises `NotFound` for no key of ours, `BadRequest` for what cannot be used.
        """
        changes: dict[str, Any] = {}
        if kind is not None:
            changes["kind"] = _checked(kind, Kind, "kind")
        if origins is not None:
            changes["origins"] = " ".join(_checked_origins(origins))
        if ip is not None:
            changes["ip"] = _checked(ip, IpPolicy, "way with addresses")
        if rate_per_s is not None:
            changes["rate_per_s"] = _checked_rate(rate_per_s)
        self._update(key, changes or {"key": key})
        return next(each for each in self.list() if each.key == key)

    def list(self) -> list[WriteKey]:
        """Every key ever made, oldest first."""
        with self._state.connect() as connection:
            rows = connection.execute(sa.select(write_key).order_by(write_key.c.created_at))
            return [_key(row) for row in rows.mappings()]

    def active(self) -> dict[str, WriteKey]:
        """The keys that let events in, by key."""
        return {key.key: key for key in self.list() if key.revoked_at is None}

    def revoke(self, key: str) -> None:
        """Let nothing in by `key` any more. Harmless to repeat; `NotFound` for no key of ours."""
        self._update(
            key, {"revoked_at": sa.func.coalesce(write_key.c.revoked_at, datetime.now(UTC))}
        )

    def note_uses(self, used_at: Mapping[str, datetime]) -> None:
        """Remember when keys were last used: key → time. Keys that are not ours are passed over."""
        if not used_at:
            return
        with self._state.begin() as connection:
            for key, at in used_at.items():
                connection.execute(
                    write_key.update()
                    .where(write_key.c.key == key)
                    .where(sa.func.coalesce(write_key.c.last_used_at, at) <= at)
                    .values(last_used_at=at)
                )

    def _update(self, key: str, changes: Mapping[str, Any]) -> None:
        with self._state.begin() as connection:
            statement = write_key.update().where(write_key.c.key == key).values(**changes)
            if not connection.execute(statement).rowcount:
                raise NotFound("There is no such write key.")


def checked_place(source: str, schema: str) -> tuple[str, str]:
    """The same, as a key would have them; `BadRequest` when it could not."""
    return _checked_source(source), _checked_schema(schema)


def _row(key: WriteKey) -> dict[str, Any]:
    fields = {name: getattr(key, name) for name in WriteKey.__slots__}
    return {**fields, "origins": " ".join(key.origins)}


def _key(row: Mapping[Any, Any]) -> WriteKey:
    return WriteKey(**{**row, "origins": tuple(row["origins"].split())})


def _checked_source(source: str) -> str:
    source = source.strip()
    if not 0 < len(source) <= SOURCE_CHARS_MAX or not source.isprintable():
        raise BadRequest(f"A source's name has 1 to {SOURCE_CHARS_MAX} printable characters.")
    return source


def _checked_schema(schema: str) -> str:
    if not SCHEMA_PATTERN.fullmatch(schema) or schema in SCHEMAS_TAKEN:
        raise BadRequest(
            f"'{schema}' cannot be a schema for events.",
            hint="Use small letters, digits and underscores, such as 'analytics'.",
        )
    return schema


def _checked(value: Any, choices: Any, noun: str) -> Any:
    """`value`, if it is one of a Literal's words; it may come from a form or a command."""
    known = get_args(choices)
    if value not in known:
        raise BadRequest(
            f"There is no {noun} '{value}' for write keys.", hint=f"Known: {', '.join(known)}."
        )
    return value


def _checked_origins(origins: Iterable[str]) -> tuple[str, ...]:
    """Each origin as browsers spell it, once."""
    return tuple(dict.fromkeys(_checked_origin(origin) for origin in origins))


def _checked_origin(origin: str) -> str:
    origin = origin.strip().lower().rstrip("/")
    if origin == NULL_ORIGIN:
        return origin
    try:
        parts = urlsplit(origin)
        is_whole = bool(parts.scheme and parts.hostname and (parts.port is None or parts.port > 0))
    except ValueError:
        is_whole = False
    if not is_whole or origin != f"{parts.scheme}://{parts.netloc}" or set(origin) & set(" @,'\""):
        raise BadRequest(
            f"'{origin}' is not a web origin.",
            hint="Write the scheme and the host, such as 'https://app.example.com'.",
        )
    return origin


def _checked_rate(rate_per_s: int | None) -> int | None:
    if rate_per_s is not None and rate_per_s < 0:
        raise BadRequest("A rate is a number of requests a second; 0 means no limit.")
    return rate_per_s or None


def _new_key() -> str:
    """Random, and never like an option of a command."""
    while (key := secrets.token_urlsafe(KEY_BYTES)).startswith("-"):
        pass
    return key
