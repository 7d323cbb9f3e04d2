"""*Databases*: one that is copied, how it stands, and a button that copies it now."""

from __future__ import annotations

import asyncio
from typing import Any

from litestar import Response, get, post
from litestar.params import FromPath

from turnout.access.people import OWNER
from turnout.config import load_config
from turnout.errors import ConfigError, NotAllowed, NotFound
from turnout.state.request import Requests
from turnout.sync.offer.sentences import size
from turnout.sync.offer.statements import role_of, statements
from turnout.web.copies import Database, read_databases
from turnout.web.visit import Visit, go, signed_in

ROLE = "turnout"


@get("/databases/{name:str}", guards=[signed_in])
async def show_database(request: Visit, name: FromPath[str]) -> Response[str]:
    """How it stands, its tables, its last copies, and the role that it needs."""
    if name not in request.rooms.config.sources:
        return await _coming(request, name)
    return request.page(
        "database.html",
        name=name,
        database=await _find(request, name),
        statements=_statements(request, name),
        password_place=_password_place(request, name),
        is_owner=request.user.role == OWNER,
        asked="asked" in request.query_params,
        size=size,
    )


@get("/databases/{name:str}/standing", guards=[signed_in])
async def show_standing(request: Visit, name: FromPath[str]) -> Response[str]:
    """The part of its page that changes by itself."""
    _check(request, name)
    return request.page(
        "database_standing.html", database=await _find(request, name, need=True), size=size
    )


@get("/sources/copies", guards=[signed_in])
async def show_copies(request: Visit) -> Response[str]:
    """The part of the page of sources that changes by itself."""
    return request.page("copies.html", databases=await read_databases(request.rooms))


@post("/databases/{name:str}/copy", guards=[signed_in])
async def copy_now(request: Visit, name: FromPath[str]) -> Response[None]:
    """Ask whoever copies for a copy now."""
    _check(request, name)
    whole = "whole" in await request.fields()
    if whole and request.user.role != OWNER:
        raise NotAllowed("Only the owner copies all anew: it asks much of the database.")
    requests = Requests(request.rooms.state)
    parameters: dict[str, Any] = {"whole": True} if whole else {}
    await asyncio.to_thread(requests.ask, f"sync {name}", parameters)
    return go(f"/databases/{name}?asked")


async def _coming(visit: Visit, name: str) -> Response[str]:
    """One that was connected a moment ago: turnout.toml has it, this process does not yet."""
    written = await asyncio.to_thread(load_config, visit.rooms.config.home)
    if name not in written.sources:
        _check(visit, name)
    return visit.page("database_coming.html", name=name, is_preparing=visit.rooms.renew is not None)


def _check(visit: Visit, name: str) -> None:
    if name not in visit.rooms.config.sources:
        raise NotFound(
            "There is no database at this address.", hint="The page of sources lists all."
        )


async def _find(visit: Visit, name: str, *, need: bool = False) -> Database | None:
    found = await read_databases(visit.rooms)
    if found is None and not need:
        return None
    for database in found or ():
        if database.name == name:
            return database
    raise NotFound("The warehouse is busy; look again in a moment.")


def _password_place(visit: Visit, name: str) -> str:
    """Where the password is kept, as turnout.toml says it."""
    place = visit.rooms.config.sources[name].password_file
    home = str(visit.rooms.config.home)
    return place.removeprefix(home).lstrip("/") if place.startswith(home) else place


def _statements(visit: Visit, name: str) -> list[str]:
    """For the role that the address names, when that is one of its own."""
    source = visit.rooms.config.sources[name]
    role = role_of(source)
    try:
        return statements(name, source, role if role.startswith(ROLE) else ROLE)
    except ConfigError:
        return []
