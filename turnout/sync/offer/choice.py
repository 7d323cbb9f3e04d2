"""What somebody chose of an offer: the source as it will stand in turnout.toml."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from turnout.config import Source
from turnout.sync.facts import TableFacts
from turnout.sync.offer.offer import Offer, OfferedTable


@dataclass(frozen=True, slots=True)
class TableChoice:
    """One table to copy; `settings` are further keys of it, in order."""

    label: str
    columns: tuple[str, ...]
    settings: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class SourceChoice:
    """A source to copy. `membership` is what `[identity.membership]` will say, empty for nothing.

    `url` has no password; `password_file` is named relative to the home.
    """

    name: str
    url: str
    schema: str
    tables: tuple[TableChoice, ...]
    password_file: str = ""
    membership: Mapping[str, str] = field(default_factory=dict)


def free_schema(sources: Mapping[str, Source], name: str) -> str:
    """Where a new source is copied to: the usual schema, or one of its own beside others."""
    usual = Source("").schema
    taken = {source.schema for source in sources.values()}
    return usual if usual not in taken else name


def choose(  # noqa: PLR0913 - what there is to choose
    offer: Offer,
    *,
    name: str,
    url: str,
    schema: str,
    password_file: str = "",
    columns: Mapping[str, Collection[str]] | None = None,
    reason: str = "",
) -> SourceChoice:
    """The offer as it was made, or with `columns` by table's label instead of the proposed ones.

    `reason` says why chosen columns that look personal are copied.
    """
    tables = []
    for table in offer.tables if columns is not None else offer.selected:
        wanted = table.selected if columns is None else columns.get(table.label, ())
        names = tuple(column.name for column in table.columns if column.name in wanted)
        if names:
            tables.append(TableChoice(table.label, names, _settings(table, names, reason)))
    return SourceChoice(
        name, url, schema, tuple(tables), password_file, _membership(offer, schema, tables)
    )


def columns_of(offer: Offer, choice: SourceChoice) -> dict[TableFacts, tuple[str, ...]]:
    """The chosen columns by the source's own tables."""
    chosen = {table.label: table.columns for table in choice.tables}
    return {table.facts: chosen[table.label] for table in offer.tables if table.label in chosen}


def _settings(table: OfferedTable, names: Collection[str], reason: str) -> dict[str, object]:
    """What goes beside the columns; nothing that only repeats a default."""
    chosen = [column for column in table.columns if column.name in names]
    treat = {column.name: column.treat for column in chosen if column.treat}
    personal = {
        column.name: reason or "chosen when the source was connected"
        for column in chosen
        if column.personal and not column.treat
    }
    settings: dict[str, object] = {}
    if table.mode.cursor in names:
        settings["cursor"] = table.mode.cursor
    if table.history:
        settings["history"] = True
        if table.created_at in names:
            settings["created_at"] = table.created_at
    if table.person in names:
        settings["person"] = table.person
    return (
        settings
        | ({"treat": treat} if treat else {})
        | ({"personal": personal} if personal else {})
    )


def _membership(offer: Offer, schema: str, tables: Collection[TableChoice]) -> dict[str, str]:
    """Only where all that it names is copied."""
    proposed = offer.membership
    if proposed is None:
        return {}
    copied = {
        table.facts: choice.columns
        for table in offer.tables
        for choice in tables
        if choice.label == table.label
    }.get(proposed.table, ())
    if proposed.account not in copied or proposed.user not in copied:
        return {}
    said = {
        "table": f"{schema}.{proposed.table.name}",
        "account": proposed.account,
        "user": proposed.user,
    }
    times = {"since": proposed.since, "until": proposed.until}
    return said | {key: column for key, column in times.items() if column in copied}
