"""`turnout key`: what SDKs send events with."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table

from turnout.cli.terminal import Home, console, open_home_state
from turnout.config import load_config

if TYPE_CHECKING:
    from turnout.access.keys import WriteKeys

words = typer.Typer(help="Write keys: what SDKs send events with.", no_args_is_help=True)


# The words themselves are checked where keys are made, as those of the pages are.
KIND = typer.Option(help="Where the key lives: server, browser or mobile.")
ORIGIN = typer.Option(help="Web origin it may be used from; repeat for more. None: any.")
IP = typer.Option(help="Senders' addresses: keep, truncate (to their network) or drop.")
RATE = typer.Option(min=0, help="Requests a second; 0 for no limit.")


@words.command("add")
def add(  # noqa: PLR0913 - an option each
    source: Annotated[str, typer.Argument(help="What sends the events, such as 'website'.")],
    schema: Annotated[str, typer.Option(help="Warehouse schema its events land in.")] = "analytics",
    *,
    kind: Annotated[str, KIND] = "server",
    origin: Annotated[list[str] | None, ORIGIN] = None,
    ip: Annotated[str, IP] = "truncate",
    rate: Annotated[int, RATE] = 0,
    home: Home = Path(),
) -> None:
    """Make a write key and print it."""
    wanted: dict[str, Any] = {"kind": kind, "origins": origin or (), "ip": ip, "rate_per_s": rate}
    typer.echo(_keys(home).create(source, schema, **wanted).key)


@words.command("change")
def change(  # noqa: PLR0913 - an option each
    key: Annotated[str, typer.Argument(help="The key, as `turnout key list` prints it.")],
    *,
    kind: Annotated[str | None, KIND] = None,
    origin: Annotated[list[str] | None, ORIGIN] = None,
    any_origin: Annotated[bool, typer.Option("--any-origin", help="Lift the limit.")] = False,
    ip: Annotated[str | None, IP] = None,
    rate: Annotated[int | None, RATE] = None,
    home: Home = Path(),
) -> None:
    """Change a write key; what is left out stays. Collectors follow within a second."""
    origins = [] if any_origin else origin
    wanted: dict[str, Any] = {"kind": kind, "origins": origins, "ip": ip, "rate_per_s": rate}
    _keys(home).change(key, **wanted)
    typer.echo("Changed.")


@words.command("list")
def list_(home: Home = Path()) -> None:
    """List the write keys."""
    table = Table(box=None, pad_edge=False)
    table.add_column("key", min_width=32)  # whole, to be copied
    for name in ("source", "schema", "kind", "made", "revoked"):
        table.add_column(name)
    for key in _keys(home).list():
        made = f"{key.created_at:%Y-%m-%d}"
        revoked = f"{key.revoked_at:%Y-%m-%d}" if key.revoked_at else ""
        table.add_row(key.key, key.source, key.schema, key.kind, made, revoked)
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
