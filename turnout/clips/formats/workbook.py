"""An answer as an Excel workbook: one sheet of rows, one that says what they are.

Texts are written as texts: nothing from the data is ever a formula or a link.
"""

from __future__ import annotations

import math
import tempfile
from collections.abc import Iterator
from datetime import date, datetime, time
from decimal import Decimal
from pathlib import Path
from typing import Any

import xlsxwriter
from xlsxwriter.format import Format
from xlsxwriter.worksheet import Worksheet

from turnout.clips.result import Result

# What the file format can hold; the first row has the names.
ROWS_MAX = 1_048_575
COLUMNS_MAX = 16_384
CELL_CHARS_MAX = 32_767
# Excel keeps numbers as doubles: a longer one would change, so it is text.
DIGITS_MAX, WHOLE_END = 15, 1_000_000_000_000_000
# Its calendar begins here.
FIRST_DAY = date(1900, 1, 1)

CHUNK_BYTES = 256 * 1024
NAME_WIDTH_MAX = 40
STYLES = {
    datetime: {"num_format": "yyyy-mm-dd hh:mm:ss"},
    date: {"num_format": "yyyy-mm-dd"},
    time: {"num_format": "hh:mm:ss"},
}


def as_xlsx(result: Result, *, title: str) -> Iterator[bytes]:
    """The workbook's bytes. It is made in a file, a row at a time, in constant memory."""
    with tempfile.TemporaryDirectory(prefix="turnout-") as folder:
        path = Path(folder) / "answer.xlsx"
        _write(path, result, title)
        with path.open("rb") as file:
            while chunk := file.read(CHUNK_BYTES):
                yield chunk


def _write(path: Path, result: Result, title: str) -> None:
    options = {"constant_memory": True, "tmpdir": str(path.parent), "remove_timezone": True}
    with xlsxwriter.Workbook(str(path), options) as book:
        book.set_properties({"title": title})
        bold = book.add_format({"bold": True})
        sheet = book.add_worksheet("Answer")
        shortened = _Sheet(sheet, book, bold, result).write()
        about = book.add_worksheet("About")
        about.set_column(0, 0, 16)
        about.set_column(1, 1, 60)
        for place, (name, value) in enumerate(_about(result, title, shortened)):
            about.write_string(place, 0, name, bold)
            about.write_string(place, 1, value)


class _Sheet:
    """The rows, written once from top to bottom."""

    def __init__(
        self, sheet: Worksheet, book: xlsxwriter.Workbook, bold: Format, result: Result
    ) -> None:
        self._sheet = sheet
        self._bold = bold
        self._result = result
        self._styles = {type_: book.add_format(style) for type_, style in STYLES.items()}
        self._shortened = 0

    def write(self) -> int:
        """Everything; how many texts were too long for a cell."""
        fields = self._result.fields[:COLUMNS_MAX]
        self._sheet.freeze_panes(1, 0)
        for place, field in enumerate(fields):
            self._sheet.set_column(place, place, min(max(len(field) + 2, 12), NAME_WIDTH_MAX))
            self._sheet.write_string(0, place, field[:CELL_CHARS_MAX], self._bold)
        number = 0
        for batch in self._result.batches():
            for row in self._result.values(batch.slice(0, ROWS_MAX - number)):
                number += 1
                for place, value in enumerate(row[:COLUMNS_MAX]):
                    self._put(number, place, value)
        return self._shortened

    def _put(self, number: int, place: int, value: Any) -> None:
        if value is None:
            return
        style = self._styles.get(type(value))
        if style is not None and _is_in_calendar(value):
            self._sheet.write_datetime(number, place, value, style)
        elif isinstance(value, bool):
            self._sheet.write_boolean(number, place, value)
        elif _is_exact(value):
            self._sheet.write_number(number, place, value)
        else:
            self._write_text(number, place, _text(value))

    def _write_text(self, number: int, place: int, text: str) -> None:
        if len(text) > CELL_CHARS_MAX:
            self._shortened += 1
            text = text[: CELL_CHARS_MAX - 1] + "…"
        self._sheet.write_string(number, place, text)


def _is_in_calendar(value: datetime | date | time) -> bool:
    if isinstance(value, time):
        return True
    day = value.date() if isinstance(value, datetime) else value
    return bool(day >= FIRST_DAY)


def _is_exact(value: Any) -> bool:
    """Whether a double holds it as it is."""
    if isinstance(value, float):
        return math.isfinite(value)
    if isinstance(value, int):
        return abs(value) < WHOLE_END
    if isinstance(value, Decimal):
        return value.is_finite() and len(value.normalize().as_tuple().digits) <= DIGITS_MAX
    return False


def _text(value: Any) -> str:
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, datetime):
        return value.isoformat(sep=" ").removesuffix("+00:00")
    return str(value)


def _about(result: Result, title: str, shortened: int) -> Iterator[tuple[str, str]]:
    yield "Title", title[:CELL_CHARS_MAX]
    yield "Data as of", f"{result.as_of:%Y-%m-%d %H:%M:%S} UTC"
    yield "Rows", f"{result.row_count:,}"
    yield "Times", "UTC"
    if result.truncated:
        yield "Not complete", "The query found more rows than a clip may have."
    if result.row_count > ROWS_MAX:
        yield "Not complete", f"A sheet holds {ROWS_MAX:,} rows; the rest is left out."
    if len(result.fields) > COLUMNS_MAX:
        yield "Not complete", f"A sheet holds {COLUMNS_MAX:,} columns; the rest is left out."
    if shortened:
        yield "Shortened", f"{shortened:,} texts longer than {CELL_CHARS_MAX:,} characters"
