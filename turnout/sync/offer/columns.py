"""Which columns of a table are offered: useful, and by all that can be seen not personal."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from turnout.sync.facts import ColumnFacts, TableFacts
from turnout.sync.offer.parts import COMPANY, PERSON
from turnout.sync.offer.words import words_of
from turnout.sync.privacy.personal import looks_personal, may_hold_personal

# Types whose values are short and of one kind, by what their name begins with.
PLAIN_TYPES = (
    "bool", "bit(1)", "tinyint", "smallint", "mediumint", "int", "bigint", "serial", "bigserial",
    "numeric", "decimal", "double", "real", "float", "money", "date", "time", "year", "uuid",
    "enum",
)  # fmt: skip
# Texts that are words of a list rather than somebody's own words.
LIST_WORDS = frozenset(
    {
        "role", "plan", "status", "state", "type", "kind", "tier", "country", "currency",
        "language", "locale", "timezone", "zone", "industry", "category", "source", "channel",
        "segment", "level", "stage", "region", "interval", "period", "provider", "sku", "version",
    }
)  # fmt: skip
CODE = ("char(2)", "char(3)", "character(2)", "character(3)")
# What a person's table calls somebody by; elsewhere it names a thing.
CALLED = frozenset({"name", "username", "login", "handle", "slug", "title", "nick"})


@dataclass(frozen=True, slots=True)
class OfferedColumn:
    """A column, whether it is proposed to be copied, and if it looks personal, why.

    `treat` is what is proposed to happen to its values, where they are needed and personal.
    """

    name: str
    type: str
    is_selected: bool
    personal: str | None = None
    left_out: str | None = None
    treat: str = ""


def offered_columns(
    table: TableFacts,
    part: str,
    *,
    needed: Collection[str],
    seen: Mapping[str, str] | None = None,
) -> tuple[OfferedColumn, ...]:
    """Every column of `table`, in its order. `needed` ones join tables and are always proposed.

    `seen` says of columns whose values were sampled what those look like.
    """
    return tuple(
        _offered(column, part, is_needed=column.name in needed, seen=(seen or {}).get(column.name))
        for column in table.columns
    )


def _offered(column: ColumnFacts, part: str, *, is_needed: bool, seen: str | None) -> OfferedColumn:
    personal = _personal(column, part) or seen or None
    if is_needed:
        # Hashed with the same key it still joins with itself, in other tables and in events.
        treat = ("hash:email" if "mail" in personal else "hash") if personal else ""
        return OfferedColumn(column.name, column.type, True, personal, treat=treat)
    left_out = None if personal else _useless(column, part)
    return OfferedColumn(column.name, column.type, not (personal or left_out), personal, left_out)


def _personal(column: ColumnFacts, part: str) -> str | None:
    if part == PERSON and words_of(column.name)[-1:] and words_of(column.name)[-1] in CALLED:
        return None if _is_plain(column) else "a person's name"
    return looks_personal(column.name, column.type)


def _useless(column: ColumnFacts, part: str) -> str | None:
    """Why a column that looks harmless is not proposed all the same; None when it is."""
    if _is_plain(column) or column.type.lower().startswith(CODE):
        return None
    if may := may_hold_personal(column.name, column.type):
        # What the column is called says it, where the type alone does not.
        return None if _is_list(column.name) or _names_company(column.name, part) else may
    if _is_list(column.name) or _names_company(column.name, part):
        return None
    return "free text"


def _is_plain(column: ColumnFacts) -> bool:
    type_ = column.type.lower()
    # `interval` and `integer[]` begin like plain types.
    is_other = type_.startswith(("interval", "point")) or type_.endswith("[]")
    return bool(column.values) or (type_.startswith(PLAIN_TYPES) and not is_other)


def _is_list(name: str) -> bool:
    return bool(LIST_WORDS & set(words_of(name)))


def _names_company(name: str, part: str) -> bool:
    """A company's name is no person's, and every answer wants to say it."""
    return part == COMPANY and words_of(name)[-1:] == ("name",) and not looks_personal(name)
