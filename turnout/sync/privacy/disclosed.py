"""The book of what left a source: which column, how treated, for what reason, from when to when.

Lines are closed, never changed: what was copied last spring can still be told.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pyarrow as pa

from turnout.sync.privacy.treatment import KEEP
from turnout.sync.selection import SelectedTable
from turnout.warehouse import Column, Table, Transaction, Type

COLUMNS = Table(
    "_turnout",
    "sync_columns",
    (
        Column("source", Type.TEXT),
        Column("schema_name", Type.TEXT),
        Column("table_name", Type.TEXT),
        Column("column_name", Type.TEXT),
        Column("treatment", Type.TEXT),
        Column("reason", Type.TEXT),
        Column("since", Type.TIME),
        Column("until", Type.TIME),
    ),
)
SCHEMA = pa.schema(
    [
        (column.name, pa.timestamp("us") if column.type is Type.TIME else pa.string())
        for column in COLUMNS.columns
    ]
)
PLACE = "source = ? AND schema_name = ? AND table_name = ?"


def note(transaction: Transaction, source: str, selected: SelectedTable, at: datetime) -> None:
    """Write down what leaves by the selection from `at` on, where that is not what left before."""
    transaction.prepare(COLUMNS)
    place = (source, selected.schema, selected.name)
    open_lines = transaction.execute(
        f"SELECT column_name, treatment, reason FROM _turnout.sync_columns "
        f"WHERE {PLACE} AND until IS NULL",
        place,
    ).to_pylist()
    before = {line["column_name"]: (line["treatment"], line["reason"]) for line in open_lines}
    now = {name: _said(selected, name) for name in selected.columns}
    when = at.astimezone(UTC).replace(tzinfo=None)
    for name, said in before.items():
        if now.get(name) != said:
            transaction.execute(
                f"UPDATE _turnout.sync_columns SET until = ? "
                f"WHERE {PLACE} AND column_name = ? AND until IS NULL",
                [when, *place, name],
            )
    lines = [
        _line(place, name, said, when) for name, said in now.items() if before.get(name) != said
    ]
    if lines:
        transaction.append(COLUMNS, pa.Table.from_pylist(lines, SCHEMA))


def _said(selected: SelectedTable, name: str) -> tuple[str, str | None]:
    settings = selected.settings
    return settings.treat.get(name, KEEP), settings.personal.get(name)


def _line(
    place: tuple[str, str, str], name: str, said: tuple[str, str | None], since: datetime
) -> dict[str, Any]:
    values = (*place, name, *said, since, None)
    return dict(zip(SCHEMA.names, values, strict=True))
