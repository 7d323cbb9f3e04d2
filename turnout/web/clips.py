"""A clip's page, its CSV, its JSON and its chart, for people who are signed in."""

from __future__ import annotations

import asyncio
from typing import Any

from litestar import HttpMethod, Response, get, route
from litestar.params import FromPath

from turnout.clips.clip import Clip
from turnout.clips.result import Result
from turnout.errors import BadRequest, NotFound, QueryFailed, TurnoutError
from turnout.web import view as views
from turnout.web.address import clip_address, read_clip_address
from turnout.web.asked import Asked, answer_key, asked_of, complete, read_asked
from turnout.web.faces import chart_response, data_response, face
from turnout.web.notices import forget_broken
from turnout.web.responses import status_of
from turnout.web.view import read_view
from turnout.web.visit import Visit, go, signed_in
from turnout.web.waiting import NEWER_WAIT_S

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
        query = request.url.query
        return go(clip_address(clip) + (query and f"?{query}"))
    return await _page(request, clip)


@route("/clips/{address:str}/chart.svg", http_method=READ, guards=[signed_in])
async def show_chart(request: Visit, address: FromPath[str]) -> Response[Any]:
    """A clip's current answer as a drawing."""
    clip = await asyncio.to_thread(find_clip, request, address)
    asked = await asked_of(request, clip)
    view = read_view(request.query_params, views.CHART, asked.names)
    result = await _answer(request, clip, asked)
    return await chart_response(request, clip, result, view, keep=KEEP)


async def _page(visit: Visit, clip: Clip) -> Response[str]:
    values: dict[str, Any] = {"clip": clip, "face": None, "problem": None, "is_preparing": False}
    try:
        asked = await asked_of(visit, clip)
        offset = read_view(visit.query_params, views.PAGE, asked.names).offset
    except (BadRequest, QueryFailed) as problem:
        values |= {"problem": problem, "asked": await _unasked(visit, clip)}
        return visit.page("clip.html", status=status_of(problem), **values)
    values["asked"] = asked
    if asked.question is None:
        return visit.page("clip.html", **values)
    answer = await visit.waiting.ask(answer_key(clip), asked.question)
    if answer is None:
        return visit.page("clip.html", **values | {"is_preparing": True})
    if isinstance(answer, TurnoutError):
        return visit.page("clip.html", status=status_of(answer), **values | {"problem": answer})
    if not answer.is_stale:
        await asyncio.to_thread(forget_broken, visit.rooms.state, clip)
    values["face"] = await face(answer, clip.title, offset=offset)
    return visit.page("clip.html", **values)


async def _data(visit: Visit, clip: Clip, format_: str) -> Response[Any]:
    asked = await asked_of(visit, clip)
    view = read_view(visit.query_params, views.DATA.get(format_, views.PART), asked.names)
    result = await _answer(visit, clip, asked)
    return await data_response(visit, clip, result, format_, view, keep=KEEP)


async def _answer(visit: Visit, clip: Clip, asked: Asked) -> Result:
    return await visit.rooms.answers.answer(
        complete(asked), key=answer_key(clip), wait_s=NEWER_WAIT_S
    )


async def _unasked(visit: Visit, clip: Clip) -> Asked | None:
    """The form with its defaults, beside what was wrong with the values; None when it is broken."""
    try:
        return await read_asked(visit, clip.sql, {}, {})
    except TurnoutError:
        return None


def _find(visit: Visit, clip_id: str) -> Clip | None:
    try:
        return visit.rooms.clips.find(clip_id)
    except NotFound:
        return None
