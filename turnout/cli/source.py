"""`turnout source`: connecting a database, and how the connected ones are."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer

from turnout.cli import connecting
from turnout.cli.terminal import Home, console
from turnout.config import FILE_NAME, Config, load_config
from turnout.errors import ConfigError, NotFound, TurnoutError

words = typer.Typer(help="Databases that chosen columns are copied from.", no_args_is_help=True)
words.command("add")(connecting.add)
Name = Annotated[str | None, typer.Argument(help="One source; all when left out.")]


@words.command("check")
def check(name: Name = None, home: Home = Path()) -> None:
    """Ask each source for its rights, its lag and its tables; say what is wrong or too much."""
    problems = 0
    config = load_config(home)
    for each in named(config, name):
        found = list(problems_of(config, each))
        for sentence in found:
            console.print(f"✗ {each}: {sentence}", style="red", markup=False, soft_wrap=True)
        if not found:
            console.print(f"✓ {each}: nothing wrong found.", style="green", markup=False)
        problems += len(found)
    raise typer.Exit(1 if problems else 0)


def named(config: Config, name: str | None) -> list[str]:
    """The sources meant: one, which must be there, or all of at least one."""
    if name is not None and name not in config.sources:
        raise NotFound(f"There is no source '{name}' in {FILE_NAME}.")
    if not config.sources:
        raise ConfigError(
            f"{FILE_NAME} names no source to copy from.",
            hint="Connect one: turnout source add postgresql://user@host/database",
        )
    return [name] if name else list(config.sources)


def problems_of(config: Config, name: str) -> Iterator[str]:
    """What is wrong with one source, or more than it needs: sentences."""
    from turnout import sync

    try:
        yield from sync.check(name, config.sources[name])
    except TurnoutError as error:
        yield str(error)
