"""`turnout serve`, `demo`, `check`, `sign-in`, `version`: running an installation."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from turnout import __version__, logs
from turnout.cli.source import problems_of
from turnout.cli.terminal import Home, console, open_home_state
from turnout.config import Config, load_config, settings_in_force
from turnout.errors import ConfigError, TurnoutError
from turnout.home import make_folders


def serve(
    home: Home = Path(),
    only: Annotated[
        str | None, typer.Option(help="Run one process alone: 'collector' or 'app'.")
    ] = None,
) -> None:
    """Take in events, copy tables, serve pages, until stopped with Ctrl-C."""
    from turnout import serve as supervisor

    if only is not None and only not in supervisor.CHILDREN:
        raise ConfigError(
            f"There is no process '{only}'.", hint=f"Known: {', '.join(supervisor.CHILDREN)}."
        )
    logs.configure("supervisor")
    config = load_config(home)
    children = (only,) if only else supervisor.CHILDREN
    with supervisor.prepared_home(config, children) as listeners:
        if "app" in children:
            console.print(f"Pages on {config.web.url}")
            if link := supervisor.owner_link(config):
                console.print("No owner yet. This link makes the owner account, once:")
                console.print(link, soft_wrap=True, highlight=False)
        if "collector" in children:
            console.print(f"Events to {config.collector.url}")
        supervisor.supervise(config, listeners)


def demo(
    home: Home = Path("demo-home"),
    *,
    fresh: Annotated[bool, typer.Option("--fresh", help="Begin anew, with new data.")] = False,
    check: Annotated[
        bool, typer.Option("--check", help="Run everything once, compare every answer, end.")
    ] = False,
) -> None:
    """Start a pretend company: a real database, the real SDK, sixty days of life."""
    from turnout.demo.run import demo as run_demo

    raise typer.Exit(run_demo(home, fresh=fresh, check=check))


def check(home: Home = Path()) -> None:
    """Print the settings in force (defaults dimmed) and what is wrong with them."""
    config = load_config(home)
    defaults = {name: value for name, value, _ in settings_in_force(Config())}
    section = None
    for name, value, _ in settings_in_force(config):
        place, _, key = name.rpartition(".")
        if place != section:
            console.print(f"[{place}]", style="bold", markup=False, highlight=False)
            section = place
        style = "dim" if defaults.get(name) == value else ""
        console.print(
            f"  {key} = {value}", style=style, markup=False, highlight=False, soft_wrap=True
        )
    console.print()
    problems = list(_problems(config))
    for problem in problems:
        console.print(f"✗ {problem}", style="red", markup=False, soft_wrap=True)
    if problems:
        raise typer.Exit(1)
    console.print("✓ Nothing wrong found.", style="green")


def sign_in(home: Home = Path()) -> None:
    """Print a one-time link: it makes the owner account, or signs the owner in."""
    from turnout.access.people import People

    config = load_config(home)
    people = People(open_home_state(config))
    token = people.invite(people.owner(), now=datetime.now(UTC))
    typer.echo(f"{config.web.url}/welcome/{token}")


def version() -> None:
    """Print the version."""
    typer.echo(f"turnout {__version__}")


def _problems(config: Config) -> Iterator[str]:
    """What is wrong with the home, the sources and their roles, one sentence each."""
    try:
        make_folders(config)
    except TurnoutError as error:
        yield str(error)
    for name in config.sources:
        yield from (f"{name}: {sentence}" for sentence in problems_of(config, name))
