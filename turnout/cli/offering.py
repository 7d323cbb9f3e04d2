"""An offer in the terminal: what a source is, what would be copied of it, and why."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import typer
from rich.table import Table
from rich.text import Text

from turnout.cli.terminal import console
from turnout.errors import NotFound
from turnout.sync.offer.sentences import about_membership, about_server, because, remarks, size
from turnout.sync.offer.words import list_of

if TYPE_CHECKING:
    from turnout.sync.facts import ServerFacts
    from turnout.sync.offer.offer import Offer, OfferedTable

PARTS = ("company", "person", "membership")
TABLES_SHOWN_MAX = 60
OTHERS_SHOWN_MAX = 3


def say(sentence: str, style: str = "") -> None:
    """One line as it is, however long; names of the source are no markup."""
    console.print(sentence, style=style, markup=False, highlight=False, soft_wrap=True)


def say_server(facts: ServerFacts) -> None:
    """What it is, and what to know before connecting it."""
    say(about_server(facts), "bold")
    for sentence in remarks(facts):
        say(f"! {sentence}", "yellow")


def say_tables(offer: Offer) -> None:
    """Every table, those to be copied first."""
    shown = Table(box=None, pad_edge=False)
    for title in ("Table", "Rows", "Size", "Is", "Personal", "Copied"):
        is_number = title in ("Rows", "Size")
        shown.add_column(title, justify="right" if is_number else "left", overflow="fold")
    for table in offer.tables[:TABLES_SHOWN_MAX]:
        rows = table.facts.rows_estimated
        shown.add_row(
            Text(table.label),
            "" if rows is None else f"{rows:,}",
            size(table.facts.size_bytes),
            table.part,
            Text(list_of(column.name for column in table.columns if column.personal), "yellow"),
            table.mode.sentence.partition(":")[0] if table.is_selected else "",
        )
    console.print(shown)
    if len(offer.tables) > TABLES_SHOWN_MAX:
        say(f"… and {len(offer.tables) - TABLES_SHOWN_MAX} smaller tables.")
    console.print()


def ask_parts(offer: Offer, known: Iterable[str]) -> dict[str, str]:
    """For each part that is not `known` the table that is named for it; empty for none."""
    return {part: _ask(offer, part) for part in PARTS if part not in known}


def say_parts(offer: Offer) -> None:
    """Which table is what and why, which columns of each, and who belongs where."""
    for part in PARTS:
        table = offer.part(part)
        if table is None:
            say(f"No table looks like the {part}.", "yellow")
        else:
            say(f"{part}: {table.label}, because {because(offer, part)}.")
    for table in offer.selected:
        _say_columns(table)
    if offer.membership:
        say(about_membership(offer.membership))


def say_grants(statements: Iterable[str]) -> None:
    """What an administrator runs."""
    console.print()
    say("A role that can read this and nothing else. Run on the leader:", "bold")
    for statement in statements:
        say(f"  {statement}")


def _ask(offer: Offer, part: str) -> str:
    from turnout.sync.offer.offer import find_table, label_of

    proposed = offer.part(part)
    if proposed:
        say(f"{part}: {proposed.label}, because {because(offer, part)}.")
    others = [label_of(offer.facts, each.table) for each in offer.candidates[part]][1:]
    if others:
        say(f"  It might also be {', '.join(others[:OTHERS_SHOWN_MAX])}.", "dim")
    question = f"Which table is the {part}? ('-' for none)"
    while True:
        label = typer.prompt(question, default=proposed.label if proposed else "-").strip()
        if label == "-":
            return ""
        try:
            return label_of(offer.facts, find_table(offer.facts, label))
        except NotFound as error:
            say(error.message, "red")


def _say_columns(table: OfferedTable) -> None:
    say(f"  {table.label}: {', '.join(table.selected)}")
    left = [
        f"{column.name} ({column.personal or column.left_out})"
        for column in table.columns
        if not column.is_selected
    ]
    if left:
        say(f"    left out: {', '.join(left)}", "dim")
