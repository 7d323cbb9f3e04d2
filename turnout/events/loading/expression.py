"""The careful SQL of one table's rows, where some value may not fit: nothing of it is lost.

`context_v` and `part_v` are the lists of a message's values as text, from its two documents, and
`context_t` and `part_t` those of their kinds, each extracted in a single parse. Every feed becomes
one typed expression; what does not fit is noticed by being there as text and absent as a value.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from turnout.events.loading.iso import time_sql
from turnout.events.loading.plan import EXACT_MAX, FITTING, Found, Path, Plan
from turnout.warehouse import Column, Type
from turnout.warehouse.duckdb import DIALECT

REASONS = {
    Type.INTEGER: "not_an_integer",
    Type.FLOAT: "not_a_number",
    Type.BOOLEAN: "not_a_boolean",
    Type.TIME: "not_a_time",
}
INEXACT = "inexact"
NAME_TAKEN = "name_taken"
BAD_TIMESTAMP = "bad_timestamp"


@dataclass(frozen=True, slots=True)
class Feed:
    """One path on its way into one column."""

    found: Found
    column: str
    name: str
    text: str  # as an expression over the extracted lists
    kind: str | None  # the same, where kinds must be told apart
    value: str


@dataclass(frozen=True, slots=True)
class Misfit:
    """A value that its column did not take: when, which, and why."""

    condition: str
    json: str
    spelling: str
    column: str
    text: str
    reason: str


BAD_TIME = Misfit(
    "bad_time IS NOT NULL", "bad_time", "timestamp", "timestamp",
    "json_extract_string(bad_time, '$')", BAD_TIMESTAMP,
)  # fmt: skip


class CarefulRows:
    """The SELECT of a plan's columns beside `own` ones (name → expression over the messages)."""

    def __init__(self, plan: Plan, own: Mapping[str, str], *, bad_times: bool) -> None:
        """`bad_times` says that the messages have some whose time could not be read."""
        self._texts = Lists("v")
        self._kinds = Lists("t")
        self._feeds = [
            self._feed(found, each.column, f"f{number}")
            for number, (each, found) in enumerate(
                (each, found) for each in plan.planned for found in each.feeds
            )
        ]
        self._misfits = [*_misfits(plan, self._feeds)]
        self._homeless = plan.homeless
        if bad_times:
            self._misfits.append(BAD_TIME)
        self._columns = [
            *(f"{expression} AS {DIALECT.identifier(name)}" for name, expression in own.items()),
            *_columns(plan, self._feeds),
        ]

    def sql(self, source: str) -> str:
        """The columns, `_rescued`, and in `_misfits` what `discards` will say."""
        columns = [
            *self._columns,
            f"{_rescued(self._misfits, self._homeless)} AS _rescued",
            f"{_listed(self._misfits)} AS _misfits",
        ]
        values = "".join(f", {feed.value} AS {feed.name}" for feed in self._feeds)
        lists = self._texts.sql("json_extract_string") + self._kinds.sql("json_type")
        return (
            f"SELECT {', '.join(columns)} FROM "
            f"(SELECT *{values} FROM (SELECT *{lists} FROM {source}))"
        )

    def _feed(self, found: Found, column: Column, name: str) -> Feed:
        fitting = FITTING.get(column.type)
        strange = found.kinds - {"NULL"} - (fitting or found.kinds - {"OBJECT"})
        kind = self._kinds.place(found.path) if strange else None
        text = self._texts.place(found.path)
        plain = _json_value(found.path) if column.type is Type.JSON else _value(text, column.type)
        value = _guarded(plain, kind, fitting)
        return Feed(found, column.name, name, text, kind, value)


class Lists:
    """Lists of what is extracted from each document, named for it: `context_v`, `part_v`."""

    def __init__(self, ending: str) -> None:
        self._ending = ending
        self._pointers: dict[str, list[str]] = {}

    def place(self, path: Path) -> str:
        """Where the value of `path` will be, as an expression; a document of text is itself."""
        if path.depth == 0:
            return path.document
        pointers = self._pointers.setdefault(path.document, [])
        pointers.append(path.pointer)
        return f"{path.document}_{self._ending}[{len(pointers)}]"

    def sql(self, function: str) -> str:
        """The lists as further columns."""
        return "".join(
            f", {function}({document}, {literals(pointers)}) AS {document}_{self._ending}"
            for document, pointers in self._pointers.items()
        )


def _value(text: str, type_: Type) -> str:
    if type_ is Type.INTEGER:
        return f"TRY_CAST({text} AS BIGINT)"
    if type_ is Type.FLOAT:
        # What is too large for a float would become an infinity.
        number = f"TRY_CAST({text} AS DOUBLE)"
        return f"CASE WHEN isfinite({number}) THEN {number} END"
    if type_ is Type.BOOLEAN:
        return f"{text} = 'true'"
    if type_ is Type.TIME:
        return time_sql(text)
    return text


def _guarded(value: str, kind: str | None, fitting: frozenset[str] | None) -> str:
    """Only kinds that fit become a value; text takes everything but an object."""
    if kind is None:
        return value
    if fitting is None:
        return f"CASE WHEN {kind} <> 'OBJECT' THEN {value} END"
    return (
        f"CASE WHEN {kind} IN ({', '.join(map(DIALECT.literal, sorted(fitting)))}) THEN {value} END"
    )


