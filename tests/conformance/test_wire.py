"""What is not selected never passes the wire from the server to us, in whatever mode."""

from __future__ import annotations

import struct
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from tests.conformance.wire import Wire
from turnout import sync
from turnout.config import Source, TableSelection
from turnout.demo.cluster import Cluster
from turnout.sync.postgres.publication import log_statements
from turnout.sync.postgres.stream import slot_name
from turnout.warehouse import Warehouse
from turnout.warehouse.duckdb import DuckDB

SECRET = b"s" * 32
NUMBER = 0x5EC2E7_5EC2E7
UUID = uuid.UUID("5ec2e700-0000-4000-8000-5ec2e75ec2e7")
LONG = "long-" + "mark" * 10_000
# As text, as JSON, and in every binary form that the protocol has for them.
MARKS = (
    b"mark-of-text", b"mark-of-json", b"mark-of-other-key", b"mark-of-other-row", b"markmarkmark",
    b"mark-of-bytes", b"mark-of-bytes".hex().encode(), str(NUMBER).encode(),
    struct.pack(">q", NUMBER), str(UUID).encode(), UUID.bytes,
)  # fmt: skip
TABLE = f"""
CREATE TABLE person (
    tenant int, id int, role text, document jsonb, changed_at timestamptz DEFAULT now(),
    email text DEFAULT 'mark-of-text',
    note jsonb DEFAULT '{{"text": "mark-of-json"}}',
    picture bytea DEFAULT 'mark-of-bytes',
    number bigint DEFAULT {NUMBER},
    token uuid DEFAULT '{UUID}',
    story text DEFAULT '{LONG}',
    PRIMARY KEY (tenant, id)
);
INSERT INTO person (tenant, id, role, document)
SELECT 1, n, 'role-that-is-selected', '{{"plan": "pro", "other": "mark-of-other-key"}}'
FROM generate_series(1, 50) AS n;
INSERT INTO person (tenant, id, role) VALUES (2, 1, 'mark-of-other-row');
"""
CHANGES = """
UPDATE person SET role = 'role-of-later', email = email || '!', changed_at = now() WHERE id < 20;
UPDATE person SET id = id + 1000 WHERE id BETWEEN 20 AND 25;
UPDATE person SET email = 'mark-of-text, later';
UPDATE person SET note = '["mark-of-json"]', number = number, story = story || 'mark';
INSERT INTO person (tenant, id, role)
VALUES (1, 2000, 'role-that-is-new'), (2, 2, 'mark-of-other-row');
DELETE FROM person WHERE id BETWEEN 26 AND 30;
"""
# Of the log, conditions on rows are on its key, and documents come whole.
COLUMNS = ["tenant", "id", "role", "document", "changed_at"]
MODES = ["full", "cursor", "xmin", "log by functions", "log by replication"]


def selection(mode: str) -> TableSelection:
    columns = [name for name in COLUMNS if mode != "log" or name != "document"]
    return TableSelection(
        columns,
        mode=mode,  # type: ignore[arg-type] # one of the modes there are
        cursor="changed_at" if mode == "cursor" else "",
        where="tenant = 1",
        json_keys={} if mode == "log" else {"document": ["plan"]},
        personal=dict.fromkeys(columns, "nobody's"),
        history=True,
    )


@pytest.fixture
def warehouse(tmp_path: Path) -> Iterator[Warehouse]:
    warehouse = DuckDB(tmp_path / "warehouse.duckdb", memory_bytes_max=256 * 1024**2, threads=1)
    yield warehouse
    warehouse.close()


@pytest.mark.parametrize("mode", MODES)
def test_only_what_is_selected_passes_the_wire(
    cluster: Cluster, database: str, warehouse: Warehouse, mode: str
) -> None:
    kind, _, by = mode.partition(" by ")
    reader = f"{database}_reader"
    cluster.create_role(reader)
    with cluster.connect(database) as connection, Wire(connection.info.port) as wire:
        url = f"postgresql://{reader}:{cluster.password(reader)}@127.0.0.1:{wire.port}/{database}"
        settings: dict[str, Any] = {"log_by": by} if by else {}
        source = Source(
            url,
            tables={"person": selection(kind)},
            accept_leader=True,
            retries=0,
            **settings,
        )
        slot = slot_name(database, source)
        selected = sync.selected_tables(database, source)
        for statement in (TABLE, *sync.grants(selected, reader)):
            connection.execute(statement)
        if kind == "log":
            for statement in log_statements(selected, reader, slot, by=by):
                connection.execute(statement)
        try:
            sync.check(database, source)
            _copy(database, source, warehouse, by)
            assert b"role-that-is-selected" in wire.heard
            connection.execute(CHANGES)
            _copy(database, source, warehouse, by)
        finally:
            _drop(connection, slot)
        rows = warehouse.query("SELECT role FROM userdata.person")["role"].to_pylist()
        assert len(rows) == 46
        assert rows.count("role-that-is-new") == 1
        assert b"role-that-is-new" in wire.heard
        assert [mark for mark in MARKS if mark in wire.heard] == []


def _copy(name: str, source: Source, warehouse: Warehouse, by: str) -> None:
    if by:
        assert not sync.capture(name, source, warehouse, secret=SECRET).problems
    else:
        assert not sync.copy(name, source, warehouse, secret=SECRET).problems


def _drop(connection: psycopg.Connection[Any], slot: str) -> None:
    """The server lets go of a connection a moment after it was closed."""
    deadline = time.monotonic() + 10
    while True:
        try:
            connection.execute(
                "SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots "
                "WHERE slot_name = %s",
                [slot],
            )
        except psycopg.errors.ObjectInUse:
            assert time.monotonic() < deadline
        else:
            return
