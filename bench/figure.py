"""One measured number and how it compares."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

RESULTS = Path(__file__).parent / "results"


@dataclass(frozen=True, slots=True)
class Figure:
    """`ratio` is the value divided by the baseline's, both measured in the same run."""

    name: str
    value: float
    unit: str
    ratio: float | None = None
    baseline: str = ""

    def __str__(self) -> str:
        value = f"{self.value:,.0f}" if self.value >= 100 else f"{self.value:.3g}"  # noqa: PLR2004 -- three digits say enough
        ratio = "-" if self.ratio is None else f"{self.ratio:.2f}"
        against = f"x {self.baseline}" if self.baseline else ""
        return f"{self.name:<34} {value:>12} {self.unit:<12} {ratio:>6} {against}".rstrip()


def keep(name: str, figures: Sequence[Figure]) -> None:
    """Write the figures of one module to `bench/results/<name>.json`."""
    RESULTS.mkdir(exist_ok=True)
    text = json.dumps([asdict(figure) for figure in figures], indent=2)
    (RESULTS / f"{name}.json").write_text(text + "\n", encoding="utf-8")
