"""Statements as pg_dump writes them, cut into words: enough SQL to read definitions by.

Nothing is executed or evaluated. Texts, comments and bodies of functions are each one word, so
that what stands in them is never taken for a statement.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

WORD = re.compile(
    r"""
    (?P<space> \s+ | --[^\n]* | /\*.*?\*/ )
  | [eE]'(?: [^'\\] | \\. | '' )*'
  | '(?: [^'] | '' )*'
  | "(?: [^"] | "" )*"
  | \$(?P<tag>\w*)\$ .*? \$(?P=tag)\$
  | [^\W\d][\w$]*
  | \d[\w.]*
  | .
    """,
    re.VERBOSE | re.DOTALL,
)
# What psql, not the server, is told: \connect, \restrict.
TOLD_PSQL = re.compile(r"^\\.*$", re.MULTILINE)
# Reserved words, and the verbs that definitions begin with: people write them in any case.
KEYWORDS = frozenset(
    ("ADD", "ALTER", "CHECK", "COLLATE", "CONSTRAINT", "CREATE", "DEFAULT", "FOREIGN", "LIKE",
     "NOT", "NULL", "ONLY", "PRIMARY", "REFERENCES", "TABLE", "UNIQUE")
)  # fmt: skip


def statements(text: str) -> Iterator[list[str]]:
    """The words of each statement, without its semicolon."""
    words: list[str] = []
    depth = 0
    for word in _words(TOLD_PSQL.sub("", text)):
        depth += (word == "(") - (word == ")")
        if word == ";" and depth <= 0:
            yield words
            words, depth = [], 0
        else:
            words.append(word)
    if words:
        yield words


def list_items(words: Sequence[str]) -> Iterator[list[str]]:
    """What stands between the commas of the parentheses that `words` opens with."""
    item: list[str] = []
    depth = 0
    for word in words:
        depth += word in ("(", "[")
        if depth > 1 or (depth == 1 and word not in ("(", ",", ")")):
            item.append(word)
        elif item:
            yield item
            item = []
        depth -= word in (")", "]")
        if depth == 0:
            return


def begins(words: Sequence[str], *start: str) -> bool:
    """Whether the statement begins with these words, in upper case as pg_dump writes them."""
    return tuple(words[: len(start)]) == start


def qualified_name(words: Sequence[str], schema: str) -> tuple[tuple[str, str], int]:
    """Schema and name at the start of `words`, and how many words they take."""
    first = identifier(words[0])
    if words[1:2] == ["."]:
        return (first, identifier(words[2])), 3
    return (schema, first), 1


def identifier(word: str) -> str:
    """The name that a word spells."""
    return word[1:-1].replace('""', '"') if word.startswith('"') else word


def _words(text: str) -> Iterator[str]:
    for match in WORD.finditer(text):
        if match["space"] is None:
            word = match[0]
            yield word.upper() if word.upper() in KEYWORDS else word
