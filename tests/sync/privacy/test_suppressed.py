from __future__ import annotations

import stat
from pathlib import Path

import pyarrow as pa

from turnout.sync.privacy.suppressed import KEY_NAME, LIST_NAME, Suppressed, suppress

ALICE = "00000000-0000-4000-8000-000000000001"
IDS = pa.array([ALICE, "42", None, "other"])


def held(folder: Path, source: str) -> list[bool] | None:
    found = Suppressed(folder, source).holds(IDS)
    return None if found is None else found.to_pylist()


def test_a_list_without_anybody_says_so_at_once(tmp_path: Path) -> None:
    assert held(tmp_path, "app") is None


def test_ids_are_held_of_one_source_or_of_every_one(tmp_path: Path) -> None:
    suppress(tmp_path, [ALICE])
    suppress(tmp_path, ["42"], "app")
    assert held(tmp_path, "app") == [True, True, False, False]
    assert held(tmp_path, "billing") == [True, False, False, False]


def test_a_number_is_the_same_as_its_text(tmp_path: Path) -> None:
    suppress(tmp_path, ["42"])
    found = Suppressed(tmp_path, "app").holds(pa.array([41, 42, None]))
    assert found is not None
    assert found.to_pylist() == [False, True, False]


def test_the_list_tells_nobody_who_is_on_it(tmp_path: Path) -> None:
    suppress(tmp_path, [ALICE, ALICE])
    suppress(tmp_path, [ALICE], "a source, with spaces *")
    path = tmp_path / LIST_NAME
    assert ALICE not in path.read_text()
    assert len(path.read_text().splitlines()) == 2
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE((tmp_path / KEY_NAME).stat().st_mode) == 0o600
    other = tmp_path / "other"
    suppress(other, [ALICE])
    assert (other / LIST_NAME).read_text() != path.read_text()


def test_a_source_called_star_is_one_source(tmp_path: Path) -> None:
    suppress(tmp_path, [ALICE], "a b")
    assert held(tmp_path, "a b") == [True, False, False, False]
    assert held(tmp_path, "a") is None


def test_it_says_once_that_somebody_came(tmp_path: Path) -> None:
    listed = Suppressed(tmp_path, "app")
    assert not listed.has_grown()
    suppress(tmp_path, [ALICE])
    listed.holds(IDS)
    assert listed.has_grown()
    assert not listed.has_grown()
    suppress(tmp_path, [ALICE])
    assert not listed.has_grown()
    assert listed.count == 1
