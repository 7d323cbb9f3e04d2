"""Sharing a clip: its links, made and revoked by people who are signed in."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import timedelta

from litestar import Response, get, post
from litestar.params import FromPath

from turnout.access.links import Link
from turnout.clips.clip import Clip
from turnout.errors import BadRequest, NotFound, TurnoutError
from turnout.web.address import clip_address, link_address
from turnout.web.asked import check_pins, offered
from turnout.web.clips import find_clip
from turnout.web.visit import Visit, go, signed_in

# What the form offers; None never expires.
EXPIRIES: dict[str, timedelta | None] = {
    "7": timedelta(days=7),
    "30": timedelta(days=30),
    "90": timedelta(days=90),
    "365": timedelta(days=365),
    "never": None,
}
EXPIRY_DEFAULT = "90"
# What a field that fixes a parameter is called in the form: this, and the parameter's name.
PIN = "pin:"


@dataclass(frozen=True, slots=True)
class SharedLink:
    """A link and, while it is open, what to hand out: addresses, and a formula for a sheet."""

    link: Link
    is_open: bool
    page: str
    csv: str
    json: str
    sheet: str


@get("/clips/{address:str}/share", guards=[signed_in])
async def show_share(request: Visit, address: FromPath[str]) -> Response[str]:
    """A clip's links, and the form for a new one."""
    clip = await asyncio.to_thread(find_clip, request, address)
    links = await asyncio.to_thread(_links, request, clip)
    try:
        asked, problem = await offered(request, clip), None
    except TurnoutError as error:
        asked, problem = None, error
    return request.page(
        "share.html",
        clip=clip,
        links=links,
        asked=asked,
        problem=problem,
        expiries=list(EXPIRIES),
        expiry=EXPIRY_DEFAULT,
    )


@post("/clips/{address:str}/share", guards=[signed_in])
async def create_link(request: Visit, address: FromPath[str]) -> Response[None]:
    """A new link."""
    clip = await asyncio.to_thread(find_clip, request, address)
    fields = await request.fields()
    expiry = fields.get("expiry", EXPIRY_DEFAULT)
    if expiry not in EXPIRIES:
        raise BadRequest(f"A link cannot expire after '{expiry[:20]}'.")
    valid = EXPIRIES[expiry]
    pins = await request.texts(PIN)
    await check_pins(request, clip, pins)
    await asyncio.to_thread(
        request.rooms.links.create,
        clip.id,
        request.user.name,
        label=fields.get("label", ""),
        shows_sql=fields.get("shows_sql") == "1",
        pinned=pins,
        expires_at=request.now + valid if valid else None,
        now=request.now,
    )
    return go(f"{clip_address(clip)}/share")


@post("/clips/{address:str}/share/{link_id:int}/revoke", guards=[signed_in])
async def revoke_link(
    request: Visit, address: FromPath[str], link_id: FromPath[int]
) -> Response[None]:
    """Close a link of this clip for good."""
    clip = await asyncio.to_thread(find_clip, request, address)
    links = await asyncio.to_thread(request.rooms.links.of, clip.id)
    if link_id not in {link.id for link in links}:
        raise NotFound("This clip has no such link.")
    await asyncio.to_thread(request.rooms.links.revoke, link_id, now=request.now)
    return go(f"{clip_address(clip)}/share")


def _links(visit: Visit, clip: Clip) -> list[SharedLink]:
    """Open links first, then the closed ones; the newest first in each."""
    links = [_shared(visit, clip, link) for link in visit.rooms.links.of(clip.id)]
    return sorted(links, key=lambda shared: not shared.is_open)


def _shared(visit: Visit, clip: Clip, link: Link) -> SharedLink:
    is_open = link.is_open(visit.now)
    token = visit.rooms.links.token(link) if is_open else ""
    site = visit.rooms.config.web.url
    page, csv, json = (
        site + link_address(token, clip.title, format_) if is_open else ""
        for format_ in ("", "csv", "json")
    )
    # Its address may hold no quote: nothing in it needs one.
    sheet = f'=IMPORTDATA("{csv}")' if is_open else ""
    return SharedLink(link, is_open, page, csv, json, sheet)
