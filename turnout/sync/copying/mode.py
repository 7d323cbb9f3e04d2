"""How a table is copied: whole, or what is new in it since the last time."""

from __future__ import annotations

from turnout.errors import ConfigError, SourceRefused
from turnout.sync.copying.bound import bound
from turnout.sync.selection import SelectedTable
from turnout.sync.source import WHOLE, Instant, Part, Since, SourceTable, WrittenSince
from turnout.sync.state import TableState
from turnout.warehouse import Column

# Up to so many rows a whole copy is cheap enough, and never misses anything.
WHOLE_ROWS_MAX = 1_000_000
# Transaction numbers are compared in a circle of 32 bits: only half of it can be told apart.
XMIN_DISTANCE_MAX = 2**31

FULL, CURSOR, APPEND, XMIN, LOG = "full", "cursor", "append", "xmin", "log"
BY_CURSOR = (CURSOR, APPEND)


def is_by_log(selected: SelectedTable) -> bool:
    """Whether its changes are captured as they happen."""
    return selected.settings.mode == LOG


def mode_of(table: SourceTable) -> str:
    """The mode that turnout.toml names, or the best one that the source allows.

    Raises `ConfigError` or `SourceRefused` when the one that is named does not work here.
    """
    settings = table.selected.settings
    if settings.mode == "auto":
        return _auto(table)
    if settings.mode in BY_CURSOR and not settings.cursor:
        raise ConfigError(
            f"'{table.selected.label}' is copied in the mode {settings.mode} and has no cursor.",
            hint="Name a column that grows when a row is written in 'cursor'.",
        )
    if settings.mode in (CURSOR, APPEND, XMIN) and not table.shape.key:
        raise ConfigError(
            f"'{table.selected.label}' has no key among its copied columns, which the mode "
            f"{settings.mode} needs.",
            hint="Select its key, name one in 'key', or choose the mode full.",
        )
    if settings.mode == XMIN and not table.has_xmin:
        raise SourceRefused(
            f"'{table.selected.label}' does not show which transaction wrote a row.",
            hint="Grant SELECT (xmin) on it if it is a table of PostgreSQL, or choose another "
            "mode.",
        )
    return settings.mode


def compares_keys(table: SourceTable, mode: str) -> bool:
    """Whether rows that were deleted are found by comparing all keys."""
    deletes = table.selected.settings.deletes
    if mode in (FULL, LOG) or deletes == "none":
        return False
    return deletes == "keys" or mode != APPEND


def cursor_of(table: SourceTable) -> Column | None:
    """The column it is read by, if there is one. Raises `ConfigError` when it is not copied."""
    name = table.selected.settings.cursor
    if not name:
        return None
    column = next((column for column in table.columns if column.name == name), None)
    if column is None:
        raise ConfigError(
            f"The cursor '{name}' of '{table.selected.label}' is not among its columns.",
            hint="Only what is selected is read: add it to 'columns'.",
        )
    return column


def part_since(table: SourceTable, mode: str, state: TableState, instant: Instant) -> Part:
    """What is to be read after `state`; everything when there is nothing to go on from."""
    column = cursor_of(table)
    if mode in BY_CURSOR and column is not None and state.cursor is not None:
        return Since(bound(column, state.cursor, table.selected.settings))
    if mode == XMIN and state.xmin is not None and _is_near(state.xmin, instant.xmin):
        return WrittenSince(state.xmin)
    return WHOLE


def _is_near(before: int, now: int | None) -> bool:
    return now is not None and 0 <= now - before < XMIN_DISTANCE_MAX


def _auto(table: SourceTable) -> str:
    if table.rows_estimated < WHOLE_ROWS_MAX or not table.shape.key:
        return FULL
    if table.has_indexed_cursor and cursor_of(table) is not None:
        return CURSOR
    return XMIN if table.has_xmin else FULL
