"""What a table's or a column's name says: its words, each in the singular."""

from __future__ import annotations

import re
from collections.abc import Iterable

WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")
IRREGULAR = {"people": "person", "children": "child", "men": "man", "women": "woman"}
# What frameworks and habits put before a table's own name.
PREFIXES = frozenset({"app", "auth", "core", "tbl", "t", "main", "base", "crm", "django", "public"})

# How surely a word names a company, the customer's unit that all is counted by; of 10.
COMPANY_WORDS = {
    "company": 10, "organization": 10, "organisation": 10, "org": 9, "tenant": 10,
    "workspace": 8, "account": 8, "business": 8, "firm": 8, "enterprise": 7, "team": 7,
    "customer": 6, "client": 6, "merchant": 6, "shop": 5, "school": 5, "club": 5, "site": 4,
    "agency": 6, "group": 3, "project": 3, "space": 3,
}  # fmt: skip
# The same for one human being who uses the product.
PERSON_WORDS = {
    "user": 10, "person": 10, "member": 7, "employee": 7, "contact": 5, "login": 5, "customer": 4,
    "staff": 5, "profile": 4, "admin": 4, "agent": 4, "account": 3, "identity": 3, "participant": 4,
}  # fmt: skip
MEMBERSHIP_WORDS = frozenset({"membership", "member", "seat", "enrollment", "affiliation"})
# What people did with companies: it has both in a row too, and says nothing of who belongs where.
DEED_WORDS = frozenset(
    {
        "audit", "log", "event", "history", "invitation", "invite", "session", "token", "message",
        "notification", "comment", "activity", "request", "visit", "view", "import", "export",
        "file", "job", "task", "ticket", "order", "payment", "invoice", "note",
    }
)  # fmt: skip


def words_of(name: str) -> tuple[str, ...]:
    """The words of `name`: `CompanyUsers` and `company_users` are company, user."""
    found = tuple(word for part in WORD.findall(name) for word in _apart(singular(part.lower())))
    while len(found) > 1 and found[0] in PREFIXES:
        found = found[1:]
    return found


def singular(word: str) -> str:
    """`word` as one thing of its kind, as far as that can be told from its end."""
    if word in IRREGULAR:
        return IRREGULAR[word]
    for ending, one in (("ies", "y"), ("sses", "ss"), ("xes", "x"), ("ches", "ch")):
        if word.endswith(ending) and len(word) > len(ending) + 1:
            return word.removesuffix(ending) + one
    if word.endswith("s") and not word.endswith(("ss", "us", "is")):
        return word[:-1]
    return word


def list_of(names: Iterable[str], shown_max: int = 4) -> str:
    """Names for a sentence; of many the first."""
    names = list(names)
    rest = len(names) - shown_max
    return ", ".join(names[:shown_max]) + (f" and {rest} more" if rest > 0 else "")


def _apart(word: str) -> tuple[str, ...]:
    """`companyperson` is two words that were written as one."""
    if word in COMPANY_WORDS or word in PERSON_WORDS:
        return (word,)
    for first in (*COMPANY_WORDS, *PERSON_WORDS):
        second = singular(word.removeprefix(first))
        if second != word and (second in COMPANY_WORDS or second in PERSON_WORDS):
            return (first, second)
    return (word,)