def _columns(plan: Plan, feeds: list[Feed]) -> list[str]:
    return [
        f"{_winner(feeds, each.column.name)} AS {DIALECT.identifier(each.column.name)}"
        for each in plan.planned
    ]


def _winner(feeds: list[Feed], column: str) -> str:
    """The first value there is, of those that feed a column."""
    names = [feed.name for feed in feeds if feed.column == column]
    return names[0] if len(names) == 1 else f"coalesce({', '.join(names)})"


def _misfits(plan: Plan, feeds: list[Feed]) -> Iterable[Misfit]:
    types = {each.column.name: each.column.type for each in plan.planned}
    shared = {each.column.name for each in plan.planned if len(each.feeds) > 1}
    for feed in feeds:
        type_ = types[feed.column]
        if type_ in REASONS:
            yield _misfit(feed, _not_taken(feed), REASONS[type_])
        winner = _winner(feeds, feed.column)
        if type_ is Type.FLOAT:
            # A loser is rescued for that alone, and only once.
            yield _misfit(feed, f"{_inexact(feed)} AND {feed.name} = {winner}", INEXACT)
        if feed.column in shared:
            yield _misfit(feed, f"{feed.name} <> {winner}", NAME_TAKEN)


def _misfit(feed: Feed, condition: str, reason: str) -> Misfit:
    path = feed.found.path
    return Misfit(condition, _json(path), path.spelling, feed.column, feed.text, reason)


def _json(path: Path) -> str:
    """The value as it was sent."""
    if path.depth == 0:
        return f"to_json({path.document})"
    return f"json_extract({path.document}, {DIALECT.literal(path.pointer)})"


def _json_value(path: Path) -> str:
    return f"nullif(CAST({_json(path)} AS VARCHAR), 'null')"


def _not_taken(feed: Feed) -> str:
    """There as text, but no value: an empty text is simply none, an object has members."""
    condition = f"{feed.name} IS NULL AND {feed.text} <> ''"
    return f"{condition} AND {feed.kind} <> 'OBJECT'" if feed.kind else condition


def _inexact(feed: Feed) -> str:
    """A whole number that lost digits: the column has the float, `_rescued` the digits."""
    return (
        f"abs({feed.name}) >= {EXACT_MAX} AND regexp_full_match({feed.text}, '-?\\d+') "
        f"AND CAST(TRY_CAST({feed.name} AS HUGEINT) AS VARCHAR) IS DISTINCT FROM {feed.text}"
    )


def _rescued(misfits: list[Misfit], homeless: list[Found]) -> str:
    """All misfits of a row as one JSON object, as they were sent."""
    members = [
        f"CASE WHEN {each.condition} THEN {DIALECT.literal(_json_name(each.spelling))} "
        f"|| CAST({each.json} AS VARCHAR) END"
        for each in misfits
    ]
    members += _members(homeless)
    inside = f"nullif(concat_ws(',', {', '.join(members)}), '')" if members else "NULL"
    return f"CAST('{{' || {inside} || '}}' AS JSON)"


def _members(homeless: list[Found]) -> Iterable[str]:
    """The values that found no column, in one expression a document: there may be thousands."""
    for document in ("context", "part"):
        some = [found for found in homeless if found.path.document == document]
        if some:
            listed = (
                f"list_transform(list_filter({_zipped(document, some)}, "
                "lambda each: each[2] IS NOT NULL), lambda each: each[1] || each[2])"
            )
            yield f"nullif(array_to_string({listed}, ','), '')"


def _zipped(document: str, homeless: list[Found]) -> str:
    """Names beside values as JSON text: NULL for what is absent, null, or has members instead."""
    names = literals(_json_name(found.path.spelling) for found in homeless)
    pointers = literals(found.path.pointer for found in homeless)
    is_leaf = ", ".join("false" if "OBJECT" in found.kinds else "true" for found in homeless)
    values = (
        f"list_transform(list_zip(json_extract({document}, {pointers}), [{is_leaf}]), "
        "lambda each: CASE WHEN each[2] OR each[1]::VARCHAR NOT LIKE '{%' "
        "THEN nullif(each[1]::VARCHAR, 'null') END)"
    )
    return f"list_zip({names}, {values})"


def _listed(misfits: list[Misfit]) -> str:
    """What `discards` says; of what found no column a notice speaks once, not each row."""
    entries = [
        f"CASE WHEN {each.condition} THEN {{'column_name': {DIALECT.literal(each.column)}, "
        f"'column_value': {each.text}, 'reason': '{each.reason}'}} END"
        for each in misfits
    ]
    if not entries:
        return "[]"
    return f"list_filter([{', '.join(entries)}], lambda each: each IS NOT NULL)"


def _json_name(name: str) -> str:
    return json.dumps(name) + ":"


def literals(texts: Iterable[str]) -> str:
    """A list of text literals, also when it is empty."""
    inside = ", ".join(map(DIALECT.literal, texts))
    return f"[{inside}]::VARCHAR[]"
