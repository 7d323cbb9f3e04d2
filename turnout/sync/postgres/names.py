"""Names as SQL spells them."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

from turnout.sync.selection import SelectedTable


def quoted(name: str) -> str:
    """An identifier in double quotes: whatever it holds, it is only a name."""
    return '"' + name.replace('"', '""') + '"'


def listed(names: Iterable[str]) -> str:
    """Identifiers, quoted, with commas between them."""
    return ", ".join(quoted(name) for name in names)


def literal(text: str) -> str:
    """Text as a string of SQL; servers that are asked here read a backslash as itself."""
    return "'" + text.replace("'", "''") + "'"


def qualified(table: SelectedTable) -> str:
    """The table's quoted name with its schema."""
    return f"{quoted(table.schema)}.{quoted(table.name)}"


def parts_mark(parts: str) -> str:
    """A short mark that tells the heaps of a table's partitions from any others; '' of none."""
    return hashlib.sha256(parts.encode()).hexdigest()[:16] if parts else ""
