"""Which tables are the company, the person and the membership: candidates, each with its reasons.

A guess by names, columns, foreign keys and row counts; who knows the database confirms it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise, permutations

from turnout.sync.facts import ServerFacts, TableFacts
from turnout.sync.offer.links import Link, Links, find_links
from turnout.sync.offer.words import (
    COMPANY_WORDS,
    DEED_WORDS,
    MEMBERSHIP_WORDS,
    PERSON_WORDS,
    list_of,
    words_of,
)

COMPANY, PERSON, MEMBERSHIP = PARTS = ("company", "person", "membership")
# Less than this is no reason to propose a table.
POINTS_MIN = 6
# Who refers to a table counts up to so many times.
REFERENCES_MAX = 5
COLUMNS_POINTS_MAX = 7
COLUMNS_FEW, COLUMNS_MANY = 8, 15

COMPANY_COLUMNS = {
    "plan": 2, "tier": 2, "seats": 3, "seat": 2, "subdomain": 3, "industry": 3, "vat": 3,
    "billing": 2, "trial": 2, "employees": 2, "domain": 2, "subscription": 2, "mrr": 3,
}  # fmt: skip
PERSON_COLUMNS = {
    "password": 4, "email": 3, "mail": 3, "firstname": 3, "lastname": 3, "surname": 3, "login": 2,
    "username": 3, "birth": 3, "birthday": 3, "avatar": 2, "locale": 1, "phone": 2,
}  # fmt: skip
ROLE_WORDS = frozenset({"role", "admin", "owner", "permission", "access", "position", "level"})


@dataclass(frozen=True, slots=True)
class Candidate:
    """A table that may be one of the parts. `points` compare candidates for the same part."""

    table: TableFacts
    points: float
    reasons: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Trio:
    """A company, a person, and what joins them: a table of its own, or the person's itself."""

    company: TableFacts
    person: TableFacts
    membership: TableFacts
    account: Link
    user: Link | None
    points: float
    reasons: tuple[str, ...]


def candidates(facts: ServerFacts) -> dict[str, tuple[Candidate, ...]]:
    """For each part the tables that may be it, the likeliest first."""
    links = find_links(facts)
    single = {
        COMPANY: [_company(table, links) for table in facts.tables],
        PERSON: [_person(table, links) for table in facts.tables],
    }
    trios = sorted(_trios(single, links), key=lambda trio: -trio.points)
    found = {
        part: _in_order(single[part], [getattr(trio, part) for trio in trios]) for part in single
    }
    # Each table once, for the best pair it joins.
    memberships = {trio.membership: trio for trio in reversed(trios)}
    found[MEMBERSHIP] = tuple(
        Candidate(trio.membership, trio.points, trio.reasons)
        for trio in sorted(memberships.values(), key=lambda trio: -trio.points)
    )
    return found


def joined(facts: ServerFacts, chosen: Mapping[str, TableFacts | None]) -> tuple[str, str] | None:
    """The membership's columns that name the account and the user; None where nothing joins them.

    Where the person's own table is the membership, the user is its key.
    """
    company, person, membership = (chosen.get(part) for part in PARTS)
    if company is None or person is None or membership is None:
        return None
    links = find_links(facts)
    account = links.between(membership, company)
    if membership is person:
        return (account.column, person.key[0]) if account and len(person.key) == 1 else None
    user = links.between(membership, person)
    return (account.column, user.column) if account and user else None


def _company(table: TableFacts, links: Links) -> Candidate:
    points, reasons = _by_name(table, COMPANY_WORDS)
    more, hinted = _by_columns(table, COMPANY_COLUMNS)
    people, _ = _by_columns(table, {"password": 4, "firstname": 3, "lastname": 3})
    return _with_references(table, links, points + more - people, [*reasons, *hinted])


def _person(table: TableFacts, links: Links) -> Candidate:
    points, reasons = _by_name(table, PERSON_WORDS)
    more, hinted = _by_columns(table, PERSON_COLUMNS)
    return _with_references(table, links, points + more, [*reasons, *hinted])


