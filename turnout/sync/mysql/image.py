"""Rows as the log holds them, made into the texts that the server itself would write for them.

Columns that are not selected are stepped over: their values are never looked at. A copy and the
log thus give the same text for the same value, and `arrays.py` makes the same of both.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence

from turnout.sync.mysql.charsets import Charsets
from turnout.sync.mysql.fitting import fits
from turnout.sync.mysql.fixed import Reader, Unreadable, fixed_reader, width_of
from turnout.sync.mysql.tablemap import BITS, LoggedColumn, TableMap
from turnout.sync.mysql.texts import length_bytes, text_reader
from turnout.sync.mysql.types import Reading

# Given where a value lies that is nobody's business here: where the next one lies.
Skipper = Callable[[bytes, int], int]
Row = list[bytes | None]


class Image:
    """How the rows of one table in the log are read: its selected columns, in our order."""

    def __init__(
        self,
        table: TableMap,
        readings: Sequence[Reading],
        charsets: Charsets,
        *,
        only: Collection[str] | None = None,
    ) -> None:
        """With `only`, the values of other columns are None. Raises `Unreadable`.

        That is when a selected column is not there, or not in a way we know.
        """
        self.width = len(table.columns)
        self._null_bytes = (self.width + BITS - 1) // BITS
        self._count = len(readings)
        targets = {each.column.name: target for target, each in enumerate(readings)}
        missing = next((name for name in targets if not table.has(name)), None)
        if missing is not None:
            raise Unreadable(f"it had no column '{missing}'")
        # Per column its bit among the nulls, where it goes, what reads it or steps over it.
        self._steps: list[tuple[int, int, Reader | None, Skipper | None]] = []
        for place, column in enumerate(table.columns):
            target = targets.get(column.name, -1)
            if target < 0 or (only is not None and column.name not in only):
                self._steps.append((1 << place, -1, None, skipper(column)))
            else:
                read = reader(column, readings[target], charsets)
                self._steps.append((1 << place, target, read, None))

    def row(self, data: bytes, at: int) -> tuple[Row, int]:
        """The row that begins at `at`, and where the next one does."""
        nulls = int.from_bytes(data[at : at + self._null_bytes], "little")
        at += self._null_bytes
        row: Row = [None] * self._count
        for bit, target, read, skip in self._steps:
            if nulls & bit:
                continue
            if read is not None:
                row[target], at = read(data, at)
            elif skip is not None:
                at = skip(data, at)
        return row, at


def reader(column: LoggedColumn, reading: Reading, charsets: Charsets) -> Reader:
    """What reads a column's values as text. Raises `Unreadable`."""
    if not fits(column, reading):
        raise Unreadable(f"the column '{column.name}' was of another type, or stored in an old way")
    return fixed_reader(column) or text_reader(column, reading, charsets)


def skipper(column: LoggedColumn) -> Skipper:
    """What steps over a column's values. Raises `Unreadable`."""
    if size := length_bytes(column):
        return lambda data, at: at + size + int.from_bytes(data[at : at + size], "little")
    width = width_of(column)
    return lambda _, at: at + width
