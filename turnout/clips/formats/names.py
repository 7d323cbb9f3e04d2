"""Names of columns, where a format wants each only once."""

from __future__ import annotations


def unique(fields: list[str]) -> list[str]:
    """The fields, repeats numbered: a, a, a_2 → a, a_2, a_2_2."""
    seen: set[str] = set()
    names = []
    for field in fields:
        name, number = field, 1
        while name in seen:
            number += 1
            name = f"{field}_{number}"
        seen.add(name)
        names.append(name)
    return names
