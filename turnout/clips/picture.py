"""An answer as one picture that stands by itself: for chats, documents and link previews.

Its title, then the number, the chart or the first rows, then how old and how many.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from html import escape
from typing import Any

import vl_convert

from turnout.clips import chart
from turnout.clips.amount import MISSING, shown
from turnout.clips.chart import Theme
from turnout.clips.result import Result
from turnout.clips.theme import DARK, FONT, LIGHT, Colours

WIDTH, EDGE = 960, 36
INNER = WIDTH - 2 * EDGE
TITLE_Y, BODY_Y, FOOT_HEIGHT = 58, 88, 52
NUMBER_HEIGHT, CHART_HEIGHT, BAR_HEIGHT, NOTHING_HEIGHT = 190, 340, 52, 60
ROW_HEIGHT, ROWS_MAX = 32, 10
# A letter of the table's font is about so wide.
LETTER_PX = 7.6
CELL_LETTERS_MAX, GAP_PX = 36, 28
TITLE_LETTERS_MAX = 66
PNG_SCALE = 2.0

# What XML may not hold, whatever stands around it.
UNWRITABLE = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def picture(result: Result, *, title: str, theme: Theme) -> bytes:
    """The picture as SVG, 960 pixels wide; it loads nothing."""
    page = _Page(DARK if theme == "dark" else LIGHT)
    body, height = _body(page, result, title, theme)
    whole = BODY_Y + height + FOOT_HEIGHT
    size = f'width="{WIDTH}" height="{whole}" viewBox="0 0 {WIDTH} {whole}"'
    return "".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" {size} font-family="{escape(FONT)}">',
            f'<rect width="{WIDTH}" height="{whole}" fill="{page.colours.ground}"/>',
            page.text(EDGE, TITLE_Y, _cut(title, TITLE_LETTERS_MAX), size=24, weight=600),
            *body,
            page.text(EDGE, whole - 22, _foot(result), size=14, colour=page.colours.faint),
            "</svg>",
        ]
    ).encode()


def as_png(svg: bytes) -> bytes:
    """The same picture in points, twice as many as pixels, for sharp screens."""
    return bytes(vl_convert.svg_to_png(svg.decode(), scale=PNG_SCALE))


@dataclass(frozen=True, slots=True)
class _Page:
    """Writes in one colour scheme."""

    colours: Colours

    def text(  # noqa: PLR0913 - where, what, and how it looks
        self,
        x: float,
        y: float,
        text: str,
        *,
        size: int = 14,
        weight: int = 400,
        colour: str = "",
        at_end: bool = False,
    ) -> str:
        anchor = ' text-anchor="end"' if at_end else ""
        look = f'font-size="{size}" font-weight="{weight}" fill="{colour or self.colours.text}"'
        words = escape(UNWRITABLE.sub("", text))
        return f'<text x="{x:.0f}" y="{y:.0f}" {look}{anchor}>{words}</text>'

    def line(self, y: float) -> str:
        return f'<path d="M{EDGE} {y:.1f}H{WIDTH - EDGE}" stroke="{self.colours.line}"/>'


def _body(page: _Page, result: Result, title: str, theme: Theme) -> tuple[list[str], int]:
    """What stands in the middle, and how high it is."""
    headline = chart.headline(result)
    if headline is not None:
        number = page.text(EDGE, BODY_Y + 96, headline.text, size=84, weight=650)
        label = page.text(EDGE, BODY_Y + 140, headline.label, size=18, colour=page.colours.faint)
        return [number, label], NUMBER_HEIGHT
    spec = chart.spec(result, title=title)
    if spec is not None:
        height = _chart_height(spec)
        drawn = chart.draw(spec, theme=theme, width=INNER, height=height).decode()
        return [drawn.replace("<svg ", f'<svg x="{EDGE}" y="{BODY_Y}" ', 1)], height
    if not result.row_count or not result.fields:
        return [page.text(EDGE, BODY_Y + 32, "No rows.", size=18)], NOTHING_HEIGHT
    return _table(page, result)


def _chart_height(spec: chart.Spec) -> int:
    """Few bars need no more room than they fill."""
    if spec["usermeta"]["kind"] != "bars":
        return CHART_HEIGHT
    return min(CHART_HEIGHT, BAR_HEIGHT * (len(spec["data"]["values"]) + 1))


def _table(page: _Page, result: Result) -> tuple[list[str], int]:
    """The first rows, and as many columns as there is room for."""
    rows = result.rows(ROWS_MAX)
    columns = list(_columns(result, rows))
    marks = [page.line(BODY_Y + ROW_HEIGHT)]
    for left, right, is_number, name, cells in columns:
        place = right if is_number else left
        marks.append(
            page.text(
                place, BODY_Y + 21, name, size=13, colour=page.colours.faint, at_end=is_number
            )
        )
        marks += [
            page.text(place, BODY_Y + ROW_HEIGHT * (number + 2) - 11, cell, at_end=is_number)
            for number, cell in enumerate(cells)
        ]
    return marks, ROW_HEIGHT * (len(rows) + 1) + 12


def _columns(
    result: Result, rows: list[list[Any]]
) -> Iterator[tuple[float, float, bool, str, list[str]]]:
    """Left and right edge, whether it holds numbers, name and cells, while they fit."""
    left = float(EDGE)
    for place, (field, type_) in enumerate(zip(result.fields, result.types, strict=True)):
        name = _cut(field, CELL_LETTERS_MAX)
        cells = [_cell(row[place], field) for row in rows]
        right = left + LETTER_PX * max(len(text) for text in (name, *cells, "   "))
        if right > WIDTH - EDGE and place:
            return
        yield left, right, type_ in chart.NUMBERS, name, cells
        left = right + GAP_PX


def _cell(value: Any, field: str) -> str:
    return MISSING if value is None else _cut(shown(value, field), CELL_LETTERS_MAX)


def _cut(text: str, letters_max: int) -> str:
    text = " ".join(text.split())
    return text if len(text) <= letters_max else f"{text[: letters_max - 1]}…"


def _foot(result: Result) -> str:
    rows = f"{result.row_count:,} {'row' if result.row_count == 1 else 'rows'}"
    count = f"more than {rows}" if result.truncated else rows
    return f"as of {result.as_of:%-d %B %Y, %H:%M} UTC · {count}"
