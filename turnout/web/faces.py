"""One answer, many faces: what a page shows of it, its CSV, its JSON, its drawing.

A face whose ETag the reader already has is a 304 before anything of the answer is opened.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain
from typing import Any

from litestar import Response
from litestar.response import Stream
from litestar.status_codes import HTTP_200_OK, HTTP_304_NOT_MODIFIED

from turnout.clips import chart
from turnout.clips.clip import Clip
from turnout.clips.formats import FORMATS, Wanted
from turnout.clips.result import Result
from turnout.errors import NotFound
from turnout.web.address import PICTURES, attachment
from turnout.web.cells import number_columns
from turnout.web.drawings import Drawings
from turnout.web.part import part_of
from turnout.web.view import View
from turnout.web.visit import Visit

PAGE_ROWS = 1_000
CARD_ROWS = 5
# An answer up to this size is sent in one piece, with its length.
NAME_THE_MOMENT = frozenset({"json", "xlsx", "md", "svg", "png"})
WHOLE_BYTES_MAX = 256 * 1024


@dataclass(frozen=True, slots=True)
class Face:
    """What a page shows of an answer: rows `offset` to `until`, and how they may be seen first."""

    result: Result
    headline: chart.Headline | None
    has_chart: bool
    rows: list[list[Any]]
    numbers: list[bool]
    offset: int
    limit: int

    @property
    def until(self) -> int:
        return self.offset + len(self.rows)


async def face(result: Result, title: str, *, limit: int = PAGE_ROWS, offset: int = 0) -> Face:
    """What a page shows of `result`; the stored rows are read in a thread."""
    return await asyncio.to_thread(_face, result, title, limit, offset)


async def data_response(  # noqa: PLR0913  the visit, the answer and how it is wanted
    visit: Visit, clip: Clip, result: Result, format_: str, view: View, *, keep: str
) -> Response[Any]:
    """`result` in one of the formats, or as a picture."""
    headers = _headers(clip, result, format_, view, keep)
    if _has(visit, headers["ETag"]):
        return _not_modified(headers)
    if format_ in PICTURES:
        drawings: Drawings = visit.app.state.drawings
        drawn = await drawings.picture(headers["ETag"], result, clip.title, view, format_)
        return Response(
            drawn, status_code=HTTP_200_OK, media_type=PICTURES[format_], headers=headers
        )
    if not FORMATS[format_].is_shown:
        headers["Content-Disposition"] = attachment(clip.title, format_)
    chunks = _chunks(clip, result, format_, view)
    first, is_whole = await asyncio.to_thread(_first, chunks)
    # The framework adds the charset to whatever is text.
    media_type = FORMATS[format_].media_type
    if is_whole:
        return Response(first, status_code=HTTP_200_OK, media_type=media_type, headers=headers)
    return Stream(
        chain([first], chunks), status_code=HTTP_200_OK, media_type=media_type, headers=headers
    )


async def chart_response(
    visit: Visit, clip: Clip, result: Result, view: View, *, keep: str
) -> Response[Any]:
    """`result` drawn as SVG; `NotFound` when its shape allows no chart."""
    headers = _headers(clip, result, "chart", view, keep)
    if _has(visit, headers["ETag"]):
        return _not_modified(headers)
    drawings: Drawings = visit.app.state.drawings
    svg = await drawings.draw(headers["ETag"], result, clip.title, view)
    if svg is None:
        raise NotFound("This answer has no chart.")
    return Response(svg, status_code=HTTP_200_OK, media_type="image/svg+xml", headers=headers)


def _face(result: Result, title: str, limit: int, offset: int) -> Face:
    rows = result.rows(limit, offset)
    headline = chart.headline(result)
    has_chart = headline is None and chart.spec(result, title=title) is not None
    numbers = number_columns(rows, len(result.fields))
    return Face(result, headline, has_chart, rows, numbers, offset, limit)


def _headers(clip: Clip, result: Result, format_: str, view: View, keep: str) -> dict[str, str]:
    parts = (result.etag, format_, view, clip.version, clip.title, result.is_stale)
    digest = hashlib.sha256("\0".join(map(str, parts)).encode()).hexdigest()[:32]
    # Some formats name the moment their data is as of, which moves on while the rows stay the
    # same: the validator vouches for the rows, so it is a weak one.
    weak = "W/" if format_ in NAME_THE_MOMENT else ""
    headers = {
        "ETag": f'{weak}"{digest}"',
        "Cache-Control": keep,
        "X-Clip-As-Of": result.as_of.isoformat(),
        "X-Clip-Truncated": "true" if result.truncated else "false",
    }
    if result.is_stale:
        headers["X-Clip-Stale"] = "true"
    return headers


def _has(visit: Visit, etag: str) -> bool:
    """Whether the reader already has exactly this."""
    known = visit.headers.get("if-none-match", "")
    tags = {tag.strip().removeprefix("W/") for tag in known.split(",")}
    return etag.removeprefix("W/") in tags or "*" in tags


def _not_modified(headers: dict[str, str]) -> Response[None]:
    return Response(None, status_code=HTTP_304_NOT_MODIFIED, headers=headers)


def _first(chunks: Iterator[bytes]) -> tuple[bytes, bool]:
    """The beginning of `chunks`, and whether it is all of them."""
    gathered, size = [], 0
    for chunk in chunks:
        gathered.append(chunk)
        size += len(chunk)
        if size > WHOLE_BYTES_MAX:
            return b"".join(gathered), False
    return b"".join(gathered), True


def _chunks(clip: Clip, result: Result, format_: str, view: View) -> Iterator[bytes]:
    part = part_of(result, view.offset, view.limit)
    wanted = Wanted(
        clip.title, clip.version, shape=view.shape, raw=view.raw, bom=view.bom, header=view.header
    )
    return FORMATS[format_].write(part, wanted)
