"""Drawn charts, kept for the next who asks: drawing one takes a tenth of a second."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable

from turnout.clips import chart
from turnout.clips.chart import Theme
from turnout.clips.picture import as_png, picture
from turnout.clips.result import Result
from turnout.web.view import View

KEPT_MAX = 256
SIZES = {"wide": (960, 340), "narrow": (360, 260), "card": (400, 150)}


class Drawings:
    """The newest drawings by ETag. Each is drawn once, however many ask at the same time."""

    def __init__(self) -> None:
        self._drawn: OrderedDict[str, asyncio.Task[bytes | None]] = OrderedDict()

    async def draw(self, etag: str, result: Result, title: str, view: View) -> bytes | None:
        """The chart of `result` as SVG, as `view` asks; None when its shape allows no chart."""
        return await self._once(etag, lambda: _draw(result, title, view))

    async def picture(
        self, etag: str, result: Result, title: str, view: View, format_: str
    ) -> bytes | None:
        """`result` as a picture that stands by itself: `svg` or `png`."""
        return await self._once(etag, lambda: _picture(result, title, view, format_))

    async def _once(self, etag: str, draw: Callable[[], bytes | None]) -> bytes | None:
        drawing = self._drawn.get(etag)
        if drawing is None or _failed(drawing):
            drawing = asyncio.create_task(asyncio.to_thread(draw))
            self._drawn[etag] = drawing
        self._drawn.move_to_end(etag)
        while len(self._drawn) > KEPT_MAX:
            self._drawn.popitem(last=False)
        # Whoever goes away must not stop it for the others.
        return await asyncio.shield(drawing)


def _failed(drawing: asyncio.Task[bytes | None]) -> bool:
    return drawing.done() and (drawing.cancelled() or drawing.exception() is not None)


def _draw(result: Result, title: str, view: View) -> bytes | None:
    spec = chart.spec(result, title=title)
    if spec is None:
        return None
    width, height = SIZES[view.size]
    return chart.draw(spec, theme=_theme(view), width=width, height=height)


def _picture(result: Result, title: str, view: View, format_: str) -> bytes:
    svg = picture(result, title=title, theme=_theme(view))
    return as_png(svg) if format_ == "png" else svg


def _theme(view: View) -> Theme:
    return "dark" if view.theme == "dark" else "light"
