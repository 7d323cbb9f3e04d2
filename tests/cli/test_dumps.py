"""`turnout source load`, as it is typed."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path

import duckdb
import pytest
from typer.testing import CliRunner

from turnout.cli import app
from turnout.errors import TurnoutError

CONFIGURATION = """
[sources.app]
url = "file:"
[sources.app.tables.company]
columns = ["uuid", "plan"]
"""
SECRET = "secret-of-nobody"


def turnout(*words: str) -> tuple[int, str]:
    """Its exit code, and what it says: in this process, which starts sooner than another."""
    runner = CliRunner()
    done = runner.invoke(app, list(words))
    error = done.exception
    said = str(error) if isinstance(error, TurnoutError) else done.output
    assert error is None or isinstance(error, TurnoutError | SystemExit)
    return done.exit_code, said


def load(home: Path, *words: str) -> tuple[int, str]:
    return turnout("source", "load", "--home", str(home), *words)


@pytest.fixture
def home(tmp_path: Path) -> Path:
    home = tmp_path / "home"
    home.mkdir()
    (home / "turnout.toml").write_text(CONFIGURATION)
    return home


@pytest.fixture
def file(tmp_path: Path) -> Path:
    file = tmp_path / "company.csv"
    file.write_text(f"uuid,note,plan\n1,{SECRET},pro\n2,{SECRET},\n")
    return file


def test_a_file_fills_the_selected_table_and_nothing_else_is_kept(home: Path, file: Path) -> None:
    code, said = load(home, str(file))
    assert code == 0, said
    assert "2 rows of 1 table" in said
    assert "types of 'company'" in said
    with duckdb.connect(str(home / "data" / "warehouse.duckdb"), read_only=True) as warehouse:
        rows = warehouse.sql("SELECT * FROM userdata.company ORDER BY uuid").to_arrow_table()
    assert rows.to_pydict() == {"uuid": ["1", "2"], "plan": ["pro", None]}
    for path in home.rglob("*"):
        assert not path.is_file() or SECRET.encode() not in path.read_bytes()


def test_older_files_are_refused_unless_that_is_meant(home: Path, file: Path) -> None:
    assert load(home, str(file))[0] == 0
    before = datetime(2020, 1, 1, tzinfo=UTC).timestamp()
    os.utime(file, (before, before))
    code, said = load(home, str(file))
    assert code != 0
    assert "--older" in said
    assert load(home, str(file), "--older")[0] == 0
    assert load(home, str(file), "--as-of=2100-01-01")[0] == 0


def test_what_is_wrong_is_said_in_a_sentence(home: Path, file: Path, tmp_path: Path) -> None:
    assert "no file" in load(home, str(tmp_path / "missing.csv"))[1]
    assert "no source 'other'" in load(home, str(file), "--source=other")[1]
    assert "is not a time" in load(home, str(file), "--as-of=yesterday")[1]
    file.write_text("uuid\n1\n")
    code, said = load(home, str(file))
    assert code != 0
    assert "has no column 'plan'" in said
    assert "turnout source load FILE" in turnout("sync", "--home", str(home))[1]


def test_a_source_that_waits_for_files_is_in_order(home: Path) -> None:
    code, said = turnout("source", "check", "--home", str(home))
    assert code == 0, said
