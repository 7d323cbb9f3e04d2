"""`turnout key`: what SDKs send events with."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from turnout.cli.terminal import Home, console, open_home_state
from turnout.config import load_config

if TYPE_CHECKING:
    from turnout.access.keys import WriteKeys

words = typer.Typer(help="Write keys: what SDKs send events with.", no_args_is_help=True)


@words.command("add")
def add(
    source: Annotated[str, typer.Argument(help="What sends the events, such as 'website'.")],
    schema: Annotated[str, typer.Option(help="Warehouse schema its events land in.")] = "analytics",
    home: Home = Path(),
) -> None:
    """Make a write key and print it."""
    typer.echo(_keys(home).create(source, schema).key)


@words.command("list")
def list_(home: Home = Path()) -> None:
    """List the write keys."""
    table = Table("key", "source", "schema", "made", "revoked", box=None, pad_edge=False)
    for key in _keys(home).list():
        revoked = f"{key.revoked_at:%Y-%m-%d}" if key.revoked_at else ""
        table.add_row(key.key, key.source, key.schema, f"{key.created_at:%Y-%m-%d}", revoked)
    console.print(table)


@words.command("revoke")
def revoke(
    key: Annotated[str, typer.Argument(help="The key, as `turnout key list` prints it.")],
    home: Home = Path(),
) -> None:
    """Refuse a write key from now on; collectors follow within a second."""
    _keys(home).revoke(key)
    typer.echo("Revoked. Events sent with it are refused from now on.")


def _keys(home: Path) -> WriteKeys:
    from turnout.access.keys import WriteKeys

    return WriteKeys(open_home_state(load_config(home)))
