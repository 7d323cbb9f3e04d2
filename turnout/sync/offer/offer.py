"""An offer: for each table of a source whether to copy it, which columns, how, and why."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from turnout.errors import NotFound
from turnout.sync.facts import ServerFacts, TableFacts
from turnout.sync.offer.columns import OfferedColumn, offered_columns
from turnout.sync.offer.links import Links, find_links
from turnout.sync.offer.modes import OfferedMode, offered_mode
from turnout.sync.offer.parts import (
    COMPANY,
    MEMBERSHIP,
    PARTS,
    PERSON,
    Candidate,
    candidates,
    joined,
)
from turnout.sync.offer.words import words_of

SINCE_WORDS = ("joined", "since", "accepted", "added", "started", "created", "from")
UNTIL_WORDS = ("left", "ended", "removed", "until", "deleted", "deactivated")
TIMES = ("timestamp", "datetime", "date")


@dataclass(frozen=True, slots=True)
class OfferedTable:
    """One table of the source. `part` is company, person or membership, or empty."""

    facts: TableFacts
    label: str
    part: str
    reasons: tuple[str, ...]
    is_selected: bool
    mode: OfferedMode
    columns: tuple[OfferedColumn, ...]
    # The column that names a person, since when a first version holds, whether to keep versions.
    person: str = ""
    created_at: str = ""
    history: bool = False

    @property
    def selected(self) -> tuple[str, ...]:
        """The columns proposed to be copied."""
        return tuple(column.name for column in self.columns if column.is_selected)


@dataclass(frozen=True, slots=True)
class OfferedMembership:
    """Which columns of the membership's table say who belongs to which account, and when."""

    table: TableFacts
    account: str
    user: str
    since: str = ""
    until: str = ""


@dataclass(frozen=True, slots=True)
class Offer:
    """Everything proposed for one source: its tables, the three parts first."""

    facts: ServerFacts
    tables: tuple[OfferedTable, ...]
    candidates: Mapping[str, tuple[Candidate, ...]]
    membership: OfferedMembership | None

    @property
    def selected(self) -> list[OfferedTable]:
        return [table for table in self.tables if table.is_selected]

    def part(self, part: str) -> OfferedTable | None:
        """The table proposed for a part."""
        return next((table for table in self.tables if part in table.part.split()), None)


def make_offer(
    facts: ServerFacts,
    *,
    chosen: Mapping[str, str] | None = None,
    also: Collection[str] = (),
    seen: Mapping[TableFacts, Mapping[str, str]] | None = None,
) -> Offer:
    """What to copy of a source that says `facts` of itself.

    `chosen` names tables for parts that somebody knows better, empty for none; `also` names
    further tables to copy; `seen` says what sampled values of columns look like.
    Raises `NotFound` for a table that is not there.
    """
    found = candidates(facts)
    parts = {part: _best(facts, part, found[part], chosen or {}) for part in PARTS}
    links = find_links(facts)
    membership = _membership(facts, parts)
    wanted = {find_table(facts, label) for label in also} | set(filter(None, parts.values()))
    tables = [
        _table(facts, table, parts, links, membership, found, seen or {}, table in wanted)
        for table in facts.tables
    ]
    return Offer(facts, tuple(sorted(tables, key=_place)), found, membership)


def label_of(facts: ServerFacts, table: TableFacts) -> str:
    """How turnout.toml names it: the schema is said only when it is not the usual one."""
    name = _quoted(table.name)
    return name if table.schema == facts.usual_schema else f"{_quoted(table.schema)}.{name}"


def find_table(facts: ServerFacts, label: str) -> TableFacts:
    """The table called so, with its schema or, when that is clear, without."""
    exact = [t for t in facts.tables if label in (label_of(facts, t), f"{t.schema}.{t.name}")]
    fitting = exact or [t for t in facts.tables if t.name == label]
    if len(fitting) != 1:
        which = "several tables" if fitting else "no table"
        raise NotFound(f"There is {which} called '{label}' in this source.")
    return fitting[0]


