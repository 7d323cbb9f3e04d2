"""Which statements a clip may be, and plain words for those it may not.

The gate is courtesy and a second line: what holds is that the worker can neither write nor open
anything. Pure text in, a sentence out; the worker enforces it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

ALLOWED = frozenset({"SELECT", "EXPLAIN", "MULTI"})

READS_ONLY = "Clips only read; nothing can be written or changed in them."
FILES = "Clips read only the warehouse; files and web addresses are closed to them."

# Why a kind of statement (the engine's own word for it) is refused.
REASONS = {
    "COPY": "Clips write no files. Every answer can be had as CSV or JSON at the clip's address.",
    "COPY_DATABASE": "Clips cannot copy databases.",
    "EXPORT": "Clips write no files. Every answer can be had as CSV or JSON at the clip's address.",
    "ATTACH": "Clips read only the warehouse; no other database can be attached.",
    "DETACH": "Clips read only the warehouse; it cannot be detached.",
    "SET": "Settings are fixed in clips.",
    "VARIABLE_SET": "Settings are fixed in clips.",
    "PRAGMA": "PRAGMA is not available in clips; DESCRIBE and SHOW TABLES are.",
    "CALL": "CALL is not available in clips.",
    "LOAD": "Extensions cannot be loaded in clips.",
    "TRANSACTION": "A clip is one reading statement and needs no transaction.",
    "PREPARE": "Prepared statements are not available in clips.",
    "EXECUTE": "Prepared statements are not available in clips.",
    "EXTENSION": "Extensions cannot be loaded in clips.",
}

# What the engine says when it meets a wall, and what we say instead.
WALLS = (
    (re.compile(r"read-only mode|read only transaction", re.IGNORECASE), READS_ONLY),
    (
        re.compile(
            r"disabled (?:by|through) configuration|file ?system \w+ has been disabled"
            r"|external access|Cannot access (?:file|directory)|Not enough file descriptors"
            r"|Scanning \w+ files|Too many open files",
            re.IGNORECASE,
        ),
        FILES,
    ),
    (re.compile(r"configuration has been locked", re.IGNORECASE), REASONS["SET"]),
    (re.compile(r"Max expression depth"), "The query nests deeper than clips allow."),
)
MEMORY = re.compile(
    r"Out of Memory Error|bad_?alloc|failed to allocate|Allocation failure", re.IGNORECASE
)

HINT = "Begin with SELECT, FROM or WITH."

# Blank space and comments between words.
GAP = r"(?:\s|--[^\n]*(?:\n|$)|/\*.*?\*/)"
ANALYZE = re.compile(
    rf"^{GAP}*explain{GAP}*(?:analy[sz]e\b|\([^)]*analy[sz]e\b)", re.IGNORECASE | re.DOTALL
)


def refusal(statements: Sequence[tuple[str, str]]) -> str | None:
    """Why these statements, each (kind, text) as the engine split them, may not run; or None."""
    if not statements:
        return "There is no query here."
    if len(statements) > 1:
        return f"A clip is one statement; this text holds {len(statements)}."
    kind, text = statements[0]
    if kind == "EXPLAIN" and ANALYZE.search(text):
        return "EXPLAIN ANALYZE is not available in clips; plain EXPLAIN is."
    if kind == "MULTI" and "pivot" not in text.lower():
        return READS_ONLY
    if kind in ALLOWED:
        return None
    return REASONS.get(kind, READS_ONLY)


def friendly(message: str) -> str | None:
    """Our sentence for an engine's error that comes from a wall; None for the author's own."""
    return next((sentence for wall, sentence in WALLS if wall.search(message)), None)


def is_memory(message: str) -> bool:
    """Whether the engine's error says that memory ran out."""
    return MEMORY.search(message) is not None
