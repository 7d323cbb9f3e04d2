"""`turnout source`: connecting a database, and how the connected ones are."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table
from rich.text import Text

from turnout.cli import connecting
from turnout.cli.asking import ask
from turnout.cli.offering import say
from turnout.cli.terminal import Home, console
from turnout.config import FILE_NAME, Config, Source, load_config
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
        _say_server(each, config.sources[each])
        found = list(problems_of(config, each))
        for sentence in found:
            say(f"✗ {each}: {sentence}", "red")
        if not found:
            say(f"✓ {each}: nothing wrong found.", "green")
        problems += len(found)
    raise typer.Exit(1 if problems else 0)


@words.command("list")
def list_(home: Home = Path()) -> None:
    """Each source and its tables: state, rows, age, next copy, what is wrong."""
    config = load_config(home)
    outcome = ask(config, "source list")
    if outcome.failed:
        raise TurnoutError(outcome.sentence)
    sources = outcome.result["sources"]
    if not sources:
        say("No source yet. Connect one: turnout source add postgresql://user@host/database")
    now = datetime.now(UTC)
    for source in sources:
        _show(source, now)


def _show(source: Mapping[str, Any], now: datetime) -> None:
    from turnout.web.words import ago, until

    said = [source["state"], f"into {source['schema']}", source["schedule"]]
    if source["as_of"]:
        said.append(f"as of {ago(datetime.fromisoformat(source['as_of']), now)}")
    if source["next_at"]:
        said.append(f"next {until(datetime.fromisoformat(source['next_at']), now)}")
    say(f"{source['name']}: {', '.join(said)}", "bold")
    shown = Table(box=None, pad_edge=False, show_header=False)
    for justify in ("left", "right", "left", "left", "left"):
        shown.add_column(justify=justify, overflow="fold")
    for table in source["tables"]:
        rows, as_of = table["rows"], table["as_of"]
        shown.add_row(
            Text(f"  {table['table']}"),
            "not copied" if rows is None else f"{rows:,} rows",
            table["mode"],
            ago(datetime.fromisoformat(as_of), now) if as_of else "",
            Text(table["problem"] or "", "red"),
        )
    console.print(shown)
    if source["problem"]:
        say(f"  ✗ {source['problem']}", "red")


def _say_server(name: str, source: Source) -> None:
    """What it is and how old; why it cannot be said, the check itself finds out."""
    from turnout.sync.offer.look import look
    from turnout.sync.offer.sentences import about_server

    with suppress(TurnoutError), look(name, source) as looking:
        say(f"{name}: {about_server(looking.facts)}")


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
