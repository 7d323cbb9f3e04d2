"""Which chart an answer wants, from its column types alone; nobody configures it.

`spec` says what is shown, `draw` how it looks: one theme, two colour schemes, any size. Values
travel under our own short names, so no name from the data is ever read as an expression.
"""

from __future__ import annotations

import copy
import functools
import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any, Literal, TypeAlias

import pyarrow as pa
import vl_convert

from turnout.clips.amount import MISSING, is_percent, shown, words
from turnout.clips.result import Result
from turnout.clips.theme import BAR_STEP, COMPACT_BAR_STEP, COMPACT_BELOW, config_of

Spec: TypeAlias = dict[str, Any]
Theme = Literal["light", "dark"]

SCHEMA = "https://vega.github.io/schema/vega-lite/v6.json"
VEGALITE = "6.4"

POINTS_MAX = 2_000
BARS_MAX = 20
SERIES_MAX = 8
LABEL_LENGTH_MAX = 32
DRAWINGS_KEPT = 256

NUMBERS = frozenset({"integer", "decimal", "float"})
MOMENTS = frozenset({"time", "date"})
LABELS = frozenset({"text", "uuid", "boolean"})

DAY_S = 86_400
# Room for one date below a chart.
TICK_PX = 105


@dataclass(frozen=True, slots=True)
class Headline:
    """One large number (or word), and what it is."""

    text: str
    label: str


@dataclass(frozen=True, slots=True)
class _Shape:
    """The columns of an answer by what they could be in a chart, as positions."""

    moments: list[int]
    numbers: list[int]
    labels: list[int]
    others: list[int]


def headline(result: Result) -> Headline | None:
    """The number that an answer of one row comes down to; None for other shapes."""
    if result.row_count != 1 or result.truncated:
        return None
    (row,) = result.rows(1)
    shape = _shape(result)
    if len(row) == 1:
        place = 0
    elif shape.numbers:
        place = shape.numbers[0]
    else:
        return None
    field = result.fields[place]
    text = shown(row[place], field)
    return Headline(text, words(field)) if len(text) <= LABEL_LENGTH_MAX else None


def spec(result: Result, *, title: str) -> Spec | None:
    """The Vega-Lite spec of the chart this answer wants; None when its shape allows none."""
    if result.row_count < 2:  # noqa: PLR2004 - one row is a headline, none is nothing
        return None
    shape = _shape(result)
    chart = None
    if shape.moments and shape.numbers:
        chart = _over_time(result, shape)
    elif shape.labels and shape.numbers:
        chart = _bars(result, shape)
    elif len(shape.numbers) == len(result.fields) == 2:  # noqa: PLR2004 - a cloud has two axes
        chart = _scatter(result, shape)
    return chart and {"$schema": SCHEMA, "description": title, **chart}


def draw(spec: Spec, *, theme: Theme, width: int, height: int) -> bytes:
    """The chart as SVG, exactly `width` by `height` pixels, on a transparent ground."""
    return _draw(json.dumps(spec, sort_keys=True), theme, width, height)


@functools.lru_cache(maxsize=DRAWINGS_KEPT)
def _draw(text: str, theme: Theme, width: int, height: int) -> bytes:
    full = sized(json.loads(text), theme=theme, width=width, height=height)
    # No base URL is allowed: a spec can load nothing, whatever is in it.
    svg = vl_convert.vegalite_to_svg(full, vl_version=VEGALITE, allowed_base_urls=[])
    return str(svg).encode()


