from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import duckdb
import pytest

from turnout.clips.follower import Follower
from turnout.errors import NoSnapshot
from turnout.warehouse.duckdb import DuckDB

NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)


def count(path: Path) -> int:
    with duckdb.connect(str(path), read_only=True) as connection:
        row = connection.execute("SELECT count(*) FROM userdata.companyperson").fetchone()
    assert row is not None
    return int(row[0])


def add_a_row(warehouse: DuckDB) -> None:
    with warehouse.transaction() as transaction:
        transaction.execute("INSERT INTO userdata.companyperson VALUES ('person-x', 'company-x')")


def test_before_the_first_publication_there_is_no_snapshot(
    warehouse: DuckDB, tmp_path: Path
) -> None:
    with pytest.raises(NoSnapshot, match="no snapshot"):
        Follower(tmp_path / "elsewhere", warehouse).current()


def test_a_snapshot_is_a_closed_read_only_copy(follower: Follower, warehouse: DuckDB) -> None:
    snapshot = follower.current()
    add_a_row(warehouse)
    assert count(snapshot.path) == 20
    assert snapshot.path.stat().st_mode & 0o777 == 0o444
    assert sorted(path.suffix for path in snapshot.path.parent.iterdir()) == [".duckdb", ".json"]


def test_it_is_published_when_the_warehouse_changed_and_not_too_often(
    follower: Follower, warehouse: DuckDB
) -> None:
    follower._copy_s = 0.3
    assert follower.publish_if_due(now=NOW + timedelta(seconds=60)) is None
    add_a_row(warehouse)
    assert follower.publish_if_due(now=NOW + timedelta(seconds=2.9)) is None
    snapshot = follower.publish_if_due(now=NOW + timedelta(seconds=3))
    assert snapshot is not None
    assert count(snapshot.path) == 21
    assert follower.publish_if_due(now=NOW + timedelta(seconds=60)) is None


def test_even_a_quick_copy_is_made_once_a_second_at_most(
    follower: Follower, warehouse: DuckDB
) -> None:
    follower._copy_s = 0.001
    add_a_row(warehouse)
    assert follower.publish_if_due(now=NOW + timedelta(seconds=0.9)) is None
    assert follower.publish_if_due(now=NOW + timedelta(seconds=1)) is not None


def test_a_restart_finds_the_newest_complete_snapshot(
    follower: Follower, warehouse: DuckDB
) -> None:
    before = follower.current()
    folder = before.path.parent
    (folder / f"follower-{before.number + 5}.duckdb").write_bytes(b"torn: it has no label")
    (folder / f"follower-{before.number + 6}.json").write_bytes(b"{")
    (folder / f"follower-{before.number + 7}.part").write_bytes(b"")
    again = Follower(folder, warehouse)
    assert again.current() == before
    assert len(list(folder.iterdir())) == 2, "leftovers of a crash are removed"


def test_numbers_only_grow_also_over_restarts_and_when_the_clock_stands_still(
    follower: Follower, warehouse: DuckDB
) -> None:
    numbers = [follower.current().number, follower.publish(now=NOW).number]
    follower = Follower(follower.current().path.parent, warehouse)
    numbers.append(follower.publish(now=NOW - timedelta(days=1)).number)
    assert numbers == sorted(set(numbers))


def test_numbers_grow_even_when_the_folder_was_emptied(
    follower: Follower, warehouse: DuckDB, tmp_path: Path
) -> None:
    new = Follower(tmp_path / "new", warehouse).publish(now=NOW + timedelta(seconds=5))
    assert new.number > follower.current().number


def test_a_held_snapshot_stays_until_it_is_let_go(follower: Follower) -> None:
    with follower.hold() as held:
        newer = follower.publish(now=NOW + timedelta(seconds=5))
        assert count(held.path) == 20
        assert follower.current() == newer
    assert not held.path.exists()
    assert newer.path.exists()


def test_a_snapshots_age_is_the_age_of_its_own_data(follower: Follower, warehouse: DuckDB) -> None:
    earlier = follower.current().as_of["userdata"]
    add_a_row(warehouse)
    follower.note("userdata", NOW)
    assert follower.current().as_of["userdata"] == earlier, "its rows are not in the snapshot yet"
    assert follower.publish(now=NOW).as_of["userdata"] == NOW


def test_a_load_that_changed_nothing_makes_the_snapshot_younger(follower: Follower) -> None:
    follower.note("userdata", NOW)
    assert follower.current().as_of["userdata"] == NOW


def test_ages_survive_a_restart(follower: Follower, warehouse: DuckDB) -> None:
    follower.note("userdata", NOW)
    follower.publish(now=NOW)
    again = Follower(follower.current().path.parent, warehouse)
    assert again.current().as_of == follower.current().as_of
    assert again.publish(now=NOW).as_of["userdata"] == NOW
