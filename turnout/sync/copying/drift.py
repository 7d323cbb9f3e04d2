"""What has changed about a table at the source since it was copied last."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from turnout.errors import SourceRefused
from turnout.sync.source import Shape, SourceTable
from turnout.sync.widening import widens
from turnout.warehouse import Column, Table

LENGTH = re.compile(r"\([^)]*\)")


def refuse_drift(
    source: str, table: SourceTable, before: Shape, columns: Sequence[Column], there: Table
) -> None:
    """Raise `SourceRefused` for what nobody but the operator can judge.

    `columns` are those to come, after treatment; `there` is the table in the warehouse.
    """
    if before.id != table.shape.id:
        return  # another table of that name: it is copied whole, as it is
    for column in columns:
        was, now = before.columns.get(column.name), table.shape.columns.get(column.name)
        if was is None or now is None:
            continue
        label = f"{table.selected.label}.{column.name}"
        if was[0] != now[0]:
            raise SourceRefused(
                f"{label} was dropped at the source and added again: it may hold something else "
                "now.",
                hint=_asked(source),
            )
        held = there.column(column.name)
        if was[1] != now[1] and held is not None and not widens(held, column):
            raise SourceRefused(
                f"{label} changed its type at the source from {was[1]} to {now[1]}, which does "
                "not hold all values of before.",
                hint=_asked(source),
            )


def refuse_dropped(table: SourceTable, before: Shape | None) -> None:
    """Raise `SourceRefused` when a selected column is gone, unless that is accepted."""
    selected = table.selected
    gone = [name for name in selected.columns if name not in table.shape.columns]
    if not gone or selected.settings.on_dropped == "null":
        return
    names = ", ".join(f"{selected.label}.{name}" for name in gone)
    new = new_columns(table, before)
    renamed = (
        f" It may be called '{new[0]}' now: select that." if len(gone) == len(new) == 1 else ""
    )
    raise SourceRefused(
        f"The source has no {names} any more.",
        hint=f'Take it out of the selection, or set on_dropped = "null" to go on without.{renamed}',
    )


def new_columns(table: SourceTable, before: Shape | None) -> tuple[str, ...]:
    """Columns that were added at the source and that are not selected."""
    if before is None or before.id != table.shape.id:
        return ()
    known = {*before.columns, *before.others}
    return tuple(name for name in table.shape.others if name not in known)


def differences(table: SourceTable, before: Shape) -> Iterator[str]:
    """Why what is there cannot be gone on with, but has to be copied whole."""
    if before.id != table.shape.id:
        yield "the table was made anew at the source"
    if before.key != table.shape.key:
        yield "its key is another one"
    if set(before.columns) != set(table.shape.columns):
        yield "other columns are copied"
    for name, (_, spelled, _) in table.shape.columns.items():
        if name in before.columns and _kind(spelled) != _kind(before.columns[name][1]):
            # Nothing says which rows were written anew, and a column's values may be others now.
            yield f"{name} has another type"


def _kind(spelled: str) -> str:
    """A type without its length or digits: where these change, values stay."""
    return LENGTH.sub("", spelled)


def _asked(source: str) -> str:
    return f"If that is right, copy it anew: turnout sync {source} --whole"
