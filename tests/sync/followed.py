"""A source whose changes are followed, on a real server, and what the tests ask of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import psycopg

from turnout import sync
from turnout.config import Source, TableSelection
from turnout.demo.cluster import Cluster
from turnout.sync.postgres.publication import log_statements
from turnout.sync.postgres.stream import slot_name
from turnout.warehouse import Warehouse

SECRET = b"s" * 32
COMPANY = TableSelection(["uuid", "name", "plan"], mode="log", personal={"name": "a company"})


@dataclass
class Followed:
    """Tables in the mode log; the rest of the company is nobody's business."""

    cluster: Cluster
    database: str
    reader: str
    warehouse: Warehouse
    tables: dict[str, TableSelection] = field(default_factory=dict)
    settings: dict[str, Any] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """A slot belongs to the whole server: each test has its own."""
        return self.database

    @property
    def slot(self) -> str:
        return slot_name(self.name, self.source)

    @property
    def source(self) -> Source:
        url = self.cluster.leader_url(self.reader, self.database)
        return Source(**{"url": url, "tables": self.tables, "retries": 0, **self.settings})

    def run(self, *statements: str) -> list[Any]:
        """As the administrator on the leader; the rows of the last statement."""
        with self.connect() as connection:
            for statement in statements:
                cursor = connection.execute(statement)
            return cursor.fetchall() if cursor.description else []

    def connect(self) -> psycopg.Connection[Any]:
        return self.cluster.connect(self.database)

    def prepare(self) -> None:
        """All that an operator does first."""
        selection = sync.selected_tables(self.name, self.source)
        by = self.settings.get("log_by", "functions")
        self.run(
            *sync.grants(selection, self.reader),
            *log_statements(selection, self.reader, self.slot, by=by),
        )

    def capturing(self) -> sync.Capturing:
        return sync.Capturing(self.name, self.source, self.warehouse, secret=SECRET)

    def capture(self) -> sync.Captured:
        return sync.capture(self.name, self.source, self.warehouse, secret=SECRET)

    def differences(self, table: str = "company") -> list[Any]:
        """Rows that are not the same on both sides, as text."""
        columns = self.tables[table].columns
        names = ", ".join(f"{name}::text" for name in columns)
        there = self.run(f"SELECT {names} FROM {table}")
        here = self.rows(", ".join(f"{name}::varchar AS {name}" for name in columns), table)
        return sorted({*there} ^ {tuple(row.values()) for row in here}, key=str)

    def rows(self, columns: str = "*", table: str = "company") -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.warehouse.query(
            f"SELECT {columns} FROM userdata.{table}"
        ).to_pylist()
        return found

    def slot_state(self) -> dict[str, Any]:
        with self.connect() as connection:
            cursor = connection.execute(
                "SELECT wal_status, pg_current_wal_lsn() - restart_lsn AS held, slot_name "
                "FROM pg_replication_slots WHERE slot_name = %s",
                [self.slot],
            )
            names = [column.name for column in cursor.description or ()]
            rows = cursor.fetchall()
            return dict(zip(names, rows[0], strict=True)) if rows else {}

    def runs(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.warehouse.query(
            "SELECT * FROM _turnout.sync_runs WHERE source = ? ORDER BY started_at", [self.name]
        ).to_pylist()
        return found
