"""A short version of `make crash`: every way to cut, a few times each."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from tests.crash.clock import jump_again_and_again
from tests.crash.disk import Disk
from tests.crash.full import fill_again_and_again
from tests.crash.kills import Campaign, kill_again_and_again
from tests.crash.power import Machine, cut_again_and_again


def assert_nothing_lost(campaign: Campaign, *, acknowledged: int) -> None:
    assert campaign.verdict.acknowledged > acknowledged, "too little to prove anything"
    assert campaign.verdict.is_good, campaign


def keep_quiet(_done: int) -> None: ...


def test_nothing_is_lost_or_doubled_by_kill_9(tmp_path: Path) -> None:
    assert_nothing_lost(kill_again_and_again(tmp_path / "home", 6, 1, keep_quiet), acknowledged=500)


def test_nothing_is_lost_or_doubled_by_a_power_cut(tmp_path: Path) -> None:
    assert_nothing_lost(cut_again_and_again(tmp_path / "home", 8, 1, keep_quiet), acknowledged=200)


@pytest.mark.parametrize("mount", [False, True])
def test_nothing_is_lost_or_doubled_by_a_full_disk(tmp_path: Path, mount: bool) -> None:
    """Without the right to mount, both forms are the one with a limit on files."""
    campaign = fill_again_and_again(tmp_path / "home", 2, keep_quiet, mount=mount)
    assert_nothing_lost(campaign, acknowledged=200)


def test_nothing_is_lost_or_doubled_by_a_clock_that_jumps(tmp_path: Path) -> None:
    assert_nothing_lost(jump_again_and_again(tmp_path / "home", 6, 1, keep_quiet), acknowledged=200)


def test_a_journal_that_did_not_sync_would_be_caught(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The campaign can fail: on a disk that promises less, events are lost."""
    monkeypatch.setattr(Disk, "_settle", lambda disk, content: None)
    machine = Machine(tmp_path / "home", random.Random(1))
    try:
        for _ in range(6):
            machine.run_until_the_cut()
            machine.load()
        assert machine.verdict().lost > 0
    finally:
        machine.close()
