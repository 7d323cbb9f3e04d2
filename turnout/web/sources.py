"""Where the data comes from: write keys with what arrived by them, and copied tables."""

from __future__ import annotations

import asyncio

from litestar import Response, get, post

from turnout.access.people import OWNER
from turnout.errors import NotAllowed
from turnout.web.status import read_status
from turnout.web.visit import Visit, go, signed_in


@get("/sources", guards=[signed_in])
async def show_sources(request: Visit) -> Response[str]:
    """Keys, counts, rejected events, copied tables and their age."""
    freshness, keys = await asyncio.gather(
        read_status(request.rooms, with_rejected=True),
        asyncio.to_thread(request.rooms.keys.list),
    )
    return request.page(
        "sources.html",
        freshness=freshness,
        keys=sorted(keys, key=lambda key: key.revoked_at is not None),
        host=request.rooms.config.collector.url,
        is_owner=request.user.role == OWNER,
    )


@post("/sources/keys", guards=[signed_in])
async def create_key(request: Visit) -> Response[None]:
    """A new write key; only the owner opens a door for data."""
    _check_owner(request)
    name = (await request.fields()).get("source", "")
    await asyncio.to_thread(request.rooms.keys.create, name)
    return go("/sources")


@post("/sources/keys/revoke", guards=[signed_in])
async def revoke_key(request: Visit) -> Response[None]:
    """Close a write key for good. Its name is in the form, so that no log holds the address."""
    _check_owner(request)
    await asyncio.to_thread(request.rooms.keys.revoke, (await request.fields()).get("key", ""))
    return go("/sources")


def _check_owner(visit: Visit) -> None:
    if visit.user.role != OWNER:
        raise NotAllowed("Only the owner changes write keys.")
