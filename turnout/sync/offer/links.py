"""Which column names a row of which table: by foreign keys, and without them by name."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from turnout.sync.facts import ServerFacts, TableFacts
from turnout.sync.offer.words import words_of

# `company_id`, `companyUuid`: what comes before names the table.
ENDINGS = frozenset({"id", "uuid", "guid", "key", "ref", "fk", "no", "number"})


@dataclass(frozen=True, slots=True)
class Link:
    """One column of `table` that names a row of `target` by that one's key."""

    table: TableFacts
    column: str
    target: TableFacts
    is_declared: bool


@dataclass(frozen=True, slots=True)
class Links:
    """All links of a source, from both of their ends."""

    of: Mapping[TableFacts, Sequence[Link]]
    to: Mapping[TableFacts, Sequence[Link]]

    def between(self, table: TableFacts, target: TableFacts) -> Link | None:
        """The first link from the one to the other."""
        return next((link for link in self.of.get(table, ()) if link.target is target), None)


def find_links(facts: ServerFacts) -> Links:
    """The links of all tables; where a table declares one for a column, its name is not asked."""
    of: dict[TableFacts, list[Link]] = {}
    to: dict[TableFacts, list[Link]] = {}
    named = _by_name(facts)
    for table in facts.tables:
        for link in _of(table, facts, named):
            of.setdefault(table, []).append(link)
            to.setdefault(link.target, []).append(link)
    return Links(of, to)


def _of(
    table: TableFacts, facts: ServerFacts, named: Mapping[tuple[str, ...], TableFacts]
) -> Iterator[Link]:
    declared = set()
    for reference in table.references:
        target = facts.table(reference.schema, reference.table)
        if target is not None and target is not table and len(reference.columns) == 1:
            declared.add(reference.columns[0])
            yield Link(table, reference.columns[0], target, is_declared=True)
    for column in table.columns:
        *stem, ending = words_of(column.name) or ("",)
        target = named.get(tuple(stem))
        if column.name in declared or ending not in ENDINGS or target in (None, table):
            continue
        key = target.column(target.key[0]) if target else None
        if target and key and key.type == column.type:
            yield Link(table, column.name, target, is_declared=False)


def _by_name(facts: ServerFacts) -> dict[tuple[str, ...], TableFacts]:
    """Tables that a column can name, by their words; those of the usual schema win."""
    found: dict[tuple[str, ...], TableFacts] = {}
    for table in sorted(facts.tables, key=lambda table: table.schema == facts.usual_schema):
        if len(table.key) == 1:
            found[words_of(table.name)] = table
    return found
