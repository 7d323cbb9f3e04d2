"""How charts look: one accent, quiet lines, room to breathe; in light and in dark."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

# Below this height a chart is a card's: no scale, fewer bars.
COMPACT_BELOW = 200
BAR_STEP = 17
COMPACT_BAR_STEP = 24

# The pages' own fonts, then one that servers have, so that texts are measured as they are drawn.
FONT = (
    "ui-sans-serif, system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', "
    "'DejaVu Sans', Arial, sans-serif"
)


@dataclass(frozen=True, slots=True)
class Colours:
    """The colours of one scheme. The first of `series` is the accent."""

    text: str
    faint: str
    line: str
    ground: str
    series: tuple[str, ...]

    @property
    def accent(self) -> str:
        return self.series[0]


LIGHT = Colours(
    text="#44403c",
    faint="#716b66",
    line="#e7e5e4",
    ground="#ffffff",
    series=(
        "#0f766e", "#d97f3c", "#5468c9", "#b8457a", "#84912f", "#8a5cc0", "#2f8fc0", "#8a8178",
    ),
)  # fmt: skip
DARK = Colours(
    text="#c9ccd2",
    faint="#8d929b",
    line="#2c2f34",
    ground="#17181b",
    series=(
        "#2dd4bf", "#f2a365", "#8f9ff5", "#ec82ae", "#bccb62", "#c09bf0", "#68c1ee", "#b3aaa1",
    ),
)  # fmt: skip


def config_of(theme: Literal["light", "dark"], *, is_compact: bool) -> dict[str, Any]:
    """The Vega-Lite configuration of every chart."""
    colours = DARK if theme == "dark" else LIGHT
    size = 11 if is_compact else 12
    return {
        "font": FONT,
        "padding": {"left": 2, "right": 10, "top": 8, "bottom": 2},
        "view": {"stroke": None},
        "range": {"category": list(colours.series)},
        "axis": _axis(colours, size),
        "axisY": {"domain": False, "ticks": False, "labelPadding": 8},
        "axisX": {"domainColor": colours.line, "ticks": False, "labelPadding": 8},
        "legend": _legend(colours, size),
        "line": {"color": colours.accent, "strokeWidth": 2, "strokeCap": "round",
                 "strokeJoin": "round"},
        "area": {"color": colours.accent},
        "bar": {"color": colours.accent, "cornerRadiusEnd": 3},
        "point": {"color": colours.accent, "filled": True, "size": 36, "opacity": 0.55},
        "scale": {"bandPaddingInner": 0.34, "bandPaddingOuter": 0.1, "barBandPaddingInner": 0.34},
        "style": _styles(colours, size),
    }  # fmt: skip


def _axis(colours: Colours, size: int) -> dict[str, Any]:
    return {
        "labelColor": colours.faint,
        "labelFontSize": size,
        "labelOverlap": "parity",
        "labelLimit": 220,
        "titleColor": colours.faint,
        "titleFontSize": size,
        "titleFontWeight": "normal",
        "titlePadding": 10,
        "gridColor": colours.line,
        "gridWidth": 1,
    }


def _legend(colours: Colours, size: int) -> dict[str, Any]:
    return {
        "orient": "top",
        "direction": "horizontal",
        "labelColor": colours.text,
        "labelFontSize": size,
        "labelLimit": 160,
        "symbolType": "circle",
        "symbolSize": 64,
        "symbolStrokeWidth": 2.5,
        "columnPadding": 16,
        "offset": 8,
    }


def _styles(colours: Colours, size: int) -> dict[str, Any]:
    fade = {
        "gradient": "linear", "x1": 0, "y1": 0, "x2": 0, "y2": 1,
        "stops": [
            {"offset": 0, "color": f"{colours.accent}38"},
            {"offset": 1, "color": f"{colours.accent}05"},
        ],
    }  # fmt: skip
    return {
        "under": {"color": fade, "fillOpacity": 1},
        "end": {"color": colours.accent, "stroke": colours.ground, "strokeWidth": 2,
                "size": 70, "opacity": 1},
        "amount": {"align": "left", "baseline": "middle", "dx": 7, "color": colours.text,
                   "fontSize": size},
    }  # fmt: skip
