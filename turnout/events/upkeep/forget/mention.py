"""Whether the beginning of a refused event, which may be no JSON any more, names somebody."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable

KEYS = "userId|anonymousId|previousId|groupId|user_id|anonymous_id|previous_id|group_id"
# An id this long means the same wherever it stands; a shorter one only beside such a key.
TELLING_CHARS_MIN = 6


def mention_pattern(ids: Iterable[str]) -> str:
    """A regular expression (RE2) for heads that name one of `ids`; matches nothing for none."""
    parts: list[str] = []
    for id_ in ids:
        text = "".join(map(_spelled, id_))
        parts.append(rf'"(?:{KEYS})"\s*:\s*"?\s*{text}\s*(?:["\s,}}]|$)')
        if len(id_) >= TELLING_CHARS_MIN:
            parts.append(rf"(?:^|[^\w]){text}(?:[^\w]|$)")
    return "|".join(parts) or r"[^\s\S]"


def _spelled(character: str) -> str:
    """All that JSON may write for it: a head is kept as it was sent, with its escapes."""
    if character.isascii() and character.isalnum():
        return character
    units = character.encode("utf-16-be").hex(" ", 2).split()
    spellings = (
        re.escape(character),
        re.escape(json.dumps(character)[1:-1]),
        re.escape("\\" + character),
        "(?i:" + "".join(rf"\\u{unit}" for unit in units) + ")",
    )
    return f"(?:{'|'.join(dict.fromkeys(spellings))})"
