"""*Sources*: where the data comes from. Write keys with what came by them, and copied tables."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from litestar import Response, get, post
from litestar.params import FromPath

from turnout.access.keys import WriteKey
from turnout.access.people import OWNER
from turnout.errors import BadRequest, NotAllowed, NotFound, TurnoutError
from turnout.events.overview.advice import for_rejected
from turnout.events.overview.tally import Sum, Tally, reasons, tallies
from turnout.web.address import slug
from turnout.web.copies import read_databases
from turnout.web.snippets import snippets
from turnout.web.spark import spark
from turnout.web.status import read_status
from turnout.web.trial import send_test_event
from turnout.web.visit import Visit, go, signed_in

RATE_DIGITS_MAX = 9
KINDS = {
    "server": "Kept secret on servers",
    "browser": "In web pages, for everyone to read",
    "mobile": "In apps, for everyone to read",
}
IP_POLICIES = {
    "truncate": "keep its network only (/24, /48)",
    "keep": "keep it whole",
    "drop": "drop it",
}


@dataclass(frozen=True, slots=True)
class EventSource:
    """Everything that sends under one name: its keys, the active ones first, and its counts."""

    name: str
    keys: list[WriteKey]
    tally: Tally

    @property
    def active(self) -> list[WriteKey]:
        return [key for key in self.keys if key.revoked_at is None]

    @property
    def schemas(self) -> list[str]:
        return sorted({key.schema for key in self.keys})

    @property
    def address(self) -> str:
        return source_address(self.name)


@get("/sources", guards=[signed_in])
async def show_sources(request: Visit) -> Response[str]:
    """Every source with its counts, copied tables and their age."""
    freshness, databases, found = await asyncio.gather(
        read_status(request.rooms),
        read_databases(request.rooms),
        asyncio.to_thread(_read, request),
    )
    return request.page(
        "sources.html",
        freshness=freshness,
        databases=databases,
        sources=found,
        total=sum((source.tally.all for source in found), Sum()),
        kinds=KINDS,
        spark=spark,
        is_owner=_is_owner(request),
    )


@get("/sources/{address:str}", guards=[signed_in])
async def show_source(request: Visit, address: FromPath[str]) -> Response[str]:
    """One source: counts, keys, snippets, and a button that tries it."""
    source = await asyncio.to_thread(_find, request, address)
    why = await asyncio.to_thread(reasons, request.rooms.warehouse, source.name, now=request.now)
    host = request.rooms.config.collector.url
    first = source.active[0] if source.active else None
    return request.page(
        "source.html",
        source=source,
        reasons=why,
        advice=for_rejected,
        kinds=KINDS,
        ip_policies=IP_POLICIES,
        host=host,
        first=first,
        snippets=snippets(first, host) if first else [],
        live=lambda **values: f"/live?{urlencode({'source': source.name} | values)}",
        spark=spark,
        is_owner=_is_owner(request),
    )


@post("/sources", guards=[signed_in])
async def create_source(request: Visit) -> Response[None]:
    """A first write key makes a source; only the owner opens a door for data."""
    _check_owner(request)
    fields = await request.fields()
    name = " ".join(fields.get("source", "").split())
    await asyncio.to_thread(request.rooms.keys.create, name, **_settings(fields))
    return go(source_address(name))


@post("/sources/{address:str}/keys", guards=[signed_in])
async def add_key(request: Visit, address: FromPath[str]) -> Response[None]:
    """One more key for the source, such as the next one in a rotation."""
    _check_owner(request)
    source = await asyncio.to_thread(_find, request, address)
    like = (source.active or source.keys)[0]
    settings: dict[str, Any] = {
        "kind": like.kind, "origins": like.origins, "ip": like.ip, "rate_per_s": like.rate_per_s,
    }  # fmt: skip
    fields = await request.fields()
    settings |= {"kind": fields["kind"]} if "kind" in fields else {}
    await asyncio.to_thread(request.rooms.keys.create, source.name, like.schema, **settings)
    return go(source.address)


@post("/sources/{address:str}/keys/change", guards=[signed_in])
async def change_key(request: Visit, address: FromPath[str]) -> Response[None]:
    """Another kind, other origins, another way with addresses, another rate."""
    _check_owner(request)
    source, key = await _own_key(request, address)
    settings = _settings(await request.fields())
    await asyncio.to_thread(request.rooms.keys.change, key.key, **settings)
    return go(source.address)


@post("/sources/{address:str}/keys/revoke", guards=[signed_in])
async def revoke_key(request: Visit, address: FromPath[str]) -> Response[None]:
    """Close a write key for good. Its name is in the form, so that no log holds it."""
    _check_owner(request)
    source, key = await _own_key(request, address)
    await asyncio.to_thread(request.rooms.keys.revoke, key.key)
    return go(source.address)


@post("/sources/{address:str}/test", guards=[signed_in])
async def send_test(request: Visit, address: FromPath[str]) -> Response[None]:
    """Send a test event by one of the source's keys, and watch it arrive."""
    source, key = await _own_key(request, address)
    settings = request.rooms.config.collector
    id_ = await asyncio.to_thread(
        send_test_event, settings, key, request.user.name, now=request.now
    )
    return go(f"/live?{urlencode({'source': source.name, 'await': id_})}")


