"""How the values of an answer look in a table.

A thousand rows are drawn at once, so this makes text directly; every value is escaped.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

from markupsafe import Markup

TEXT_CHARS_SHOWN = 160
TEXT_CHARS_MAX = 65_536
SHORTENED_CHARS = 120
NUMBERS = (int, float, Decimal)
DASH = "\N{EN DASH}"

# `format` escapes what it puts in.
_NUMBER_HEAD = Markup('<th scope="col" class="number">{}</th>')
_TEXT_HEAD = Markup('<th scope="col">{}</th>')
_ROW = Markup("<tr>{}</tr>")
_NULL = Markup('<td class="null"><span title="NULL">{}</span></td>').format(DASH)
_NUMBER_NULL = Markup('<td class="null number"><span title="NULL">{}</span></td>').format(DASH)
_NUMBER = Markup('<td class="number">{}</td>')
_TEXT = Markup("<td>{}</td>")
_LONG = Markup('<td><details class="long"><summary>{}…</summary>{}</details></td>')


def table_head(fields: Sequence[str], numbers: Sequence[bool]) -> Markup:
    """The row of names above an answer's rows."""
    heads = (
        (_NUMBER_HEAD if is_number else _TEXT_HEAD).format(field)
        for field, is_number in zip(fields, numbers, strict=False)
    )
    return Markup("<tr>{}</tr>").format(Markup("").join(heads))


def table_rows(rows: Sequence[Sequence[Any]], numbers: Sequence[bool]) -> Markup:
    """The `<tr>`s of an answer's rows, as many columns as `numbers` speaks of."""
    return Markup("\n").join(
        _ROW.format(
            Markup("").join(
                [_cell(value, is_number) for value, is_number in zip(row, numbers, strict=False)]
            )
        )
        for row in rows
    )


def number_columns(rows: Sequence[Sequence[Any]], columns: int) -> list[bool]:
    """Which columns hold numbers, so that their heads stand above them."""
    return [_holds_numbers(row[position] for row in rows) for position in range(columns)]


def text(value: Any) -> str:
    """One value as people read it; NULL is not for this."""
    write = next((write for type_, write in _WRITERS if isinstance(value, type_)), str)
    return write(value)


def _time(moment: datetime) -> str:
    return moment.isoformat(sep=" ", timespec="seconds").removesuffix("+00:00")


def _json(value: Any) -> str:
    return json.dumps(value, default=str, ensure_ascii=False)


# The first type that fits counts: a boolean is an integer too, a time is a date too.
_WRITERS: tuple[tuple[Any, Callable[[Any], str]], ...] = (
    (str, str),
    (bool, lambda value: "true" if value else "false"),
    (float, lambda value: f"{value:.15g}"),
    (datetime, _time),
    (bytes, lambda value: value.hex(" ")),
    ((list, dict), _json),
)


def _cell(value: Any, is_number: bool) -> Markup:  # noqa: FBT001  one of two looks
    if value is None:
        return _NUMBER_NULL if is_number else _NULL
    shown = text(value)
    if is_number:
        return _NUMBER.format(shown)
    if len(shown) <= TEXT_CHARS_SHOWN:
        return _TEXT.format(shown)
    return _LONG.format(shown[:SHORTENED_CHARS], shown[:TEXT_CHARS_MAX])


def _holds_numbers(values: Any) -> bool:
    for value in values:
        if value is not None:
            return isinstance(value, NUMBERS) and not isinstance(value, bool)
    return False
