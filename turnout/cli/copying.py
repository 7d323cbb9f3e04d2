"""`turnout sync`: copying the selected tables of a source now."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated

import typer
from rich.progress import Progress

from turnout.cli.terminal import Home, complaints, console, open_home_state
from turnout.config import FILE_NAME, Config, load_config
from turnout.errors import ConfigError, NotFound
from turnout.home import is_running, make_folders

SYNC_WITHIN_S = 3600.0


def sync(
    source: Annotated[str | None, typer.Argument(help="One source; all when left out.")] = None,
    home: Home = Path(),
) -> None:
    """Copy the selected tables now."""
    config = load_config(home)
    if source is not None and source not in config.sources:
        raise NotFound(f"There is no source '{source}' in {FILE_NAME}.")
    if not config.sources:
        raise ConfigError(f"{FILE_NAME} names no source to copy from.")
    copy = _copy_there if is_running(config, "app") else _copy_here
    failed = False
    for name in [source] if source else config.sources:
        has_failed, sentence = copy(config, name)
        (complaints if has_failed else console).print(sentence, markup=False, soft_wrap=True)
        failed |= has_failed
    raise typer.Exit(1 if failed else 0)


def _copy_there(config: Config, name: str) -> tuple[bool, str]:
    """Ask the running app, which alone may write; (failed, sentence)."""
    from turnout import jobs

    state = open_home_state(config)
    number = jobs.request(state, f"sync {name}")
    with console.status(f"Copying {name} …"):
        deadline = time.monotonic() + SYNC_WITHIN_S
        while time.monotonic() < deadline:
            if outcome := jobs.outcome(state, number):
                return outcome
            time.sleep(0.1)
    return True, f"{name}: the running Turnout did not answer within {SYNC_WITHIN_S:.0f} s."


def _copy_here(config: Config, name: str) -> tuple[bool, str]:
    """Open the warehouse in this process and copy with a progress bar; (failed, sentence)."""
    from turnout import sync as sync_room
    from turnout.warehouse import open_warehouse

    make_folders(config)
    warehouse = open_warehouse(config)
    try:
        with Progress(console=console, transient=True) as bars:
            bar = bars.add_task(name, total=None)
            run = sync_room.copy(
                name,
                config.sources[name],
                warehouse,
                progress=lambda at: bars.update(
                    bar,
                    description=f"{name}.{at.table}",
                    completed=at.rows,
                    total=max(at.rows_estimated, at.rows),
                ),
            )
    finally:
        warehouse.close()
    return False, run.sentence