def sized(spec: Spec, *, theme: Theme, width: int, height: int) -> Spec:
    """The spec with the theme and the measures it is drawn in."""
    full = copy.deepcopy(spec)
    is_compact = height < COMPACT_BELOW
    kind = full["usermeta"]["kind"]
    if kind == "bars":
        step = COMPACT_BAR_STEP if is_compact else BAR_STEP
        values = full["data"]["values"]
        full["data"]["values"] = values[: max(1, height // step)]
    if is_compact and kind != "bars":
        _quiet_axes(full)
    full |= {
        "width": width,
        "height": height,
        "background": None,
        "autosize": {"type": "fit", "contains": "padding"},
        "config": config_of(theme, is_compact=is_compact),
    }
    if kind == "time" and "values" not in full["encoding"]["x"]["axis"]:
        full["encoding"]["x"]["axis"]["tickCount"] = max(2, width // TICK_PX)
    return full


def _quiet_axes(full: Spec) -> None:
    """On a small card: no scale beside it, and below it only where it begins and ends."""
    encoding = full["encoding"]
    encoding["y"]["axis"] = None
    encoding["x"]["axis"] |= {"title": None}
    ends = full["usermeta"].get("ends")
    if ends:
        encoding["x"]["axis"] |= {"values": ends, "labelFlush": True, "ticks": False}


def _shape(result: Result) -> _Shape:
    groups: dict[str, list[int]] = {"moments": [], "numbers": [], "labels": [], "others": []}
    for place, type_ in enumerate(result.types):
        if type_ in MOMENTS:
            groups["moments"].append(place)
        elif type_ in NUMBERS:
            groups["numbers"].append(place)
        else:
            groups["labels" if type_ in LABELS else "others"].append(place)
    return _Shape(**groups)


def _over_time(result: Result, shape: _Shape) -> Spec | None:
    """A line, an area, or stacked areas where a text column names few series."""
    # A date beyond the years Python knows arrives as text.
    rows = [row for row in _rows(result) if isinstance(row[shape.moments[0]], date)]
    moments = sorted({_epoch_ms(row[shape.moments[0]]) for row in rows})
    if len(moments) < 2:  # noqa: PLR2004 - a line has two ends
        return None
    series = _series(result, shape, rows)
    if series is None:
        return None
    names = list(dict.fromkeys(point["s"] for point in series))
    is_stacked = len(shape.numbers) == 1 and len(names) > 1 and _can_stack(result, shape, series)
    if len(names) == 1 and len(series) > len(moments):
        return None  # several values at one moment, and nothing says which is which
    field = result.fields[shape.numbers[0]]
    chart = _time_frame(moments, series, field if len(shape.numbers) == 1 else "")
    if len(names) > 1:
        chart["encoding"]["y"]["axis"]["title"] = None  # the legend stands in its place
        chart["encoding"]["color"] = {
            "field": "s", "type": "nominal", "sort": names, "title": None,
            "scale": {"domain": names},
            "legend": {"symbolType": "circle" if is_stacked else "stroke"},
        }  # fmt: skip
    if is_stacked:
        return chart | {"mark": {"type": "area", "line": {"strokeWidth": 1}, "fillOpacity": 0.75}}
    if len(names) > 1:
        chart["encoding"]["y"]["scale"] = {"zero": _from_zero(series)}
        return chart | {"mark": {"type": "line"}}
    return _single(chart, series, field)


def _single(chart: Spec, series: list[Spec], field: str) -> Spec:
    """One line over a soft area, its newest value marked and written beside it."""
    with_values = [point for point in series if point["y"] is not None]
    last = max(with_values, key=lambda point: point["x"], default=None)
    is_from_zero = _from_zero(series)
    chart["encoding"]["y"]["scale"] = {"zero": is_from_zero}
    below = [{"mark": {"type": "area", "style": "under"}}] if is_from_zero else []
    end = []
    if last:
        amount = shown(last["y"], field)
        data = {"values": [last | {"t": amount}]}
        text = {"mark": {"type": "text", "style": "amount"}, "encoding": {"text": {"field": "t"}}}
        end = [{"mark": {"type": "point", "style": "end"}, "data": data}, text | {"data": data}]
    return chart | {"layer": [*below, {"mark": {"type": "line"}}, *end]}


def _time_frame(moments: list[int], series: list[Spec], field: str) -> Spec:
    """Data and axes of any chart over time."""
    x_axis = {"title": None, "format": _time_format(moments), "grid": False, "labelFlush": False}
    return {
        "data": {"values": series},
        "usermeta": {"kind": "time", "ends": [moments[0], moments[-1]]},
        "encoding": {
            "x": {
                "field": "x",
                "type": "temporal",
                "scale": {"type": "utc"},
                "axis": x_axis,
            },
            "y": {
                "field": "y",
                "type": "quantitative",
                "axis": _number_axis([point["y"] for point in series], field),
            },
        },
    }


def _series(result: Result, shape: _Shape, rows: list[list[Any]]) -> list[Spec] | None:
    """Points with their series' names; None when there are too many series to tell apart."""
    when = shape.moments[0]
    if len(shape.numbers) == 1 and len(shape.labels) == 1:
        which, value = shape.labels[0], shape.numbers[0]
        if len({row[which] for row in rows}) > SERIES_MAX:
            return None
        return [
            {"x": _epoch_ms(row[when]), "y": _number(row[value]), "s": _label(row[which])}
            for row in rows
        ]
    if len(shape.numbers) > SERIES_MAX or shape.labels:
        return None
    return [
        {"x": _epoch_ms(row[when]), "y": _number(row[value]), "s": words(result.fields[value])}
        for value in shape.numbers
        for row in rows
    ]


def _bars(result: Result, shape: _Shape) -> Spec | None:
    """Horizontal bars in the order given, each with its number written at its end."""
    which, value = shape.labels[0], shape.numbers[0]
    rows = result.rows(BARS_MAX)
    labels = [_label(row[which]) for row in rows]
    numbers = [_number(row[value]) for row in rows]
    if len(set(labels)) < len(labels) or all(number is None for number in numbers):
        return None
    field = result.fields[value]
    values = [
        {"x": number, "y": label, "t": shown(row[value], field), "n": place}
        for place, (row, label, number) in enumerate(zip(rows, labels, numbers, strict=True))
    ]
    return {
        "data": {"values": values},
        "usermeta": {"kind": "bars"},
        "encoding": {
            "y": {
                "field": "y",
                "type": "nominal",
                "sort": {"field": "n"},
                "axis": {"title": None, "grid": False, "ticks": False, "domain": False},
            },
            "x": {"field": "x", "type": "quantitative", "axis": None, "scale": {"nice": False}},
        },
        "layer": [
            {"mark": {"type": "bar"}},
            {"mark": {"type": "text", "style": "amount"}, "encoding": {"text": {"field": "t"}}},
        ],
    }


def _scatter(result: Result, shape: _Shape) -> Spec | None:
    """A cloud of points."""
    across, up = shape.numbers
    values = [
        {"x": _number(row[across]), "y": _number(row[up])}
        for row in _rows(result)
        if row[across] is not None and row[up] is not None
    ]
    return {
        "data": {"values": values},
        "usermeta": {"kind": "scatter"},
        "mark": {"type": "point"},
        "encoding": {
            "x": _cloud_side("x", values, result.fields[across]),
            "y": _cloud_side("y", values, result.fields[up]),
        },
    }


def _cloud_side(name: str, values: list[Spec], field: str) -> Spec:
    axis = _number_axis([point[name] for point in values], field)
    if name == "x":
        axis = {"title": axis["title"], "format": axis["format"], "grid": False, "tickCount": 8}
    return {"field": name, "type": "quantitative", "scale": {"zero": False}, "axis": axis}


def _number_axis(numbers: Sequence[float | None], field: str) -> Spec:
    """A quiet scale; its name stands above it, reading as the lines do."""
    largest = max((abs(number) for number in numbers if number is not None), default=0)
    title = words(field)
    unit = "%" if field and is_percent(field) else ""
    return {
        "title": f"{unit} {title}".strip() or None,
        "format": "~s" if largest >= 10_000 else ",~f",  # noqa: PLR2004 - five digits crowd an axis
        "labelExpr": "datum.value === 0 ? '0' : datum.label",
        "tickCount": 4,
        "titleAngle": 0,
        "titleAlign": "left",
        "titleAnchor": "end",
        "titleX": 0,
        "titleY": -8,
        "titleBaseline": "bottom",
    }


def _rows(result: Result) -> list[list[Any]]:
    """All rows, or evenly spaced ones of too many."""
    step = math.ceil(result.row_count / POINTS_MAX)
    if step == 1:
        return result.rows(POINTS_MAX)
    rows: list[list[Any]] = []
    first = 0
    for batch in result.batches():
        wanted = pa.array(range(first, batch.num_rows, step), pa.int64())
        rows += result.values(batch.take(wanted))
        first = (first - batch.num_rows) % step
    return rows


def _can_stack(result: Result, shape: _Shape, series: list[Spec]) -> bool:
    """Counts add up to a whole; shares and averages do not."""
    is_count = result.types[shape.numbers[0]] == "integer"
    return is_count and _from_zero(series) and not is_percent(result.fields[shape.numbers[0]])


def _from_zero(series: list[Spec]) -> bool:
    return all(point["y"] is None or point["y"] >= 0 for point in series)


def _time_format(moments: list[int]) -> str:
    span_days = (moments[-1] - moments[0]) / 1000 / DAY_S
    for days, text in ((1100, "%Y"), (120, "%b %Y"), (2, "%-d %b")):
        if span_days > days:
            return text
    return "%H:%M"


def _epoch_ms(moment: date) -> int:
    if not isinstance(moment, datetime):
        moment = datetime(moment.year, moment.month, moment.day, tzinfo=UTC)
    return round(moment.timestamp() * 1000)


def _number(value: Any) -> float | None:
    number = None if value is None else float(value)
    return number if number is not None and math.isfinite(number) else None


def _label(value: Any) -> str:
    """A text short enough to stand beside a bar; never empty, so that it can be seen."""
    text = MISSING if value is None or value == "" else " ".join(str(value).split())
    return text if len(text) <= LABEL_LENGTH_MAX else f"{text[: LABEL_LENGTH_MAX - 1]}…"
