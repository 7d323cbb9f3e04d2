"""The straightforward loader: one Python loop over events. Kept as the baseline to beat.

It does the least that fills the same tables: parse, flatten, name, collect rows by table, and
append them by id. No widening, no rescue, no users, no books.
"""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path
from typing import Any

import pyarrow as pa

from turnout.events import layout, naming
from turnout.events.journal import journal
from turnout.warehouse import Column, Table, Type, Warehouse

UNIT_BYTES_MAX = 32 * 1024 * 1024
TYPES = {bool: Type.BOOLEAN, int: Type.INTEGER, float: Type.FLOAT, str: Type.TEXT}
Row = dict[str, Any]


def load_all(folder: Path, warehouse: Warehouse) -> int:
    """Everything in the journal; how many events that was."""
    positions: dict[str, int] = {}
    total = 0
    while True:
        found = journal.pending(folder, positions, bytes_max=UNIT_BYTES_MAX)
        if not found.blocks:
            return total
        positions |= found.positions
        tables: dict[str, list[Row]] = {}
        for line in b"".join(found.blocks).splitlines():
            total += 1
            _add(json.loads(line), tables)
        _write(tables, warehouse)


def _add(line: Row, tables: dict[str, list[Row]]) -> None:
    event = line["event"]
    name = naming.event_table(event["event"])
    received_at = _time(line["received_at"])
    sent_at = _time(line["sent_at"]) if line["sent_at"] else received_at
    original = _time(event["timestamp"])
    row = {
        "id": line["id"],
        "anonymous_id": event["anonymousId"],
        "user_id": event["userId"],
        "received_at": received_at,
        "sent_at": sent_at,
        "original_timestamp": original,
        "timestamp": received_at - (sent_at - original),
        "event": name,
        "event_text": event["event"],
    }
    _flatten(event["context"], ("context",), row)
    tables.setdefault("tracks", []).append({**row, "_properties": json.dumps(event["properties"])})
    _flatten(event["properties"], (), row)
    tables.setdefault(name, []).append(row)


def _flatten(values: Row, path: tuple[str, ...], row: Row) -> None:
    for key, value in values.items():
        if isinstance(value, dict):
            _flatten(value, (*path, key), row)
        elif path[:1] == ("context",):
            row[naming.context_column((*path[1:], key))] = value
        else:
            row[naming.property_column((*path, key))] = _typed(value)


def _typed(value: Any) -> Any:
    """A text that is a time becomes one."""
    if isinstance(value, str) and value[:4].isdigit():
        try:
            return _time(value)
        except ValueError:
            return value
    return value


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=None)


def _write(tables: dict[str, list[Row]], warehouse: Warehouse) -> None:
    with warehouse.transaction() as transaction:
        for name, rows in tables.items():
            columns = tuple(
                Column(column, TYPES.get(type(value), Type.TIME))
                for column, value in rows[0].items()
            )
            table = Table(layout.DEFAULT_SCHEMA, name, columns, layout.KEY)
            transaction.prepare(table)
            transaction.append(table, pa.Table.from_pylist(rows))
