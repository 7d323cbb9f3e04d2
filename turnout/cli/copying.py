"""`turnout sync`: copying the selected tables of a source now."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from turnout.cli.asking import ask
from turnout.cli.terminal import Home, complaints, console
from turnout.config import FILE_NAME, load_config
from turnout.errors import ConfigError, NotFound


def sync(
    source: Annotated[str | None, typer.Argument(help="One source; all when left out.")] = None,
    *,
    whole: Annotated[
        bool,
        typer.Option(
            "--whole",
            help="Copy every table whole, and accept columns that have changed at the source.",
        ),
    ] = False,
    home: Home = Path(),
) -> None:
    """Copy the selected tables now."""
    config = load_config(home)
    if source is not None and source not in config.sources:
        raise NotFound(f"There is no source '{source}' in {FILE_NAME}.")
    if not config.sources:
        raise ConfigError(f"{FILE_NAME} names no source to copy from.")
    failed = False
    for name in [source] if source else config.sources:
        outcome = ask(config, f"sync {name}", {"whole": whole}, counted="rows")
        place = complaints if outcome.failed else console
        place.print(outcome.sentence, markup=False, soft_wrap=True)
        failed |= outcome.failed
    raise typer.Exit(1 if failed else 0)
