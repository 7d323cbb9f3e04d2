"""Which settings a report was made from: a file, told by its hash."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Origin:
    """The settings' file, when it was changed last, and its SHA-256; empty when there is none.

    Environment variables may say otherwise; what the report tells is what is in force.
    """

    file: str
    changed_at: datetime | None
    sha256: str


def origin_of(path: Path) -> Origin:
    """The file as it is now."""
    try:
        content = path.read_bytes()
        changed_at = datetime.fromtimestamp(path.stat().st_mtime, UTC)
    except OSError:
        return Origin(path.name, None, "")
    return Origin(path.name, changed_at, hashlib.sha256(content).hexdigest())
