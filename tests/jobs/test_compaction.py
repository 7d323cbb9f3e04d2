"""What was deleted leaves the file, too, and the copies that readers have."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pytest

from turnout.clips.follower import Follower
from turnout.config import Config
from turnout.jobs.compaction import compact_if_due, compacted_at
from turnout.warehouse import Column, Table, Type, Warehouse, open_warehouse

NOW = datetime(2026, 11, 1, tzinfo=UTC)
MONTH = timedelta(days=30)
PERSON = Table("userdata", "person", (Column("name", Type.TEXT),), key=("name",))
SECRET = "q7Zp-Alice-9fK2xW"


@pytest.fixture
def config(tmp_path: Path) -> Config:
    (tmp_path / "data").mkdir()
    return Config(home=tmp_path)


@pytest.fixture
def warehouse(config: Config) -> Iterator[Warehouse]:
    warehouse = open_warehouse(config)
    yield warehouse
    warehouse.close()


def holding(config: Config) -> list[str]:
    return [
        path.name
        for path in config.home.rglob("*")
        if path.is_file() and SECRET.encode() in path.read_bytes()
    ]


def test_after_a_month_no_byte_of_a_deleted_row_is_left(
    config: Config, warehouse: Warehouse
) -> None:
    follower = Follower(config.follower_folder, warehouse)
    with warehouse.transaction() as transaction:
        transaction.replace(PERSON, pa.table({"name": [SECRET, "Bob"]}))
    follower.publish(now=NOW)
    with warehouse.transaction() as transaction:
        transaction.delete(PERSON, pa.table({"name": [SECRET]}))
    follower.publish(now=NOW)
    # The first look only begins to count.
    assert not compact_if_due(config, warehouse, follower, now=NOW)
    assert not compact_if_due(config, warehouse, follower, now=NOW + MONTH - timedelta(seconds=1))
    assert len(holding(config)) == 2
    assert compact_if_due(config, warehouse, follower, now=NOW + MONTH)
    assert holding(config) == []
    assert compacted_at(config.data_folder) == NOW + MONTH
    assert not compact_if_due(config, warehouse, follower, now=NOW + MONTH)
    assert warehouse.query("SELECT name FROM userdata.person")["name"].to_pylist() == ["Bob"]


def test_without_room_for_a_second_copy_it_waits(
    config: Config, warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    follower = Follower(config.follower_folder, warehouse)
    compact_if_due(config, warehouse, follower, now=NOW)
    monkeypatch.setattr("turnout.jobs.compaction.FREE_SHARE_MIN", float("inf"))
    assert not compact_if_due(config, warehouse, follower, now=NOW + MONTH)
    assert compacted_at(config.data_folder) == NOW
