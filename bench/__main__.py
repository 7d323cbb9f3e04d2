"""Run every figure, or those named: `python -m bench collector loader`."""

from __future__ import annotations

import importlib
import importlib.util
import sys

from bench import figure

# Modules with a `measure()` that returns figures; one not there yet is passed over.
MODULES = ("collector", "loader", "growth", "steady", "clip", "sync")


def main(names: list[str]) -> None:
    """Print each figure as `name value unit ratio-to-baseline` and keep it as JSON."""
    for name in names or MODULES:
        if importlib.util.find_spec(f"bench.{name}") is None:
            continue
        figures = importlib.import_module(f"bench.{name}").measure()
        for each in figures:
            print(each, flush=True)
        figure.keep(name, figures)


if __name__ == "__main__":
    main(sys.argv[1:])
