"""A clip's versions: what each one changed, and how to go back to it."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from litestar import Response, get, post
from litestar.params import FromPath

from turnout.clips.clip import Clip
from turnout.clips.difference import Pair, pairs
from turnout.errors import BadRequest, NotFound
from turnout.web.address import clip_address
from turnout.web.clips import find_clip
from turnout.web.view import read_number
from turnout.web.visit import Visit, go, signed_in


@dataclass(frozen=True, slots=True)
class Step:
    """One version beside the one before it; the first stands by itself."""

    clip: Clip
    before: Clip | None

    @property
    def lines(self) -> list[Pair]:
        return pairs(self.before.sql if self.before else "", self.clip.sql)

    @property
    def has_new_sql(self) -> bool:
        return self.before is None or self.before.sql != self.clip.sql

    @property
    def has_new_title(self) -> bool:
        return self.before is not None and self.before.title != self.clip.title

    @property
    def has_new_description(self) -> bool:
        return self.before is not None and self.before.description != self.clip.description


@get("/clips/{address:str}/history", guards=[signed_in])
async def show_history(request: Visit, address: FromPath[str]) -> Response[str]:
    """Every version, the newest first; `?from=2&to=5` shows two beside each other."""
    clip = await asyncio.to_thread(find_clip, request, address)
    versions = await asyncio.to_thread(request.rooms.clips.versions, clip.id)
    unknown = sorted(set(request.query_params) - {"from", "to"})
    if unknown:
        raise BadRequest(f"Nothing here is called '{unknown[0][:60]}'.")
    chosen = _chosen(request, versions)
    steps = [chosen] if chosen else _steps(versions)
    return request.page("history.html", clip=clip, versions=versions, steps=steps, chosen=chosen)


@post("/clips/{address:str}/restore", guards=[signed_in])
async def restore_version(request: Visit, address: FromPath[str]) -> Response[None]:
    """Make an older version the newest again: a new version with its words."""
    clip = await asyncio.to_thread(find_clip, request, address)
    old = await asyncio.to_thread(_version, request, clip, (await request.fields()).get("version"))
    await asyncio.to_thread(
        request.rooms.clips.save,
        clip.id,
        title=old.title,
        sql=old.sql,
        description=old.description,
        author=request.user.name,
        now=request.now,
    )
    return go(f"{clip_address(clip)}/history")


@post("/clips/{address:str}/copy", guards=[signed_in])
async def copy_clip(request: Visit, address: FromPath[str]) -> Response[None]:
    """A clip of one's own that begins as this one; it says where it comes from."""
    clip = await asyncio.to_thread(find_clip, request, address)
    copied = await asyncio.to_thread(
        request.rooms.clips.create,
        _copied_title(clip.title),
        clip.sql,
        description=clip.description,
        author=request.user.name,
        origin=clip,
        now=request.now,
    )
    return go(f"{clip_address(copied)}/edit")


@post("/clips/{address:str}/pin", guards=[signed_in])
async def pin_clip(request: Visit, address: FromPath[str]) -> Response[None]:
    """Show the clip on the home page, or no longer."""
    clip = await asyncio.to_thread(find_clip, request, address)
    await asyncio.to_thread(request.rooms.clips.pin, clip.id, pinned=not clip.pinned)
    return go(clip_address(clip))


def _steps(versions: list[Clip]) -> list[Step]:
    older = [*versions[1:], None]
    return [Step(clip, before) for clip, before in zip(versions, older, strict=True)]


def _chosen(visit: Visit, versions: list[Clip]) -> Step | None:
    """The two versions that the address names."""
    query = visit.query_params
    if not query:
        return None
    known = {version.version: version for version in versions}
    found = []
    for name in ("from", "to"):
        number = read_number(name, query.get(name, ""))
        if number not in known:
            raise NotFound(f"This clip has no version {number}.")
        found.append(known[number])
    return Step(found[1], found[0])


def _version(visit: Visit, clip: Clip, text: str | None) -> Clip:
    number = read_number("version", text or "")
    for version in visit.rooms.clips.versions(clip.id):
        if version.version == number:
            return version
    raise NotFound(f"This clip has no version {number}.")


def _copied_title(title: str) -> str:
    return f"Copy of {title}"[:200].strip()
