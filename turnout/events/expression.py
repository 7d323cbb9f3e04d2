"""The SQL of one table's rows: from a plan to one SELECT over routed messages.

`v` is the list of a message's values as text and `t` the list of their kinds, each extracted in
a single parse. Every feed becomes one typed expression; what does not fit is noticed by being
there as text and absent as a value.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from turnout.events.plan import FITTING, TIME_PATTERN, Found, Plan
from turnout.warehouse import Type
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
# From here on not every whole number is a float.
EXACT_MAX = 2**53


@dataclass(frozen=True, slots=True)
class Feed:
    """One path on its way into one column."""

    found: Found
    column: str
    number: int  # its place in `v`, from 1
    kind: str | None  # its place in `t` as an expression, where kinds must be told apart
    value: str

    @property
    def name(self) -> str:
        return f"f{self.number}"

    @property
    def text(self) -> str:
        return f"v[{self.number}]"


@dataclass(frozen=True, slots=True)
class Misfit:
    """A value that its column did not take: when, which, and why."""

    condition: str
    pointer: str
    spelling: str
    column: str
    text: str
    reason: str


class RowsSelect:
    """SELECTs of a plan's columns beside `own` ones (name → expression over the source).

    `plain` only notices rows with a misfit, `careful` rescues them: misfits are rare, and the
    expressions for them cost as much as all others together.
    """

    def __init__(self, plan: Plan, own: Mapping[str, str], *, bad_times: bool) -> None:
        """`bad_times` says that the source has messages whose time could not be read."""
        feeds, self._kinds = _feeds(plan)
        self._feeds = feeds
        self._misfits = [*_misfits(plan, feeds)]
        self._homeless = plan.homeless
        if bad_times:
            self._misfits.append(_bad_time())
        self._columns = [
            *(f"{expression} AS {DIALECT.identifier(name)}" for name, expression in own.items()),
            *_columns(plan, feeds),
        ]

    def plain(self, source: str) -> str:
        """The columns, a NULL `_rescued`, and `_is_misfit`."""
        is_misfit = " OR ".join([*map(_is_there, self._misfits), *_are_there(self._homeless)])
        return self._select(
            ["CAST(NULL AS JSON) AS _rescued", f"{is_misfit or 'false'} AS _is_misfit"], source
        )

    def careful(self, source: str) -> str:
        """The columns, `_rescued`, and in `_misfits` what `discards` will say."""
        listed = [
            f"{_rescued(self._misfits, self._homeless)} AS _rescued",
            f"{_listed(self._misfits)} AS _misfits",
        ]
        return self._select(listed, source)

    def _select(self, more: list[str], source: str) -> str:
        pointers = literals(feed.found.path.pointer for feed in self._feeds)
        values = "".join(f", {feed.value} AS {feed.name}" for feed in self._feeds)
        return (
            f"SELECT {', '.join([*self._columns, *more])} FROM (SELECT *{values} FROM ("
            f"SELECT *, json_extract_string(line, {pointers}) AS v, "
            f"json_type(line, {literals(self._kinds)}) AS t FROM {source}))"
        )


def time_sql(text: str) -> str:
    """The UTC time that `text` says in ISO 8601, or NULL.

    Most texts end in Z: they need neither the pattern nor the calendar of time zones. Years before
    1 are none that other programs can read.
    """
    return (
        f"CASE WHEN {text} < '0001' THEN NULL "
        f"WHEN {text} LIKE '____-__-__T__:__:__%Z' THEN TRY_CAST({text} AS TIMESTAMP) "
        f"WHEN regexp_full_match({text}, '{TIME_PATTERN}') "
        f"THEN TRY_CAST(TRY_CAST({text} AS TIMESTAMPTZ) AS TIMESTAMP) END"
    )


def _feeds(plan: Plan) -> tuple[list[Feed], list[str]]:
    """All feeds of a plan, and the pointers whose kinds they need."""
    feeds: list[Feed] = []
    kinds: list[str] = []
    wanted = [
        (each.column.name, each.column.type, found) for each in plan.planned for found in each.feeds
    ]
    for column, type_, found in wanted:
        fitting = FITTING.get(type_)
        strange = found.kinds - {"NULL"} - (fitting or found.kinds - {"OBJECT"})
        kind = None
        if strange:
            kinds.append(found.path.pointer)
            kind = f"t[{len(kinds)}]"
        number = len(feeds) + 1
        value = _guarded(_value(f"v[{number}]", type_), kind, fitting)
        feeds.append(Feed(found, column, number, kind, value))
    return feeds, kinds


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
    sql: list[str] = []
    for each in plan.planned:
        names = [feed.name for feed in feeds if feed.column == each.column.name]
        value = names[0] if len(names) == 1 else f"coalesce({', '.join(names)})"
        sql.append(f"{value} AS {DIALECT.identifier(each.column.name)}")
    return sql


def _misfits(plan: Plan, feeds: list[Feed]) -> Iterable[Misfit]:
    types = {each.column.name: each.column.type for each in plan.planned}
    first: dict[str, Feed] = {}
    for feed in feeds:
        reason = REASONS.get(types.get(feed.column, Type.TEXT))
        if reason:
            yield _misfit(feed, _not_taken(feed), reason)
        if types.get(feed.column) is Type.FLOAT:
            yield _misfit(feed, _inexact(feed), INEXACT)
        if feed.column in first:
            winner = first[feed.column].name
            lost = f"{winner} IS NOT NULL AND {feed.name} <> {winner}"
            yield _misfit(feed, lost, NAME_TAKEN)
        first.setdefault(feed.column, feed)


def _misfit(feed: Feed, condition: str, reason: str) -> Misfit:
    path = feed.found.path
    return Misfit(condition, path.pointer, path.spelling, feed.column, feed.text, reason)


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


def _bad_time() -> Misfit:
    return Misfit(
        "bad_time IS NOT NULL",
        "/event/timestamp",
        "timestamp",
        "timestamp",
        "bad_time",
        BAD_TIMESTAMP,
    )


def _rescued(misfits: list[Misfit], homeless: list[Found]) -> str:
    """All misfits of a row as one JSON object, as they were sent."""
    members = [
        f"CASE WHEN {each.condition} THEN {DIALECT.literal(_json_name(each.spelling))} "
        f"|| CAST(json_extract(line, {DIALECT.literal(each.pointer)}) AS VARCHAR) END"
        for each in misfits
    ]
    if homeless:
        members.append(_members(homeless))
    inside = f"nullif(concat_ws(',', {', '.join(members)}), '')" if members else "NULL"
    return f"CAST('{{' || {inside} || '}}' AS JSON)"


def _members(homeless: list[Found]) -> str:
    """The values that found no column, in one expression: there may be thousands."""
    names = literals(_json_name(found.path.spelling) for found in homeless)
    listed = (
        f"list_transform(list_filter({_zipped(homeless, names)}, "
        "lambda each: each[2] IS NOT NULL), lambda each: each[1] || each[2])"
    )
    return f"nullif(array_to_string({listed}, ','), '')"


def _are_there(homeless: list[Found]) -> list[str]:
    if not homeless:
        return []
    pointers = literals(found.path.pointer for found in homeless)
    kinds = f"json_type(line, {pointers})"
    return [f"len(list_filter({kinds}, lambda kind: kind NOT IN ('NULL', 'OBJECT'))) > 0"]


def _zipped(homeless: list[Found], names: str) -> str:
    """Names beside values as JSON text: NULL for what is absent, null, or has members instead."""
    pointers = literals(found.path.pointer for found in homeless)
    is_leaf = ", ".join("false" if "OBJECT" in found.kinds else "true" for found in homeless)
    values = (
        f"list_transform(list_zip(json_extract(line, {pointers}), [{is_leaf}]), lambda each: "
        "CASE WHEN each[2] OR each[1]::VARCHAR NOT LIKE '{%' "
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


def _is_there(misfit: Misfit) -> str:
    return f"coalesce({misfit.condition}, false)"


def _json_name(name: str) -> str:
    return json.dumps(name) + ":"


def literals(texts: Iterable[str]) -> str:
    """A list of text literals, also when it is empty."""
    inside = ", ".join(map(DIALECT.literal, texts))
    return f"[{inside}]::VARCHAR[]"