def _best(
    facts: ServerFacts, part: str, found: Sequence[Candidate], chosen: Mapping[str, str]
) -> TableFacts | None:
    if part in chosen:
        return find_table(facts, chosen[part]) if chosen[part] else None
    return found[0].table if found else None


def _membership(
    facts: ServerFacts, parts: Mapping[str, TableFacts | None]
) -> OfferedMembership | None:
    table, columns = parts[MEMBERSHIP], joined(facts, parts)
    if table is None or columns is None:
        return None
    if table is parts[PERSON]:
        # Since when somebody exists is not since when they belong there, but nothing says better.
        return OfferedMembership(table, *columns)
    since, until = _time(table, SINCE_WORDS), _time(table, UNTIL_WORDS)
    return OfferedMembership(table, *columns, since, until)


def _time(table: TableFacts, words: Sequence[str]) -> str:
    """The first time of `table` whose name has one of `words`, the best word first."""
    times = [column for column in table.columns if column.type.lower().startswith(TIMES)]
    for word in words:
        for column in times:
            if word in column.name.lower().split("_") or word in words_of(column.name):
                return column.name
    return ""


def _table(  # noqa: PLR0913, PLR0917 - what is known of a table
    facts: ServerFacts,
    table: TableFacts,
    parts: Mapping[str, TableFacts | None],
    links: Links,
    membership: OfferedMembership | None,
    found: Mapping[str, Sequence[Candidate]],
    seen: Mapping[TableFacts, Mapping[str, str]],
    is_selected: bool,  # noqa: FBT001 - one of many
) -> OfferedTable:
    own = [part for part in PARTS if parts[part] is table]
    mode = offered_mode(facts, table)
    person = parts[PERSON]
    link = links.between(table, person) if person is not None else None
    is_membership = membership is not None and membership.table is table
    needed = {*table.key, *_linked(table, links, parts), mode.cursor}
    if membership is not None and is_membership:
        needed |= {membership.account, membership.user, membership.since, membership.until}
    return OfferedTable(
        facts=table,
        label=label_of(facts, table),
        part=" ".join(own),
        reasons=_reasons(table, own, found),
        is_selected=is_selected,
        mode=mode,
        columns=offered_columns(
            table, own[0] if own else "", needed=needed, seen=seen.get(table, {})
        ),
        person=table.key[0] if table is person and table.key else link.column if link else "",
        created_at=_created(table, membership) if is_selected else "",
        history=bool(own) and bool(table.key) and PERSON not in own,
    )


def _linked(table: TableFacts, links: Links, parts: Mapping[str, TableFacts | None]) -> list[str]:
    """The columns that join it with the company and the person."""
    wanted = (parts[COMPANY], parts[PERSON])
    return [link.column for link in links.of.get(table, ()) if link.target in wanted]


def _created(table: TableFacts, membership: OfferedMembership | None) -> str:
    if membership is not None and membership.table is table and membership.since:
        return membership.since
    return _time(table, ("created", "joined", "started", "inserted"))


def _reasons(
    table: TableFacts, own: Sequence[str], found: Mapping[str, Sequence[Candidate]]
) -> tuple[str, ...]:
    reasons = [
        reason
        for part in own
        for each in found[part]
        if each.table is table
        for reason in each.reasons
    ]
    return tuple(dict.fromkeys(reasons))


def _place(table: OfferedTable) -> tuple[int, int, str]:
    part = table.part.split()[0] if table.part else ""
    first = PARTS.index(part) if part else len(PARTS) + (not table.is_selected)
    return first, -(table.facts.rows_estimated or 0), table.label


def _quoted(name: str) -> str:
    is_plain = "." not in name and '"' not in name
    return name if is_plain else '"' + name.replace('"', '""') + '"'
