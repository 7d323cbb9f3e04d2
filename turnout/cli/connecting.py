"""`turnout source add`: from an address to a selection in turnout.toml."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from turnout.cli import offering
from turnout.cli.asking import ask
from turnout.cli.offering import say
from turnout.cli.terminal import Home, console
from turnout.config import FILE_NAME, Source, load_config, put_password, without_password
from turnout.errors import ConfigError
from turnout.home import is_running

if TYPE_CHECKING:
    from turnout.sync.offer.choice import SourceChoice

NAME = re.compile("[a-z][a-z0-9_]*")


def add(  # noqa: PLR0913, PLR0917 - an option each
    url: Annotated[str, typer.Argument(help="postgresql:// or mysql://user@host:port/database.")],
    name: Annotated[str, typer.Option(help="What the source is called here.")] = "app",
    password_file: Annotated[
        Path | None, typer.Option(help="File with the password. Without, it is asked for.")
    ] = None,
    company: Annotated[
        str | None, typer.Option(help="The table of companies, when you know better.")
    ] = None,
    person: Annotated[str | None, typer.Option(help="The table of people.")] = None,
    membership: Annotated[
        str | None, typer.Option(help="The table of who belongs to which company.")
    ] = None,
    table: Annotated[
        list[str] | None, typer.Option(help="One more table to copy; may be repeated.")
    ] = None,
    schema: Annotated[
        str | None,
        typer.Option(help="Warehouse schema. None: userdata, or the source's name beside others."),
    ] = None,
    role: Annotated[
        str, typer.Option(help="The role that the printed statements make.")
    ] = "turnout",
    *,
    sample: Annotated[
        bool, typer.Option("--sample", help="Look at a few values too, to find personal ones.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask: take what fits best.")] = False,
    home: Home = Path(),
) -> None:
    """Connect a database: look at it, propose what to copy, write it into turnout.toml."""
    from turnout.sync.offer.choice import choose, columns_of, free_schema
    from turnout.sync.offer.look import look, sampled
    from turnout.sync.offer.offer import make_offer

    _check_name(home, name)
    is_asking = console.is_terminal and not yes
    source, password = _address(url, password_file, is_asking=is_asking)
    given = {"company": company, "person": person, "membership": membership}
    chosen = {part: label for part, label in given.items() if label is not None}
    with look(name, source) as looking:
        offering.say_server(looking.facts)
        seen = sampled(looking, looking.facts.tables) if sample else {}
        offer = make_offer(looking.facts, chosen=chosen, also=table or (), seen=seen)
        offering.say_tables(offer)
        if is_asking:
            chosen |= offering.ask_parts(offer, chosen)
            offer = make_offer(looking.facts, chosen=chosen, also=table or (), seen=seen)
        offering.say_parts(offer)
    choice = choose(
        offer,
        name=name,
        url=without_password(source.url)[0],
        schema=schema or free_schema(load_config(home).sources, name),
    )
    if not choice.tables:
        raise ConfigError(
            "Nothing here looks like a company, a person or a membership.",
            hint="Name the tables: --company, --person, --membership, or --table for any other.",
        )
    offering.say_grants(looking.grants(columns_of(offer, choice), role))
    console.print()
    if is_asking and not typer.confirm(f"Write this into {FILE_NAME}?", default=True):
        raise typer.Abort
    _write(home, choice, source, password)
    config = load_config(home)
    if is_running(config, "app"):
        say(ask(config, "renew").sentence)
    _say_next(choice, role)


def _check_name(home: Path, name: str) -> None:
    if not NAME.fullmatch(name):
        raise ConfigError(
            f"A source cannot be called '{name}'.",
            hint="Use lower-case letters, digits and underscores, such as 'app'.",
        )
    if name in load_config(home).sources:
        raise ConfigError(
            f"{FILE_NAME} has a source '{name}' already.",
            hint="Give this one another name with --name, or change that one in the file.",
        )


def _address(url: str, file: Path | None, *, is_asking: bool) -> tuple[Source, str]:
    """What to connect to, and the password that has to be kept; empty when a file holds it."""
    bare, password = without_password(url)
    if file is not None:
        return Source(url=bare, password_file=str(file.absolute())), ""
    if not password and is_asking:
        password = typer.prompt("Password, if any", default="", hide_input=True, show_default=False)
    return Source(url=put_password(bare, password) if password else bare), password


def _write(home: Path, choice: SourceChoice, source: Source, password: str) -> None:
    from turnout.sync.offer.writing import keep_password, write_source

    place = keep_password(home, choice.name, password) if password else source.password_file
    path = write_source(home, replace(choice, password_file=place))
    say(f"Written into {path}.")
    if password:
        say(f"The password is in {path.parent / place}, which nobody else can read.")


def _say_next(choice: SourceChoice, role: str) -> None:
    user = choice.url.partition("://")[2].rpartition("@")[0]
    if user != role:
        place = choice.password_file or f"data/{choice.name}.password"
        say(f"When the role {role} is made, name it in the url, and its password in {place}.")
    say(f"Next: turnout source check {choice.name}, then turnout sync {choice.name}", "bold")
