"""Names for tables and columns out of the names people send, as Segment's warehouses have them.

Words are the runs of capitals and digits followed by small letters and digits; joined by `_`.
The same name always becomes the same table or column, in every engine.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from functools import lru_cache

from turnout.events import reserved

NAME_BYTES_MAX = 63
# A longer name keeps this much and ends in a hash of the whole.
NAME_BYTES_KEPT = 54
HASH_CHARS = 8
WORD = re.compile(r"[A-Z0-9]*[a-z0-9]*")


def snake(text: str) -> str:
    """`Pressed Big Button` → `pressed_big_button`; may be empty."""
    return "_".join(word for word in WORD.findall(text) if word).lower()


@lru_cache(maxsize=10_000)
def event_table(event: str) -> str:
    """The table of a track call's event name."""
    name = _safe(event, "event")
    return f"_{name}" if name in reserved.TABLES else name


@lru_cache(maxsize=100_000)
def property_column(path: Sequence[str], taken: frozenset[str] = frozenset()) -> str:
    """The column of a property or trait at `path`; `taken` are further columns of its table."""
    name = _safe("_".join(path), "prop")
    if name in reserved.COLUMNS or name in taken or name.startswith("context_"):
        return _short(f"_{name}")
    return name


@lru_cache(maxsize=100_000)
def context_column(path: Sequence[str]) -> str:
    """The column of a value in an event's context."""
    name = snake("_".join(path)) or f"prop_{_hash('_'.join(path))}"
    return _short(f"context_{name}")


def _safe(text: str, prefix: str) -> str:
    name = snake(text)
    if not name:
        return f"{prefix}_{_hash(text)}"
    if name[0].isdigit() or name in reserved.WORDS:
        name = f"_{name}"
    return _short(name)


def _short(name: str) -> str:
    """Names are ASCII here, so characters are bytes."""
    if len(name) <= NAME_BYTES_MAX:
        return name
    return f"{name[:NAME_BYTES_KEPT]}_{_hash(name)}"


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode(errors="replace")).hexdigest()[:HASH_CHARS]
