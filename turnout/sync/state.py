"""How far each copied table is: kept in the warehouse, and written with the rows it speaks of.

A crash at any point thus leaves rows and state that agree. No value of any row is kept here but
the largest cursor.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa

from turnout.sync.source import Instant, Shape
from turnout.warehouse import Column, Table, Transaction, Type, Warehouse

SYNC_TABLES = Table(
    "_turnout",
    "sync_tables",
    (
        Column("source", Type.TEXT),
        Column("schema_name", Type.TEXT),
        Column("table_name", Type.TEXT),
        Column("source_schema", Type.TEXT),
        Column("mode", Type.TEXT),
        Column("server", Type.TEXT),
        Column("position", Type.TEXT),
        Column("cursor", Type.TEXT),
        Column("xmin", Type.INTEGER),
        Column("shape", Type.JSON),
        Column("choice", Type.JSON),
        Column("rows", Type.INTEGER),
        Column("as_of", Type.TIME),
        Column("copied_whole_at", Type.TIME),
        Column("lost", Type.JSON),
        Column("not_selected", Type.JSON),
        Column("problem", Type.TEXT),
        Column("problem_at", Type.TIME),
    ),
    key=("source", "schema_name", "table_name"),
)
SYNC_POSITIONS = Table(
    "_turnout",
    "sync_positions",
    (
        Column("source", Type.TEXT),
        Column("server", Type.TEXT),
        Column("position", Type.TEXT),
        Column("as_of", Type.TIME),
    ),
    key=("source",),
)


@dataclass(frozen=True, slots=True)
class TableState:
    """One copied table: where it lies in the warehouse, and how far it is.

    `mode` is how it was copied last (`full`, `cursor`, `append`, `xmin`, `log`). `cursor` is
    where the next copy by cursor goes on from, before any lag is taken off. `copied_whole_at`
    is None when it has to be copied whole before anything else, and for a table that never was.
    """

    source: str
    schema: str
    table: str
    source_schema: str = ""
    mode: str = ""
    server: str = ""
    position: str = ""
    cursor: str | None = None
    xmin: int | None = None
    shape: Shape | None = None
    # What turnout.toml said that decides which values are copied, as JSON.
    choice: str = ""
    rows: int = 0
    as_of: datetime | None = None
    copied_whole_at: datetime | None = None
    lost: Mapping[str, int] = field(default_factory=dict)
    # Columns of the source that are new and not selected: said once, and never copied.
    not_selected: tuple[str, ...] = ()
    problem: str | None = None
    problem_at: datetime | None = None

    def at(self, instant: Instant) -> TableState:
        """This state, moved to `instant`."""
        return replace(self, server=instant.server, position=instant.position, xmin=instant.xmin)


@dataclass(frozen=True, slots=True)
class Position:
    """How far the log of a source was applied: everything up to `position`, as of then.

    An empty one says that the source is being asked to keep its log.
    """

    source: str
    server: str
    position: str
    as_of: datetime | None = None


def read_states(warehouse: Warehouse, source: str | None = None) -> list[TableState]:
    """The state of every table that `source`, or any source, has in the warehouse."""
    rows = _rows(warehouse, SYNC_TABLES, source)
    return [_state(row) for row in rows]


def write_states(transaction: Transaction, states: Iterable[TableState]) -> None:
    """Remember `states`, in the transaction that writes the rows."""
    rows = [_row(state) for state in states]
    transaction.prepare(SYNC_TABLES)
    if rows:
        transaction.merge(SYNC_TABLES, pa.Table.from_pylist(rows, _schema(SYNC_TABLES)))


def remove_states(transaction: Transaction, states: Iterable[TableState]) -> None:
    """Forget tables that are not copied any more."""
    rows = [_row(state) for state in states]
    transaction.prepare(SYNC_TABLES)
    if rows:
        transaction.delete(SYNC_TABLES, pa.Table.from_pylist(rows, _schema(SYNC_TABLES)))


def read_position(warehouse: Warehouse, source: str) -> Position | None:
    """How far the log of `source` was applied; None before its first change."""
    rows = _rows(warehouse, SYNC_POSITIONS, source)
    if not rows:
        return None
    row = rows[0]
    return Position(row["source"], row["server"], row["position"], _utc(row["as_of"]))


def write_position(transaction: Transaction, position: Position) -> None:
    """Remember how far the log is applied, in the transaction that applies it."""
    transaction.prepare(SYNC_POSITIONS)
    row = {
        "source": position.source,
        "server": position.server,
        "position": position.position,
        "as_of": _plain(position.as_of),
    }
    transaction.merge(SYNC_POSITIONS, pa.Table.from_pylist([row], _schema(SYNC_POSITIONS)))


def _rows(warehouse: Warehouse, table: Table, source: str | None) -> list[dict[str, Any]]:
    if not any(there.name == table.name for there in warehouse.tables(table.schema)):
        return []
    name = warehouse.dialect.table(table.schema, table.name)
    rows: list[dict[str, Any]] = warehouse.query(
        f"SELECT * FROM {name} WHERE source = coalesce(?, source)", [source]
    ).to_pylist()
    return rows


def _row(state: TableState) -> dict[str, Any]:
    shape = state.shape
    return {
        "source": state.source,
        "schema_name": state.schema,
        "table_name": state.table,
        "source_schema": state.source_schema,
        "mode": state.mode,
        "server": state.server,
        "position": state.position,
        "cursor": state.cursor,
        "xmin": state.xmin,
        "shape": None if shape is None else _shape_json(shape),
        "choice": state.choice or None,
        "rows": state.rows,
        "as_of": _plain(state.as_of),
        "copied_whole_at": _plain(state.copied_whole_at),
        "lost": json.dumps(dict(state.lost)),
        "not_selected": json.dumps(state.not_selected),
        "problem": state.problem,
        "problem_at": _plain(state.problem_at),
    }


def _state(row: Mapping[str, Any]) -> TableState:
    return TableState(
        source=row["source"],
        schema=row["schema_name"],
        table=row["table_name"],
        source_schema=row["source_schema"],
        mode=row["mode"],
        server=row["server"],
        position=row["position"],
        cursor=row["cursor"],
        xmin=row["xmin"],
        shape=_shape(row["shape"]),
        choice=row["choice"] or "",
        rows=row["rows"],
        as_of=_utc(row["as_of"]),
        copied_whole_at=_utc(row["copied_whole_at"]),
        lost=json.loads(row["lost"] or "{}"),
        not_selected=tuple(json.loads(row["not_selected"] or "[]")),
        problem=row["problem"],
        problem_at=_utc(row["problem_at"]),
    )


def _shape_json(shape: Shape) -> str:
    return json.dumps(
        {
            "id": shape.id,
            "key": shape.key,
            "columns": {name: list(column) for name, column in shape.columns.items()},
            "others": shape.others,
            "parts": shape.parts,
        }
    )


def _shape(text: str | None) -> Shape | None:
    if text is None:
        return None
    said = json.loads(text)
    return Shape(
        said["id"],
        tuple(said["key"]),
        {name: (place, type_, null) for name, (place, type_, null) in said["columns"].items()},
        tuple(said["others"]),
        said.get("parts", ""),
    )


ARROW = {Type.INTEGER: pa.int64(), Type.TIME: pa.timestamp("us")}


def _schema(table: Table) -> pa.Schema:
    """Every column's Arrow type: one whose values are all missing has it too."""
    return pa.schema(
        [(column.name, ARROW.get(column.type, pa.string())) for column in table.columns]
    )


def _plain(value: datetime | None) -> datetime | None:
    """Warehouse times are UTC and say no zone."""
    return None if value is None else value.astimezone(UTC).replace(tzinfo=None)


def _utc(value: datetime | None) -> datetime | None:
    return None if value is None else value.replace(tzinfo=UTC)
