"""The copying of one source: by its schedule, sooner after it was away, and never in the way."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.running import free_port
from tests.sync.conftest import SELECTED, TABLES
from turnout import sync
from turnout.clips.follower import Follower
from turnout.config import Source, TableSelection
from turnout.demo.cluster import Cluster
from turnout.errors import SourceRefused, Stopped
from turnout.jobs.source import SourceCopy
from turnout.warehouse import Warehouse
from turnout.warehouse.duckdb import DuckDB

NOON = datetime(2026, 11, 1, 12, tzinfo=UTC)
SELECTION = {name: TableSelection(columns) for name, columns in SELECTED.items()}


@pytest.fixture
def warehouse(tmp_path: Path) -> Iterator[Warehouse]:
    warehouse = DuckDB(tmp_path / "warehouse.duckdb", memory_bytes_max=256 * 1024**2, threads=1)
    yield warehouse
    warehouse.close()


@pytest.fixture
def url(cluster: Cluster, database: str) -> str:
    with cluster.connect(database) as connection:
        connection.execute(TABLES)
    return cluster.leader_url("postgres", database)


def copying(home: Path, warehouse: Warehouse, url: str = "", **settings: Any) -> SourceCopy:
    nowhere = f"postgresql://turnout@127.0.0.1:{free_port()}/app"
    source = Source(url or nowhere, tables=SELECTION, **settings)
    follower = Follower(home / "follower", warehouse)
    return SourceCopy(
        "app", source, warehouse, follower, secret=bytes(32), suppressed=None, now=lambda: NOON
    )


def test_a_source_that_is_away_is_tried_again_then_at_its_regular_time_and_so_on(
    tmp_path: Path, warehouse: Warehouse
) -> None:
    copy = copying(tmp_path, warehouse, every_s=3600, retries=2, retry_after_s=30)
    needs = []
    pauses = []
    for _ in range(4):
        pauses.append(copy.run())
        needs.append(copy.standing.needs_somebody)
    assert pauses == [30, 60, 3600, 30]
    assert needs == [False, False, True, True]
    standing = copy.standing
    assert (standing.tries, standing.failed_at) == (4, NOON)
    assert standing.next_at == NOON + timedelta(seconds=30)
    assert "cannot be reached" in (standing.problem or "")


def test_a_source_may_wait_for_its_first_time(tmp_path: Path, warehouse: Warehouse) -> None:
    copy = copying(tmp_path, warehouse, on_start=False, cron="0 3 * * *")
    assert copy.run() == timedelta(hours=15).total_seconds()
    assert copy.standing.tries == 0
    copy.run()
    assert copy.standing.tries == 1


def test_a_source_that_refuses_needs_somebody_at_once(
    tmp_path: Path, warehouse: Warehouse, url: str
) -> None:
    copy = copying(tmp_path, warehouse, url.replace("postgres:", "postgres:wrong"), every_s=60)
    assert copy.run() == 60
    assert copy.standing.needs_somebody
    with pytest.raises(SourceRefused):
        copy.copy()


def test_a_copy_tells_its_progress_and_leaves_no_problem(
    tmp_path: Path, warehouse: Warehouse, url: str
) -> None:
    copy = copying(tmp_path, warehouse, url, every_s=60)
    seen: list[tuple[bool, str]] = []

    def look(at: sync.Progress) -> None:
        assert copy.standing.began_at == NOON
        seen.append((copy.standing.progress == at, at.table))

    assert copy.run() == 60
    copy.copy(look)
    assert seen
    assert all(is_shown for is_shown, _ in seen)
    assert (copy.standing.problem, copy.standing.copied_at) == (None, NOON)
    assert copy.standing.next_at == NOON + timedelta(seconds=60)


def test_a_process_that_ends_stops_its_copies(
    tmp_path: Path, warehouse: Warehouse, url: str
) -> None:
    copy = copying(tmp_path, warehouse, url)
    copy.close()
    with pytest.raises(Stopped):
        copy.copy()
    assert (copy.standing.problem, copy.standing.began_at) == (None, None)


def test_what_fails_inside_stops_nothing_else(
    tmp_path: Path, warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sync, "copy", lambda *_, **__: 1 / 0)
    copy = copying(tmp_path, warehouse, every_s=60)
    assert copy.run() == 60
    assert copy.standing.problem == "It failed inside; the log says more."
    assert copy.standing.needs_somebody
