from __future__ import annotations

import fcntl
from datetime import timedelta
from pathlib import Path

import pytest

from turnout.demo import run
from turnout.demo.notebook import read_notebook
from turnout.errors import AlreadyRunning, ConfigError, HomeUnusable


def test_a_new_home_is_made_and_marked_as_the_demos(tmp_path: Path) -> None:
    home = tmp_path / "far" / "away"
    with run.held_home(home, fresh=False) as book:
        assert read_notebook(home) == book


def test_a_second_start_goes_on_from_where_the_first_was(tmp_path: Path) -> None:
    with run.held_home(tmp_path, fresh=False) as book:
        later = book.save(tmp_path, sent_until=book.sent_until + timedelta(days=3))
    with run.held_home(tmp_path, fresh=False) as book:
        assert book == later


def test_fresh_empties_a_demos_home(tmp_path: Path) -> None:
    with run.held_home(tmp_path, fresh=False) as book:
        book.save(tmp_path, sent_until=book.sent_until + timedelta(days=3))
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "warehouse.duckdb").touch()
    with run.held_home(tmp_path, fresh=True) as book:
        assert not (tmp_path / "data").exists()
        assert book.sent_until.date() < book.today


@pytest.mark.parametrize("fresh", [False, True])
def test_a_folder_that_is_not_the_demos_is_refused_and_left_alone(
    tmp_path: Path, fresh: bool
) -> None:
    (tmp_path / "thesis.txt").write_text("three years of work")
    with pytest.raises(HomeUnusable, match="Nothing in it was touched"):
        run.demo(tmp_path, fresh=fresh)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


def test_a_running_demo_is_neither_joined_nor_emptied(tmp_path: Path) -> None:
    with run.held_home(tmp_path, fresh=False):
        with pytest.raises(AlreadyRunning, match="already runs"):
            run.demo(tmp_path, fresh=True)
        assert read_notebook(tmp_path) is not None


def test_the_lock_is_let_go_of_at_the_end(tmp_path: Path) -> None:
    with run.held_home(tmp_path, fresh=False):
        pass
    with (tmp_path / run.LOCK_NAME).open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)


def test_a_file_in_place_of_the_home_is_one_clear_sentence(tmp_path: Path) -> None:
    (tmp_path / "home").touch()
    with pytest.raises(HomeUnusable, match="The home folder cannot be used"):
        run.demo(tmp_path / "home")


def test_a_spoilt_notebook_is_one_clear_sentence(tmp_path: Path) -> None:
    (tmp_path / "demo.json").write_text('{"seed": "many"')
    with pytest.raises(HomeUnusable, match="not what the demo wrote"):
        run.demo(tmp_path)


def test_missing_parts_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run, "PARTS", ("json", "a_wheel_that_is_not_there"))
    with pytest.raises(ConfigError, match="a_wheel_that_is_not_there"):
        run.demo(tmp_path)