def _with_references(
    table: TableFacts, links: Links, points: float, reasons: Sequence[str]
) -> Candidate:
    if len(table.key) != 1 or table.is_view or not set(words_of(table.name)).isdisjoint(DEED_WORDS):
        points -= POINTS_MIN
    referring = list(dict.fromkeys(link.table.name for link in links.to.get(table, ())))
    said = [f"{list_of(referring)} refer{'s' if len(referring) == 1 else ''} to it"] * bool(
        referring
    )
    return Candidate(table, points + min(len(referring), REFERENCES_MAX), (*reasons, *said))


def _by_name(table: TableFacts, known: Mapping[str, int]) -> tuple[float, list[str]]:
    """The last word says what a thing is: a `company_setting` is no company."""
    words = words_of(table.name)
    points = float(known.get(words[-1], 0)) if words else 0.0
    if points and len(words) > 1:
        points /= 2
    return points, [f"it is called {table.name}"] * bool(points)


def _by_columns(table: TableFacts, known: Mapping[str, int]) -> tuple[float, list[str]]:
    hits = {
        column.name: max(points)
        for column in table.columns
        if (points := [p for word, p in known.items() if word in _spelled(column.name)])
    }
    said = [f"it has {list_of(hits)}"] * bool(hits)
    return min(sum(hits.values()), COLUMNS_POINTS_MAX), said


def _spelled(name: str) -> set[str]:
    """The words of a column's name, and each two of them as one: first_name is firstname."""
    words = words_of(name)
    return {*words, *map("".join, pairwise(words))}


def _trios(single: Mapping[str, Sequence[Candidate]], links: Links) -> Iterator[Trio]:
    company = {each.table: each for each in single[COMPANY] if each.points >= POINTS_MIN}
    person = {each.table: each for each in single[PERSON] if each.points >= POINTS_MIN}
    for table, own in links.of.items():
        for first, second in permutations(own, 2):
            is_pair = first.target in company and second.target in person
            if is_pair and first.target is not second.target:
                yield _trio(table, company[first.target], person[second.target], first, second)
        for link in own:
            if table in person and link.target in company:
                yield _direct(company[link.target], person[table], link)


def _trio(
    table: TableFacts, company: Candidate, person: Candidate, account: Link, user: Link
) -> Trio:
    points = company.points + person.points + account.is_declared + user.is_declared
    reasons = [f"each row joins one of {person.table.name} with one of {company.table.name}"]
    words = set(words_of(table.name))
    if words & MEMBERSHIP_WORDS or (words & COMPANY_WORDS.keys() and words & PERSON_WORDS.keys()):
        points += 6
        reasons.insert(0, f"it is called {table.name}")
    points -= 12 * bool(words & DEED_WORDS)
    if set(table.key) == {account.column, user.column}:
        points += 5
        reasons.append("the pair is its key")
    roles = [c.name for c in table.columns if ROLE_WORDS & set(words_of(c.name))]
    if roles:
        points += 3
        reasons.append(f"it has {list_of(roles)}")
    points += 2 * (len(table.columns) <= COLUMNS_FEW) - 3 * (len(table.columns) > COLUMNS_MANY)
    points += _by_rows(company.table, person.table, table)
    return Trio(company.table, person.table, table, account, user, points, tuple(reasons))


def _direct(company: Candidate, person: Candidate, account: Link) -> Trio:
    points = company.points + person.points + 3 + account.is_declared
    points += _by_rows(company.table, person.table, person.table)
    reasons = (f"each of its rows names one of {company.table.name}, in {account.column}",)
    return Trio(company.table, person.table, person.table, account, None, points, reasons)


def _by_rows(company: TableFacts, person: TableFacts, membership: TableFacts) -> float:
    """A company has people; nearly everybody belongs to one."""
    companies, people, memberships = (
        table.rows_estimated or 0 for table in (company, person, membership)
    )
    if not companies or not people:
        return 0
    points = 2 if companies <= people else -3
    return points + (2 if memberships >= people / 2 else -2)


def _in_order(single: Sequence[Candidate], leading: Sequence[TableFacts]) -> tuple[Candidate, ...]:
    """Those that a membership joins first, then the others that are likely by themselves."""
    place = {table: -number for number, table in reversed(list(enumerate(leading)))}
    likely = [each for each in single if each.points >= POINTS_MIN]
    last = -len(leading) - 1
    return tuple(sorted(likely, key=lambda each: (-place.get(each.table, last), -each.points)))
