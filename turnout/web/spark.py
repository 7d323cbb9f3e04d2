"""Small charts of counts, drawn here as plain SVG: one bar each, the tallest as high as there is.

They stand in the page itself, so they follow its colours; every bar is part of one path.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta

from markupsafe import Markup

BAR_WIDTH, GAP = 3, 1
HEIGHT = 24
# What is there at all is seen, however small beside the tallest.
BAR_HEIGHT_MIN = 1.5

TALL_BAR_WIDTH, TALL_GAP = 20, 4
TALL_HEIGHT = 140

_SPARK = Markup(
    '<svg class="spark" viewBox="0 0 {width} {height}" width="{width}" height="{height}" '
    'role="img" aria-label="{label}" preserveAspectRatio="none">'
    '<path class="ground" d="M0 {base}H{width}"/><path class="bars" d="{path}"/></svg>'
)
_BAR = Markup(
    '<g><title>{title}</title><rect class="reach" x="{x}" y="0" width="{reach}" height="{full}"/>'
    '<rect class="bar" x="{x}" y="{y}" width="{width}" height="{height}"/></g>'
)
_CHART = Markup(
    '<svg class="days" viewBox="0 0 {width} {height}" role="img" aria-label="{label}" '
    'preserveAspectRatio="none"><path class="ground" d="M0 {base}H{width}"/>{bars}</svg>'
)


def spark(counts: Sequence[int], unit: str) -> Markup:
    """Bars for a line of a table; `unit` is what one of them spans, such as 'day'."""
    top = max(counts, default=0)
    steps = []
    for place, count in enumerate(counts):
        height = _height(count, top, HEIGHT - 1)
        if height:
            x = place * (BAR_WIDTH + GAP)
            steps.append(f"M{x} {HEIGHT - 1}v-{height:g}h{BAR_WIDTH}v{height:g}z")
    return _SPARK.format(
        width=max(1, len(counts) * (BAR_WIDTH + GAP) - GAP),
        height=HEIGHT,
        base=HEIGHT - 0.5,
        path=" ".join(steps),
        label=_label(counts, unit),
    )


def day_chart(counts: Sequence[int], last: date) -> Markup:
    """Bars for a page of its own, the last for the day `last`; each says its day and count."""
    top = max(counts, default=0)
    bars = []
    for place, count in enumerate(counts):
        day = last - timedelta(days=len(counts) - 1 - place)
        height = _height(count, top, TALL_HEIGHT - 2)
        bars.append(
            _BAR.format(
                title=f"{day.day} {day:%b}: {count:,}",
                x=place * (TALL_BAR_WIDTH + TALL_GAP),
                y=f"{TALL_HEIGHT - 1 - height:g}",
                width=TALL_BAR_WIDTH,
                reach=TALL_BAR_WIDTH + TALL_GAP,
                height=f"{height:g}",
                full=TALL_HEIGHT,
            )
        )
    return _CHART.format(
        width=max(1, len(counts) * (TALL_BAR_WIDTH + TALL_GAP) - TALL_GAP),
        height=TALL_HEIGHT,
        base=TALL_HEIGHT - 0.5,
        bars=Markup("").join(bars),
        label=_label(counts, "day"),
    )


def _height(count: int, top: int, full: float) -> float:
    return round(max(BAR_HEIGHT_MIN, full * count / top), 1) if count else 0.0


def _label(counts: Sequence[int], unit: str) -> str:
    """What the bars say to whoever does not see them."""
    last = counts[-1] if counts else 0
    return (
        f"Per {unit}, the last {len(counts)}: {sum(counts):,} in all, "
        f"at most {max(counts, default=0):,}, now {last:,}"
    )
