"""An answer as a Markdown table, to paste into a chat or a document."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import islice

import pyarrow as pa

from turnout.clips.formats.cells import csv_cells
from turnout.clips.result import Result

ROWS_MAX = 20
CELL_CHARS_MAX = 200
NUMBERS = frozenset({"integer", "decimal", "float"})
# What would be read as markup or would end the cell; the rest is text in every dialect.
MARKUP = re.compile(r"([\\`*_\[\]<>|~#])")


def as_markdown(result: Result, *, title: str) -> Iterator[bytes]:
    """Title, the first 20 rows, and one line that says how many there are and how old."""
    lines = [
        f"**{_text(title)}**",
        "",
        _line([_text(name) for name in result.fields]),
        _line(["---:" if type_ in NUMBERS else ":---" for type_ in result.types]),
        *(_line(row) for row in islice(_rows(result), ROWS_MAX)),
        "",
        _about(result),
        "",
    ]
    yield "\n".join(lines).encode()


def _rows(result: Result) -> Iterator[list[str]]:
    for batch in result.batches():
        part = batch.slice(0, ROWS_MAX)
        columns = [
            [_text(cell) for cell in _unquoted(column, type_).to_pylist()]
            for column, type_ in zip(part.columns, result.types, strict=True)
        ]
        yield from (list(row) for row in zip(*columns, strict=True))


def _unquoted(column: pa.Array, type_: str) -> pa.Array:
    """The same text as in CSV, before commas matter."""
    if pa.types.is_string(column.type):
        return column.fill_null("")
    return csv_cells(column, type_, raw=True)


def _text(value: str) -> str:
    text = " ".join(value.split())
    if len(text) > CELL_CHARS_MAX:
        text = text[: CELL_CHARS_MAX - 1] + "…"
    return MARKUP.sub(r"\\\1", text)


def _line(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _about(result: Result) -> str:
    count = f"{result.row_count:,} {'row' if result.row_count == 1 else 'rows'}"
    if result.truncated:
        count = f"more than {count}"
    if result.row_count > ROWS_MAX:
        count = f"{ROWS_MAX} of {count}"
    return f"_{count}, data as of {result.as_of:%Y-%m-%d %H:%M} UTC_"
