"""The terminal: a few lines per command. Errors become one sentence and an exit code here."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Never

import typer
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from turnout import __version__, logs
from turnout.config import FILE_NAME, Config, load_config, settings_in_force
from turnout.errors import (
    AlreadyRunning,
    ConfigError,
    NotAllowed,
    NotFound,
    SourceRefused,
    SourceUnavailable,
    TurnoutError,
    WarehouseUnavailable,
)
from turnout.home import is_running, make_folders

if TYPE_CHECKING:
    from turnout.access.keys import WriteKeys
    from turnout.state import State

# The first family that fits decides. 1 is kept for "the command ran and the answer is no".
EXIT_CODES: list[tuple[type[TurnoutError], int]] = [
    (AlreadyRunning, 3),
    (ConfigError, 2),
    (SourceUnavailable, 4),
    (SourceRefused, 5),
    (WarehouseUnavailable, 6),
    (NotFound, 7),
    (NotAllowed, 8),
    (TurnoutError, 9),
]
SYNC_WITHIN_S = 3600.0

Home = Annotated[
    Path,
    typer.Option(
        "--home", envvar="TURNOUT_HOME", help=f"The folder that holds {FILE_NAME} and data/."
    ),
]

app = typer.Typer(
    name="turnout",
    help="Account-level answers from usage events and your own database.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)
key_app = typer.Typer(help="Write keys: what SDKs send events with.", no_args_is_help=True)
app.add_typer(key_app, name="key")

console = Console()
complaints = Console(stderr=True)


def main() -> Never:
    """Run the command; say what went wrong in one sentence, never with a trace."""
    try:
        # A `typer.Exit` comes back as the number it carries.
        sys.exit(app(standalone_mode=False) or 0)
    except typer.Abort:
        sys.exit(130)
    except KeyboardInterrupt:
        sys.exit(130)
    except TurnoutError as error:
        complain(error)
        sys.exit(next(code for family, code in EXIT_CODES if isinstance(error, family)))
    except Exception as error:
        # Typer exports no base class for usage errors; they alone can show themselves.
        if show := getattr(error, "show", None):
            show()
            sys.exit(getattr(error, "exit_code", 2))
        if "TURNOUT_TRACE" in os.environ:
            raise
        complaints.print(f"Turnout failed inside: {type(error).__name__}.", style="red")
        complaints.print("Set TURNOUT_TRACE=1 to see where, and please report it.")
        sys.exit(70)


def complain(error: TurnoutError) -> None:
    """The sentence in red, the hint beneath it."""
    complaints.print(error.message, style="red", markup=False, highlight=False, soft_wrap=True)
    if error.hint:
        complaints.print(error.hint, markup=False, highlight=False, soft_wrap=True)


@app.command()
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
    with supervisor.prepared_home(config, children):
        if "app" in children:
            console.print(f"Pages on {config.web.url}")
            if link := supervisor.owner_link(config):
                console.print("No owner yet. This link makes the owner account, once:")
                console.print(link, soft_wrap=True, highlight=False)
        if "collector" in children:
            console.print(f"Events to {config.collector.url}")
        supervisor.supervise(config, children)


@app.command()
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


@app.command()
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


@app.command()
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


@app.command("sign-in")
def sign_in(home: Home = Path()) -> None:
    """Print a one-time link: it makes the owner account, or signs the owner in."""
    from turnout.access.people import People

    config = load_config(home)
    people = People(_state(config))
    token = people.invite(people.owner(), now=datetime.now(UTC))
    typer.echo(f"{config.web.url}/welcome/{token}")


@app.command()
def version() -> None:
    """Print the version."""
    typer.echo(f"turnout {__version__}")


@key_app.command("add")
def key_add(
    source: Annotated[str, typer.Argument(help="What sends the events, such as 'website'.")],
    schema: Annotated[str, typer.Option(help="Warehouse schema its events land in.")] = "analytics",
    home: Home = Path(),
) -> None:
    """Make a write key and print it."""
    typer.echo(_keys(home).create(source, schema).key)


@key_app.command("list")
def key_list(home: Home = Path()) -> None:
    """List the write keys."""
    table = Table("key", "source", "schema", "made", "revoked", box=None, pad_edge=False)
    for key in _keys(home).list():
        revoked = f"{key.revoked_at:%Y-%m-%d}" if key.revoked_at else ""
        table.add_row(key.key, key.source, key.schema, f"{key.created_at:%Y-%m-%d}", revoked)
    console.print(table)


@key_app.command("revoke")
def key_revoke(
    key: Annotated[str, typer.Argument(help="The key, as `turnout key list` prints it.")],
    home: Home = Path(),
) -> None:
    """Refuse a write key from now on; collectors follow within a second."""
    _keys(home).revoke(key)
    typer.echo("Revoked. Events sent with it are refused from now on.")


def _problems(config: Config) -> Iterator[str]:
    """What is wrong with the home, the sources and their roles, one sentence each."""
    from turnout import sync as sync_room

    try:
        make_folders(config)
    except TurnoutError as error:
        yield str(error)
    for name, source in config.sources.items():
        try:
            yield from (f"{name}: {sentence}" for sentence in sync_room.check(name, source))
        except TurnoutError as error:
            yield f"{name}: {error}"


def _copy_there(config: Config, name: str) -> tuple[bool, str]:
    """Ask the running app, which alone may write; (failed, sentence)."""
    from turnout import jobs

    state = _state(config)
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


def _keys(home: Path) -> WriteKeys:
    from turnout.access.keys import WriteKeys

    return WriteKeys(_state(load_config(home)))


def _state(config: Config) -> State:
    """The state database, made if this is the first command in the home."""
    from turnout.serve import prepare_state
    from turnout.state import open_state

    prepare_state(config)
    return open_state(config.state_url)
