from __future__ import annotations

import shutil
from pathlib import Path
from types import SimpleNamespace

import pytest
from structlog.testing import capture_logs

from turnout.events.journal.disk import Disk


def usage(monkeypatch: pytest.MonkeyPatch, used: int, free: int) -> None:
    found = SimpleNamespace(total=used + free + 5, used=used, free=free)
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: found)


def test_a_nearly_full_disk_is_said_once_and_so_is_its_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    disk = Disk(tmp_path)
    with capture_logs() as said:
        for used, free in ((79, 21), (80, 20), (95, 5), (50, 50), (40, 60)):
            usage(monkeypatch, used, free)
            disk.look()
    assert [line["event"] for line in said] == [
        "the disk is nearly full",
        "the disk has room again",
    ]
    assert "80% full" in said[0]["problem"]


def test_what_only_root_may_fill_does_not_count_as_room(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage(monkeypatch, used=100, free=0)
    assert Disk(tmp_path).used_share == 1


def test_a_folder_that_cannot_be_asked_alarms_nobody(tmp_path: Path) -> None:
    assert Disk(tmp_path / "gone").used_share == 0
    assert Disk(tmp_path / "gone").note == ""


def test_the_real_disk_is_asked(tmp_path: Path) -> None:
    assert 0 < Disk(tmp_path).used_share <= 1
