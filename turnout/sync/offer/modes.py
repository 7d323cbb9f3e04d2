"""How a table would be copied, and why so."""

from __future__ import annotations

from dataclasses import dataclass

from turnout.sync.facts import ColumnFacts, ServerFacts, TableFacts
from turnout.sync.offer.words import words_of

# Below this, copying a table whole takes seconds and misses nothing.
WHOLE_ROWS_MAX = 1_000_000
WRITTEN_WORDS = frozenset({"updated", "modified", "changed", "update", "modification"})
TIMES = ("timestamp", "datetime")


@dataclass(frozen=True, slots=True)
class OfferedMode:
    """`cursor` is the column that says what is new, where one is worth using."""

    mode: str
    cursor: str
    sentence: str


def offered_mode(facts: ServerFacts, table: TableFacts) -> OfferedMode:
    """What suits `table` on this server; `auto` chooses the same while it is as it is now."""
    rows = table.rows_estimated
    if table.is_view or not table.key:
        why = "it is a view" if table.is_view else "it has no key to tell rows apart"
        return OfferedMode("auto", "", f"whole each time: {why}")
    if rows is None or rows < WHOLE_ROWS_MAX:
        return OfferedMode("auto", "", "whole each time: that takes seconds")
    cursor = next((c.name for c in table.columns if c.is_indexed and _is_written_at(c)), "")
    if cursor:
        return OfferedMode(
            "auto", cursor, f"what is new by {cursor}, and deletions by comparing keys"
        )
    if facts.kind == "PostgreSQL":
        return OfferedMode(
            "auto", "", "what PostgreSQL says was written, and deletions by comparing keys"
        )
    return OfferedMode("auto", "", "whole each time: no indexed column says what is new")


def _is_written_at(column: ColumnFacts) -> bool:
    words = set(words_of(column.name))
    return column.type.lower().startswith(TIMES) and bool(WRITTEN_WORDS & words)
