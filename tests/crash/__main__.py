"""`make crash`: everything that can be cut is cut, many times, and the books must add up.

`python -m tests.crash --kills 200 --cuts 100 --fillings 5 --jumps 30 --seed 1`
"""

from __future__ import annotations

import argparse
import logging
import random
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import structlog
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from tests.crash.clock import jump_again_and_again
from tests.crash.full import fill_again_and_again
from tests.crash.kills import Campaign, kill_again_and_again
from tests.crash.power import cut_again_and_again

console = Console()


def main() -> int:
    """0 when nothing was lost, doubled or invented, and all books add up."""
    wanted = _arguments()
    # Damage is what this is about; the loader need not say each time that it passed over some.
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    console.print(f"seed {wanted.seed}")
    with tempfile.TemporaryDirectory(prefix="turnout-crash-") as folder:
        campaigns = list(_run(Path(folder), wanted))
    console.print(_table(campaigns))
    for each in campaigns:
        if each.verdict.unbalanced:
            console.print(f"{each.name}: {each.verdict.unbalanced}", style="red")
    return 0 if all(each.verdict.is_good for each in campaigns) else 1


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make crash", description=__doc__)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--cuts", type=int, default=100)
    parser.add_argument("--fillings", type=int, default=5)
    parser.add_argument("--jumps", type=int, default=30)
    parser.add_argument("--seed", type=int, default=random.randrange(10**6))
    return parser.parse_args()


def _run(folder: Path, wanted: argparse.Namespace) -> list[Campaign]:
    seed = wanted.seed
    scenarios: list[tuple[str, int, Callable[[Callable[[int], None]], Campaign]]] = [
        (
            "kill -9",
            wanted.kills,
            lambda tell: kill_again_and_again(folder / "kills", wanted.kills, seed, tell),
        ),
        (
            "power cut",
            wanted.cuts,
            lambda tell: cut_again_and_again(folder / "power", wanted.cuts, seed, tell),
        ),
        (
            "full disk",
            wanted.fillings,
            lambda tell: fill_again_and_again(folder / "full", wanted.fillings, tell),
        ),
        (
            "clock jumps",
            wanted.jumps,
            lambda tell: jump_again_and_again(folder / "clock", wanted.jumps, seed, tell),
        ),
    ]
    columns = TextColumn("{task.description:<12}"), BarColumn(), MofNCompleteColumn()
    campaigns = []
    with Progress(*columns, TimeElapsedColumn(), console=console) as progress:
        for name, total, run in scenarios:
            if not total:
                continue
            bar = progress.add_task(name, total=total)
            campaigns.append(run(lambda done, bar=bar: progress.update(bar, completed=done)))  # type: ignore[misc]
    return campaigns


def _table(campaigns: list[Campaign]) -> Table:
    table = Table("", *("times", "acknowledged", "lost", "doubled", "seconds", ""))
    for each in campaigns:
        verdict = each.verdict
        table.add_row(
            each.name,
            f"{each.blows:,}",
            f"{verdict.acknowledged:,}",
            str(verdict.lost),
            str(verdict.doubled),
            f"{each.duration_s:.0f}",
            f"{'✓' if verdict.is_good else '✗'} {each.remark}",
        )
    return table


if __name__ == "__main__":
    sys.exit(main())
