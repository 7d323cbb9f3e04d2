"""What a statement in the log does to the tables that are copied.

Rows come as rows. Statements say the rest: that a table was emptied, altered, renamed or dropped;
or, where somebody logs statements instead of rows, a change whose rows nobody can know.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from turnout.sync.selection import SelectedTable

# Names in their quotes stay (a session may quote them as texts are), comments and texts go.
QUOTED = r"`(?:[^`]|``)+`|\"(?:[^\"\\]|\"\"|\\.)*\""
NOISE = re.compile(
    rf"(?P<name>{QUOTED})|'(?:[^'\\]|''|\\.)*'|/\*(?!M?!).*?\*/|--\s[^\n]*|#[^\n]*", re.DOTALL
)
PART = rf"(?:{QUOTED}|[\w$]+)"
NAME = re.compile(rf"({PART})(?:\s*\.\s*({PART}))?")
WORD = re.compile(PART)
TABLE_STATEMENT = re.compile(
    r"(?P<verb>TRUNCATE|ALTER|DROP|RENAME|CREATE)\b"
    r"(?:\s+(?:OR\s+REPLACE|ONLINE|OFFLINE|IGNORE|TEMPORARY))*"
    r"(?P<table>\s+TABLES?)?(?:\s+IF\s+(?:NOT\s+)?EXISTS)?\s+(?P<rest>.*)",
    re.DOTALL | re.IGNORECASE,
)
DATABASE_STATEMENT = re.compile(r"(?:DROP|ALTER)\s+(?:DATABASE|SCHEMA)\b", re.IGNORECASE)
# Changes of rows, where rows should have been logged.
ROWS = re.compile(r"(?:INSERT|UPDATE|DELETE|REPLACE|LOAD|WITH)\b", re.IGNORECASE)
XA_COMMIT = re.compile(r"XA\s+COMMIT\b", re.IGNORECASE)
# What an ALTER may say that changes values without naming their columns.
SWEEPING = {"CONVERT", "CHARACTER", "CHARSET", "COLLATE", "DISCARD", "IMPORT", "EXCHANGE", "RENAME"}
EMPTYING = {"DROP", "TRUNCATE"}


@dataclass(frozen=True, slots=True)
class Done:
    """What happened to one table: it was emptied, or why its rows cannot be followed any more."""

    table: SelectedTable
    torn: str = ""


def effects(
    sql: str, database: str, tables: Mapping[tuple[str, str], SelectedTable]
) -> Iterator[Done]:
    """What `sql`, run in `database`, did to `tables` (by database and name)."""
    plain = NOISE.sub(lambda noise: noise["name"] or " ", sql).strip()
    if XA_COMMIT.match(plain):
        reason = "a transaction of several databases (XA) was committed"
        yield from (Done(table, reason) for table in tables.values())
        return
    match = TABLE_STATEMENT.match(plain)
    verb = match["verb"].upper() if match else ""
    if match and (match["table"] or verb == "TRUNCATE"):
        yield from _of_tables(verb, match["rest"], database, tables)
    elif ROWS.match(plain):
        reason = "a change was logged as a statement instead of rows"
        yield from _mentioned(plain, reason, tables)
    elif DATABASE_STATEMENT.match(plain):
        yield from _mentioned(plain, "its database was dropped or altered", tables, of=0)


def _of_tables(
    verb: str, rest: str, database: str, tables: Mapping[tuple[str, str], SelectedTable]
) -> Iterator[Done]:
    if verb == "TRUNCATE":
        for table in _named(rest, database, tables):
            yield Done(table)
    elif verb == "ALTER":
        match = NAME.match(rest)
        for table in _named(match[0] if match else "", database, tables):
            if _is_altered(_words(rest[match.end() if match else 0 :]), table):
                yield Done(table, "it was altered")
    elif verb == "CREATE":
        match = NAME.match(rest)
        for table in _named(match[0] if match else "", database, tables):
            yield Done(table, "it was created anew")
    else:
        for part in re.split(r",|\bTO\b", rest, flags=re.IGNORECASE):
            for table in _named(part, database, tables):
                yield Done(table, "it was renamed" if verb == "RENAME" else "it was dropped")


def _is_altered(said: set[str], table: SelectedTable) -> bool:
    """Whether an ALTER that says these words may have changed selected values."""
    has_lost_rows = "PARTITION" in said and said & EMPTYING
    columns = {name.upper() for name in table.columns}
    return bool(said & SWEEPING or has_lost_rows or said & columns)


def _named(
    text: str, database: str, tables: Mapping[tuple[str, str], SelectedTable]
) -> Iterator[SelectedTable]:
    match = NAME.match(text.strip())
    if match is None:
        return
    first, second = _bare(match[1]), _bare(match[2] or "")
    name = (first, second) if second else (database, first)
    # A server on a system that tells no upper case from lower may write either.
    for key, table in tables.items():
        if tuple(part.casefold() for part in key) == tuple(part.casefold() for part in name):
            yield table


def _mentioned(
    plain: str, reason: str, tables: Mapping[tuple[str, str], SelectedTable], *, of: int = 1
) -> Iterator[Done]:
    """Tables whose name (or database, `of` 0) is anywhere in the statement."""
    words = _words(plain)
    yield from (Done(table, reason) for key, table in tables.items() if key[of].upper() in words)


def _words(text: str) -> set[str]:
    return {_bare(word).upper() for word in WORD.findall(text)}


def _bare(name: str) -> str:
    quote = name[:1]
    return name[1:-1].replace(quote * 2, quote) if quote in ("`", '"') else name
