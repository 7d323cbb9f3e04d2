"""Calls put straight into base tables and told to `Identity`, without journal and shaping."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any

import pyarrow as pa

from turnout.config import Membership
from turnout.events import layout
from turnout.events.engine import Engine
from turnout.events.identity import Identity
from turnout.events.identity import tables as derived
from turnout.warehouse import Column, Table, Type
from turnout.warehouse.duckdb import DuckDB

START = datetime(2026, 11, 1)  # noqa: DTZ001 -- warehouse times are UTC and say no zone
HOUR = timedelta(hours=1)
# What events may bring to every base table, and to `identifies`.
CONTEXT = Column("context_group_id", Type.TEXT)
COMPANY = Column("company_id", Type.TEXT)


def at(hours: float) -> datetime:
    return START + hours * HOUR


@dataclass(frozen=True)
class Call:
    """One call, `hour` hours after the beginning of time."""

    type: str
    hour: float
    user_id: str | None = None
    anonymous_id: str | None = None
    event: str | None = None
    group_id: str | None = None
    context: str | None = None
    company: str | None = None
    previous_id: str | None = None
    schema: str = "analytics"
    id: str = field(default="")

    def row(self, id_: str, loaded_at: datetime) -> dict[str, Any]:
        row: dict[str, Any] = {
            "id": self.id or id_,
            "anonymous_id": self.anonymous_id,
            "user_id": self.user_id,
            "timestamp": at(self.hour),
            "received_at": at(self.hour),
            "uuid_ts": loaded_at,
            "context_group_id": self.context,
        }
        own: dict[str, dict[str, Any]] = {
            "track": {"event": self.event or "clicked"},
            "group": {"group_id": self.group_id},
            "identify": {"company_id": self.company},
            "alias": {"previous_id": self.previous_id},
        }
        return row | own.get(self.type, {})


class Ledger:
    """A warehouse with events and with what is learned from them."""

    def __init__(self, folder: Path, membership: Membership | None = None) -> None:
        self.warehouse = DuckDB(folder / "warehouse.duckdb", memory_bytes_max=2**29, threads=1)
        self.engine = Engine(threads=1)
        self.membership = membership
        with self.warehouse.transaction() as transaction:
            for table in layout.core_tables("analytics"):
                transaction.prepare(table)
        self._numbers = count(1)
        self.open()

    def open(self) -> None:
        catalog: dict[str, dict[str, Table]] = {}
        for table in self.warehouse.tables():
            catalog.setdefault(table.schema, {})[table.name] = table
        self.identity = Identity(self.warehouse.dialect, self.membership)
        self.identity.open(self.warehouse, self.engine, catalog)

    def load(self, *calls: Call) -> None:
        """One load, in one transaction, family by family as the loader does it."""
        loaded_at = START + timedelta(seconds=next(self._numbers))
        families: dict[tuple[str, str], list[dict[str, Any]]] = {}
        for call in calls:
            row = call.row(f"m{next(self._numbers)}", loaded_at)
            families.setdefault((call.schema, call.type), []).append(row)
        with self.warehouse.transaction() as transaction:
            for (schema, type_), rows in sorted(families.items()):
                table = base_table(schema, layout.BASES[type_])
                for core in layout.core_tables(schema):
                    transaction.prepare(core)
                transaction.prepare(table)
                arrow = _arrow(table, rows)
                transaction.append(table, arrow)
                self.identity.note(transaction, self.engine, table, arrow)

    def clear(self) -> None:
        with self.warehouse.transaction() as transaction:
            for base in layout.BASES.values():
                transaction.execute(f"DELETE FROM analytics.{base}")
            for table in derived.LEARNED:
                transaction.execute(f"DELETE FROM {table.schema}.{table.name}")

    def rebuild(self) -> None:
        with self.warehouse.transaction() as transaction:
            self.identity.rebuild(transaction, self.engine)

    def rows(self, sql: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        found = self.warehouse.query(sql, values)
        return [tuple(row.values()) for row in found.to_pylist()]

    def learned(self) -> Mapping[str, list[tuple[Any, ...]]]:
        """All derived tables."""
        return {
            table.name: self.rows(f"SELECT * FROM {table.schema}.{table.name} ORDER BY ALL")
            for table in derived.LEARNED
        }

    def events(self) -> dict[str, tuple[str | None, str | None]]:
        """Each event's resolved user and account, by its id."""
        rows = self.rows("SELECT id, resolved_user_id, account_id FROM turnout.events")
        found = {id_: (user, account) for id_, user, account in rows}
        assert len(found) == len(rows)
        return found

    def close(self) -> None:
        self.engine.close()
        self.warehouse.close()


def base_table(schema: str, name: str) -> Table:
    [core] = [table for table in layout.core_tables(schema) if table.name == name]
    more = (CONTEXT, COMPANY) if name == "identifies" else (CONTEXT,)
    return Table(schema, name, (*core.columns, *more), core.key)


def _arrow(table: Table, rows: Sequence[Mapping[str, Any]]) -> pa.Table:
    times = pa.timestamp("us")
    return pa.table(
        {
            column.name: pa.array(
                [row.get(column.name) for row in rows],
                times if column.type is Type.TIME else pa.string(),
            )
            for column in table.columns
        }
    )
