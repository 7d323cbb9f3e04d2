"""What a share link opens, for anybody who holds it.

No cookie is read or set. Nothing here tells an unknown link from a revoked or expired one, and no
error text of the database ever leaves.
"""

from __future__ import annotations

import asyncio
from typing import Any

from litestar import HttpMethod, Response, route
from litestar.params import FromPath

from turnout.access.links import Link, no_link
from turnout.clips.clip import Clip
from turnout.clips.result import Result
from turnout.errors import NotFound, QueryFailed, QueryRefused, TurnoutError
from turnout.web import view as views
from turnout.web.address import read_link_address
from turnout.web.asked import Asked, answer_key, asked_of, complete
from turnout.web.faces import chart_response, data_response, face
from turnout.web.notices import tell_broken
from turnout.web.view import read_view
from turnout.web.visit import Visit
from turnout.web.waiting import NEWER_WAIT_S

READ = [HttpMethod.GET, HttpMethod.HEAD]
KEEP_S = 30
KEEP = f"private, max-age={KEEP_S}"


@route("/s/{address:str}", http_method=READ)
async def show_link(request: Visit, address: FromPath[str]) -> Response[Any]:
    """The shared clip's current answer: a page, or the data the suffix asks for."""
    link, clip, token, format_ = _open(request, address)
    if format_:
        return await _data(request, link, clip, format_)
    return await _page(request, link, clip, token)


@route("/s/{address:str}/chart.svg", http_method=READ)
async def show_link_chart(request: Visit, address: FromPath[str]) -> Response[Any]:
    """The shared clip's current answer as a drawing."""
    link, clip, _, format_ = _open(request, address)
    if format_:
        raise NotFound
    asked = await _asked(request, link, clip)
    view = read_view(request.query_params, views.CHART, asked.names)
    result = await _answer(request, clip, asked)
    return await chart_response(request, clip, result, view, keep=KEEP)


def _open(visit: Visit, address: str) -> tuple[Link, Clip, str, str]:
    """The link of an address, its clip, its token and the format asked for.

    Runs on the loop on purpose: two look-ups by key take less than a thread's hand-over.
    """
    token, format_ = read_link_address(address)
    link = visit.rooms.links.open(token, now=visit.now)
    try:
        return link, visit.rooms.clips.find(link.clip_id), token, format_
    except NotFound:
        # The clip was put away: the same words as for a link that never was.
        raise no_link() from None


async def _page(visit: Visit, link: Link, clip: Clip, token: str) -> Response[str]:
    values: dict[str, Any] = {"clip": clip, "link": link, "token": token, "face": None}
    asked = await _asked(visit, link, clip)
    offset = read_view(visit.query_params, views.PAGE, asked.names).offset
    values |= {"asked": asked, "is_preparing": False}
    if asked.question is None:
        return visit.reader_page("shared.html", **values)
    answer = await visit.waiting.ask(answer_key(clip), asked.question)
    if answer is None:
        return visit.reader_page("shared.html", **values | {"is_preparing": True})
    if isinstance(answer, TurnoutError):
        raise await _told(visit, clip, answer)
    await _note(visit, clip, answer)
    values["face"] = await face(answer, clip.title, offset=offset)
    return visit.reader_page("shared.html", keep_s=KEEP_S, **values)


async def _data(visit: Visit, link: Link, clip: Clip, format_: str) -> Response[Any]:
    asked = await _asked(visit, link, clip)
    view = read_view(visit.query_params, views.DATA.get(format_, views.PART), asked.names)
    result = await _answer(visit, clip, asked)
    return await data_response(visit, clip, result, format_, view, keep=KEEP)


async def _asked(visit: Visit, link: Link, clip: Clip) -> Asked:
    try:
        return await asked_of(visit, clip, link.pinned)
    except QueryFailed as error:
        raise await _told(visit, clip, error) from None


async def _answer(visit: Visit, clip: Clip, asked: Asked) -> Result:
    try:
        result = await visit.rooms.answers.answer(
            complete(asked), key=answer_key(clip), wait_s=NEWER_WAIT_S
        )
    except TurnoutError as error:
        raise await _told(visit, clip, error) from None
    await _note(visit, clip, result)
    return result


async def _note(visit: Visit, clip: Clip, result: Result) -> None:
    """An old answer that hides a failure is told to the owner too."""
    if result.problem:
        await asyncio.to_thread(tell_broken, visit.rooms.state, clip, now=visit.now)


async def _told(visit: Visit, clip: Clip, error: TurnoutError) -> TurnoutError:
    """What a stranger may know of `error`; the owner finds the rest on the clip's page."""
    if not isinstance(error, (QueryFailed, QueryRefused)):
        return error  # busy, or nothing published yet: says nothing about the query
    await asyncio.to_thread(tell_broken, visit.rooms.state, clip, now=visit.now)
    return QueryFailed("This clip is broken; its owner has been told.")
