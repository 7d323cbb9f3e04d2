"""What the query string asks for. A name that is not known here is refused, never ignored."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Any

from litestar.datastructures import MultiDict

from turnout.clips.formats import Shape
from turnout.errors import BadRequest

NUMBER_MAX = 10**12
DIGITS_MAX = 20
YES = {"1": True, "0": False}

PAGE = frozenset({"_offset"})
PART = frozenset({"_limit", "_offset"})
CHART = frozenset({"_theme", "_size"})
PICTURE = frozenset({"_theme"})
DATA = {
    "csv": PART | {"_raw", "_bom", "_header"},
    "json": PART | {"_shape"},
    "svg": PICTURE,
    "png": PICTURE,
}


@dataclass(frozen=True, slots=True)
class View:
    """Which part of an answer, in which shape. `limit` None is all of it."""

    shape: Shape = "arrays"
    limit: int | None = None
    offset: int = 0
    raw: bool = False
    bom: bool = False
    header: bool = True
    theme: str = "light"
    size: str = "wide"

    def __str__(self) -> str:
        """The same text for the same view, to be part of an ETag."""
        return " ".join(f"{field.name}={getattr(self, field.name)}" for field in fields(self))


def read_view(
    query: MultiDict[str], known: frozenset[str], others: frozenset[str] = frozenset()
) -> View:
    """The view asked for; `BadRequest` names what is unknown, repeated or not understood.

    `others` are names that somebody else reads: a clip's parameters.
    """
    unknown = sorted(set(query) - known - others)
    if unknown:
        raise BadRequest(
            f"Nothing here is called '{unknown[0][:60]}'.",
            hint=f"This address knows: {', '.join(sorted(known | others))}.",
        )
    asked = sorted(set(query) - others)
    for name in asked:
        if len(query.getall(name)) > 1:
            raise BadRequest(f"'{name}' is given more than once.")
    return View(**{name.lstrip("_"): _READERS[name](name, query[name]) for name in asked})


def read_number(name: str, value: str) -> int:
    """A whole number; `BadRequest` for anything else."""
    # The length first: Python refuses to read numbers of thousands of digits.
    is_number = value.isascii() and value.isdigit() and len(value) <= DIGITS_MAX
    if not is_number or int(value) > NUMBER_MAX:
        raise BadRequest(f"'{name}' must be a whole number, not '{value[:60]}'.")
    return int(value)


def _yes(name: str, value: str) -> bool:
    if value not in YES:
        raise BadRequest(f"'{name}' must be 1 or 0, not '{value[:60]}'.")
    return YES[value]


def _one_of(*allowed: str) -> Callable[[str, str], str]:
    def read(name: str, value: str) -> str:
        if value not in allowed:
            raise BadRequest(f"'{name}' must be one of {', '.join(allowed)}, not '{value[:60]}'.")
        return value

    return read


_READERS: dict[str, Callable[[str, str], Any]] = {
    "_shape": _one_of("arrays", "objects"),
    "_limit": read_number,
    "_offset": read_number,
    "_raw": _yes,
    "_bom": _yes,
    "_header": _yes,
    "_theme": _one_of("light", "dark"),
    "_size": _one_of("wide", "narrow", "card"),
}
