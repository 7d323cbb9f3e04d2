from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.events.house import House
from turnout.events.engine import Engine
from turnout.events.loading import known as module
from turnout.events.loading.known import Known
from turnout.events.loading.load import Loader
from turnout.events.loading.recall import recall

SECOND = 1_000_000


def pairs(keys: list[int], second: int = 1) -> pa.Table:
    return pa.table(
        {"key": pa.array(keys, pa.uint64()), "second": pa.array([second] * len(keys), pa.uint32())}
    )


def found(index: Known, keys: list[int]) -> set[int]:
    hits = index.find(pa.array(keys, pa.uint64()))
    flags = hits.may_be_known.to_pylist() if hits else [False] * len(keys)
    return {key for key, flag in zip(keys, flags, strict=True) if flag}


@given(
    st.lists(st.lists(st.integers(0, 2**64 - 1), max_size=30), max_size=12),
    st.lists(st.integers(0, 2**64 - 1), max_size=30),
)
@settings(max_examples=60, deadline=None)
def test_every_key_added_is_found_and_no_other(
    tmp_path_factory: pytest.TempPathFactory, loads: list[list[int]], others: list[int]
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "YOUNG_MAX", 16)
        patch.setattr(module, "CHUNK_ENTRIES", 7)
        folder = tmp_path_factory.mktemp("known")
        index = Known(folder)
        for number, keys in enumerate(loads):
            index.add(pairs(keys), number * SECOND)
        added = {key for keys in loads for key in keys}
        asked = [*added, *others]
        if asked:
            assert found(index, asked) == added
        assert len(list(folder.glob("*.run"))) <= 8


def test_a_hit_says_between_which_seconds_its_rows_were_loaded(tmp_path: Path) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "YOUNG_MAX", 4)
        index = Known(tmp_path)
        for second in (3, 5, 8):
            index.add(pairs([7, 7 + second, 2**64 - second], second), second * SECOND)
    hits = index.find(pa.array([7, 1], pa.uint64()))
    assert hits is not None
    assert (hits.may_be_known.to_pylist(), hits.first_s, hits.last_s) == ([True, False], 3, 8)


def test_runs_are_taken_up_again_and_odd_ones_are_not(tmp_path: Path) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "YOUNG_MAX", 4)
        Known(tmp_path).add(pairs([1, 2, 3, 4]), 9 * SECOND)
    again = Known(tmp_path)
    again.open()
    assert (again.entries, again.through_us) == (4, 9 * SECOND)
    assert found(again, [4, 5]) == {4}
    [run] = tmp_path.glob("*.run")
    run.write_bytes(run.read_bytes()[:-1])
    again.open()
    assert (again.entries, again.through_us) == (0, 0)


def track(number: int) -> dict[str, str]:
    return {"type": "track", "event": "Bought", "userId": "alice", "messageId": f"m{number}"}


@pytest.fixture
def small_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "YOUNG_MAX", 10)


def test_after_a_restart_every_stored_id_is_known(house: House, small_runs: None) -> None:
    for start in range(0, 60, 12):
        house.receive(*[track(number) for number in range(start, start + 12)])
        house.load()
    house.receive(*[track(number) for number in range(60, 65)])
    house.load()
    house.loader.close()
    house.loader = Loader(house.journal_folder, house.warehouse)
    house.receive(*[track(number) for number in range(70)])
    load = house.load()
    assert (load.stored, load.duplicates) == (5, 65)
    assert house.value("SELECT count(*) FROM analytics.bought") == 70
    assert house.value("SELECT count(*) FROM _turnout.duplicate_events") == 65


def test_an_index_that_does_not_agree_with_the_rows_is_made_again(
    house: House, small_runs: None
) -> None:
    house.receive(*[track(number) for number in range(12)])
    house.load()
    with house.warehouse.transaction() as transaction:
        transaction.execute("DELETE FROM analytics.tracks WHERE id = 'm3'")
        transaction.execute("DELETE FROM analytics.bought WHERE id = 'm3'")
    house.loader.refresh()
    house.receive(track(3), track(4))
    assert house.load().stored == 1
    index, engine = Known(house.journal_folder.with_name("known")), Engine()
    catalog = {"analytics": {table.name: table for table in house.warehouse.tables("analytics")}}
    recall(index, house.warehouse, engine, catalog)
    assert index.find(pa.array([0], pa.uint64())) is None
    engine.close()


def test_a_key_that_only_looks_known_loses_no_event(house: House) -> None:
    house.receive(track(1))
    house.load()
    house.receive(track(2))
    keys = house.loader._shaper.engine.table(
        "SELECT hash('analytics', 'tracks', 'm2') AS key, 5::UINTEGER AS second"
    )
    house.loader._known.add(keys, 1)
    assert house.load().stored == 1
    assert house.value("SELECT count(*) FROM analytics.bought") == 2
