"""A clip's page, its CSV, its JSON and its chart, for people who are signed in."""

from __future__ import annotations

import asyncio
from typing import Any

from litestar import HttpMethod, Response, get, route
from litestar.params import FromPath

from turnout.clips.clip import Clip
from turnout.errors import NotFound, TurnoutError
from turnout.web import view as views
from turnout.web.address import clip_address, read_clip_address
from turnout.web.faces import chart_response, data_response, face
from turnout.web.notices import forget_broken
from turnout.web.responses import status_of
from turnout.web.view import read_view
from turnout.web.visit import Visit, go, signed_in
from turnout.web.waiting import NEWER_WAIT_S, answer_key

READ = [HttpMethod.GET, HttpMethod.HEAD]
KEEP = "private, no-cache"  # a browser may keep it, and asks each time whether it still holds


def find_clip(visit: Visit, address: str) -> Clip:
    """The clip of an address such as 'k3j2h4g5-who-pays'; `NotFound` when there is none."""
    ids, format_ = read_clip_address(address)
    found = [clip for clip_id in ids if (clip := _find(visit, clip_id))]
    if not found:
        raise NotFound("There is no clip at this address.")
    exact = [clip for clip in found if clip_address(clip, format_) == f"/clips/{address}"]
    return (exact or found)[0]


@get("/clips", guards=[signed_in])
async def list_clips(request: Visit) -> Response[str]:
    """Every clip, the pinned ones first."""
    return request.page("clips.html", clips=await asyncio.to_thread(request.rooms.clips.list))


@route("/clips/{address:str}", http_method=READ, guards=[signed_in])
async def show_clip(request: Visit, address: FromPath[str]) -> Response[Any]:
    """A clip's current answer: a page, or the data its suffix asks for."""
    _, format_ = read_clip_address(address)
    clip = await asyncio.to_thread(find_clip, request, address)
    if format_:
        return await _data(request, clip, format_)
    if request.url.path != clip_address(clip):
        return go(clip_address(clip))
    return await _page(request, clip)


@route("/clips/{address:str}/chart.svg", http_method=READ, guards=[signed_in])
async def show_chart(request: Visit, address: FromPath[str]) -> Response[Any]:
    """A clip's current answer as a drawing."""
    view = read_view(request.query_params, views.CHART)
    clip = await asyncio.to_thread(find_clip, request, address)
    result = await request.rooms.answers.answer(clip.sql, key=answer_key(clip), wait_s=NEWER_WAIT_S)
    return await chart_response(request, clip, result, view, keep=KEEP)


async def _page(visit: Visit, clip: Clip) -> Response[str]:
    offset = read_view(visit.query_params, views.PAGE).offset
    answer = await visit.waiting.ask(clip)
    values: dict[str, Any] = {"clip": clip, "face": None, "problem": None}
    if answer is None:
        return visit.page("clip.html", is_preparing=True, **values)
    if isinstance(answer, TurnoutError):
        values["problem"] = answer
        return visit.page("clip.html", status=status_of(answer), is_preparing=False, **values)
    if not answer.is_stale:
        await asyncio.to_thread(forget_broken, visit.rooms.state, clip)
    values["face"] = await face(answer, clip.title, offset=offset)
    return visit.page("clip.html", is_preparing=False, **values)


async def _data(visit: Visit, clip: Clip, format_: str) -> Response[Any]:
    view = read_view(visit.query_params, views.DATA.get(format_, views.PART))
    result = await visit.rooms.answers.answer(clip.sql, key=answer_key(clip), wait_s=NEWER_WAIT_S)
    return await data_response(visit, clip, result, format_, view, keep=KEEP)


def _find(visit: Visit, clip_id: str) -> Clip | None:
    try:
        return visit.rooms.clips.find(clip_id)
    except NotFound:
        return None