def source_address(name: str) -> str:
    """The page of a source. A name that is no plain word is told from others by a hash."""
    words = slug(name)
    if words == name:
        return f"/sources/{words}"
    mark = hashlib.sha256(name.encode()).hexdigest()[:8]
    return f"/sources/{words}-{mark}" if words else f"/sources/{mark}"


def _read(visit: Visit) -> list[EventSource]:
    """All sources, those with an active key first, then by name."""
    keys: dict[str, list[WriteKey]] = {}
    for key in visit.rooms.keys.list():
        keys.setdefault(key.source, []).append(key)
    try:
        counted = tallies(visit.rooms.warehouse, now=visit.now)
    except TurnoutError:  # the warehouse is away; keys are still to be seen and changed
        counted = {}
    names = {*keys, *(name for name in counted if name)}
    found = [
        EventSource(name, _in_order(keys.get(name, ())), counted.get(name, Tally()))
        for name in names
    ]
    return sorted(found, key=lambda source: (not source.active, source.name.casefold()))


def _in_order(keys: Iterable[WriteKey]) -> list[WriteKey]:
    """The active ones first, the newest of them first."""
    newest = sorted(keys, key=lambda key: key.created_at, reverse=True)
    return sorted(newest, key=lambda key: key.revoked_at is not None)


def _find(visit: Visit, address: str) -> EventSource:
    for source in _read(visit):
        if source.address == f"/sources/{address}":
            return source
    raise NotFound("There is no source at this address.", hint="The page of sources lists all.")


async def _own_key(visit: Visit, address: str) -> tuple[EventSource, WriteKey]:
    """The key that a form names, which must be the source's own and active."""
    source = await asyncio.to_thread(_find, visit, address)
    named = (await visit.fields()).get("key", "")
    for key in source.active:
        if key.key == named:
            return source, key
    raise NotFound("There is no such write key.")


def _settings(fields: dict[str, str]) -> dict[str, Any]:
    """What a form says about a key; what it leaves out stays as it is."""
    settings: dict[str, Any] = {name: fields[name] for name in ("kind", "ip") if name in fields}
    if "origins" in fields:
        settings["origins"] = tuple(fields["origins"].replace(",", " ").split())
    if "rate_per_s" in fields:
        rate = fields["rate_per_s"].strip() or "0"
        if not rate.isascii() or not rate.isdigit() or len(rate) > RATE_DIGITS_MAX:
            raise BadRequest("A rate is a whole number of requests a second; empty means no limit.")
        settings["rate_per_s"] = int(rate)
    return settings


def _is_owner(visit: Visit) -> bool:
    return bool(visit.user.role == OWNER)


def _check_owner(visit: Visit) -> None:
    if not _is_owner(visit):
        raise NotAllowed("Only the owner changes write keys.")
