"""One measured number and how it compares."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

RESULTS = Path(__file__).parent / "results"


@dataclass(frozen=True, slots=True)
class Figure:
    """`ratio` is the value divided by the baseline's, both measured in the same run.

    `aim` says what it should be, for people: "≥ 0.85 x".
    """

    name: str
    value: float
    unit: str
    ratio: float | None = None
    baseline: str = ""
    aim: str = ""

    def __str__(self) -> str:
        value = f"{self.value:,.0f}" if self.value >= 100 else f"{self.value:.3g}"  # noqa: PLR2004 -- three digits say enough
        ratio = "-" if self.ratio is None else f"{self.ratio:.2f}"
        against = f"x {self.baseline}" if self.baseline else ""
        line = f"{self.name:<38} {value:>10} {self.unit:<10} {ratio:>6} {against:<23}"
        return f"{line} aim {self.aim}" if self.aim else line.rstrip()


def keep(name: str, figures: Sequence[Figure]) -> None:
    """Write the figures of one module to `bench/results/<name>.json`."""
    RESULTS.mkdir(exist_ok=True)
    text = json.dumps([asdict(figure) for figure in figures], indent=2)
    (RESULTS / f"{name}.json").write_text(text + "\n", encoding="utf-8")
