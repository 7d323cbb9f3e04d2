"""The home page: the company's first numbers, and how fresh the data is."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace

from litestar import Response, get

from turnout.clips.clip import Clip
from turnout.errors import TurnoutError
from turnout.web.asked import answer_key, read_asked
from turnout.web.faces import CARD_ROWS, Face, face
from turnout.web.notices import forget_broken, notices
from turnout.web.status import read_status
from turnout.web.visit import Visit, signed_in

CARDS_MAX = 24


@dataclass(frozen=True, slots=True)
class Card:
    """One pinned clip: its face, or why it has none, or neither while it is being prepared.

    `needs` names what a reader has to choose first.
    """

    clip: Clip
    face: Face | None = None
    problem: str | None = None
    needs: str = ""


@get("/", guards=[signed_in])
async def show_home(request: Visit) -> Response[str]:
    """The pinned clips as cards, all asked at once and none waited for long."""
    clips = await asyncio.to_thread(request.rooms.clips.list)
    pinned = [clip for clip in clips if clip.pinned][:CARDS_MAX]
    freshness, cards = await asyncio.gather(
        read_status(request.rooms), asyncio.gather(*(_card(request, clip) for clip in pinned))
    )
    told = await asyncio.to_thread(notices, request.rooms.state)
    if any(notice.total for notice in told):
        # Data is still arriving: what cannot be answered yet is being prepared, not broken.
        cards = [replace(card, problem=None) for card in cards]
    return request.page(
        "home.html",
        cards=cards,
        clips_count=len(clips),
        freshness=freshness,
        notices=told,
        is_preparing=any(not (card.face or card.problem or card.needs) for card in cards),
    )


async def _card(visit: Visit, clip: Clip) -> Card:
    try:
        asked = await read_asked(visit, clip.sql, {}, {})
    except TurnoutError as error:
        return Card(clip, problem=error.message)
    if asked.question is None:
        return Card(clip, needs=", ".join(each.label for each in asked.picked.missing))
    answer = await visit.waiting.ask(answer_key(clip), asked.question)
    if answer is None:
        return Card(clip)
    if isinstance(answer, TurnoutError):
        return Card(clip, problem=answer.message)
    if not answer.is_stale:
        await asyncio.to_thread(forget_broken, visit.rooms.state, clip)
    return Card(clip, face=await face(answer, clip.title, limit=CARD_ROWS))
