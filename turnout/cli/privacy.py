"""`turnout source forget` and `report`: people erased, and what leaves the source, to be shown."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table

from turnout.cli.asking import ask
from turnout.cli.privacy_report import show_report
from turnout.cli.terminal import Home, complaints, console
from turnout.config import load_config

STANDARD_INPUT = "-"


class Format(StrEnum):
    """How a report is written."""

    TEXT = "text"
    JSON = "json"
    CSV = "csv"


def forget(
    people: Annotated[
        list[str], typer.Argument(help="Ids of people; '-' reads them from standard input.")
    ],
    source: Annotated[
        str | None,
        typer.Option(help="Only in this source's tables. None: in all of them, and in events."),
    ] = None,
    *,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only count.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    home: Home = Path(),
) -> None:
    """Erase people: copied tables, history, events, journal, answers; and keep them out."""
    config = load_config(home)
    wanted = {"people": _named(people), "source": source}
    plan = _finish(ask(config, "source forget", {**wanted, "is_plan": True}))
    _say_counts(plan)
    _say_where_not(plan)
    if dry_run:
        return
    if not yes:
        typer.confirm("Erase them for good?", abort=True)
    done = _finish(ask(config, "source forget", wanted))
    _say_counts(done["receipt"])
    _say(f"Receipt: {done['path']}")
    raise typer.Exit(1 if done["receipt"]["left"] else 0)


def report(
    format: Annotated[  # noqa: A002 - the word people type
        Format, typer.Option(help="text to read, json with everything, csv with a line per column.")
    ] = Format.TEXT,
    source: Annotated[str | None, typer.Option(help="Only this source. None: all.")] = None,
    home: Home = Path(),
) -> None:
    """Say which columns leave, how treated and why, and which stay; for an auditor, too."""
    outcome = ask(load_config(home), "source report", {"source": source})
    if outcome.failed:
        _finish(outcome)
    if format is Format.CSV:
        typer.echo(outcome.result["csv"], nl=False)
    elif format is Format.JSON:
        typer.echo(json.dumps(outcome.result["report"], indent=2, ensure_ascii=False))
    else:
        show_report(outcome.result["report"])


def _named(people: list[str]) -> list[str]:
    """An id from standard input stands in no list of processes and in no shell's history."""
    if people == [STANDARD_INPUT]:
        return [line.strip() for line in sys.stdin if line.strip()]
    return people


def _finish(outcome: Any) -> Mapping[str, Any]:
    place = complaints if outcome.failed else console
    place.print(outcome.sentence, markup=False, highlight=False, soft_wrap=True)
    if outcome.failed:
        raise typer.Exit(1)
    result: Mapping[str, Any] = outcome.result
    return result


def _say_counts(found: Mapping[str, Any]) -> None:
    table = Table(box=None, pad_edge=False, show_header=False)
    table.add_column(justify="right")
    table.add_column()
    table.add_row(f"{found['journal']['lines']:,}", "lines of the journal")
    for name, rows in found["warehouse"].items():
        table.add_row(f"{rows:,}", f"rows of {name}")
    console.print(table)


def _say_where_not(plan: Mapping[str, Any]) -> None:
    """What the selection does not say, and an erasure therefore does not reach."""
    for column, rows in plan["left"].items():
        complaints.print(
            f"{column} names them in {rows:,} rows that would stay: say so by the table's "
            "setting 'person'.",
            style="yellow", markup=False, highlight=False, soft_wrap=True,
        )  # fmt: skip
    if plan["without_person"]:
        tables = ", ".join(plan["without_person"])
        _say(f"Tables whose rows name nobody by the selection: {tables}.")


def _say(sentence: str) -> None:
    console.print(sentence, markup=False, highlight=False, soft_wrap=True)
