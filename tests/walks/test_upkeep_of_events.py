"""Importing, rebuilding, erasing and trying out, with Turnout running, stopped, and killed."""

import contextlib
import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.running import Turnout, eventually
from turnout.state.table import job_request

SECRET = "q7Zp-Alice-9fK2xW"


@pytest.fixture
def turnout(tmp_path: Path) -> Iterator[Turnout]:
    running = Turnout(tmp_path / "home")
    yield running
    running.end()


def command(turnout: Turnout, *words: str) -> list[str]:
    return [sys.executable, "-m", "turnout", "events", *words, "--home", str(turnout.home)]


def say(turnout: Turnout, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command(turnout, *words), check=False, capture_output=True, text=True, timeout=100
    )


def history(folder: Path, events: int, user: str = "bob") -> Path:
    path = folder / "history.ndjson"
    with path.open("w") as file:
        for number in range(events):
            event = {"type": "track", "event": "Imported", "userId": user}
            file.write(json.dumps(event | {"properties": {"n": number}}) + "\n")
    return path


def test_history_comes_in_while_turnout_runs(turnout: Turnout, tmp_path: Path) -> None:
    turnout.start()
    path = history(tmp_path, 500)
    said = say(turnout, "import", str(path), "--source", "archive")
    assert said.returncode == 0, said.stderr
    assert said.stdout == "500 received = 500 stored + 0 duplicates + 0 rejected.\n"
    again = say(turnout, "import", str(path), "--source", "archive")
    assert again.stdout == "500 received = 0 stored + 500 duplicates + 0 rejected.\n"
    turnout.wait_loaded()
    assert turnout.rows("SELECT count(*), sum(n) FROM analytics.imported") == [[500, 124_750]]


def test_an_import_killed_in_the_middle_is_finished_by_the_next(
    turnout: Turnout, tmp_path: Path
) -> None:
    path = history(tmp_path, 20_000)
    importing = subprocess.Popen(command(turnout, "import", str(path), "--source", "archive"))
    journal = turnout.home / "data/journal"
    eventually(
        "some of it is in the journal",
        lambda: any(file.stat().st_size for file in journal.glob("*.ndjson")),
    )
    importing.send_signal(signal.SIGKILL)
    importing.wait(10)
    said = say(turnout, "import", str(path), "--source", "archive")
    assert said.returncode == 0, said.stderr
    turnout.start()
    turnout.wait_loaded()
    assert turnout.rows("SELECT count(*), count(DISTINCT n) FROM analytics.imported") == [
        [20_000, 20_000]
    ]


def test_a_replay_goes_on_after_the_app_was_killed(turnout: Turnout, tmp_path: Path) -> None:
    path = history(tmp_path, 10_000)
    assert say(turnout, "import", str(path), "--source", "archive").returncode == 0
    turnout.start()
    replaying = subprocess.Popen(
        command(turnout, "replay", "--yes"), stdout=subprocess.PIPE, text=True
    )
    eventually("the app rebuilds", lambda: requests_running(turnout))
    turnout.kill(turnout.child("app"))
    said, _ = replaying.communicate(timeout=100)
    assert "Rebuilt 10,001 events" in said  # one said that Turnout was ready
    turnout.wait_loaded()
    assert turnout.rows("SELECT count(*), count(DISTINCT id) FROM analytics.imported") == [
        [10_000, 10_000]
    ]


def test_a_retyping_killed_anywhere_has_been_done_whole_or_not_at_all(
    turnout: Turnout, tmp_path: Path
) -> None:
    path = history(tmp_path, 5_000)
    assert say(turnout, "import", str(path), "--source", "archive").returncode == 0
    column = "analytics.imported.n"
    for after_s in (0.6, 0.9, 1.2):
        retyping = subprocess.Popen(command(turnout, "retype", column, "text"))
        with contextlib.suppress(subprocess.TimeoutExpired):
            retyping.wait(after_s)
        retyping.kill()
        retyping.wait(10)
    assert say(turnout, "retype", column, "text").returncode == 0
    assert say(turnout, "retype", column, "integer").returncode == 0
    turnout.start()
    turnout.wait_loaded()
    sql = "SELECT count(*), sum(n), count(_rescued) FROM analytics.imported"
    assert turnout.rows(sql) == [[5_000, 12_497_500, 0]]


def test_a_forgotten_user_is_nowhere_in_the_home(turnout: Turnout) -> None:
    turnout.start()
    for user in (SECRET, "bob"):
        assert turnout.send([turnout.track(f"m-{user[-3:]}") | {"userId": user}]) == 200
    turnout.wait_loaded()
    planned = say(turnout, "forget", "--user", SECRET, "--dry-run")
    assert "would be erased" in planned.stdout
    said = say(turnout, "forget", "--user", SECRET, "--yes")
    assert said.returncode == 0, said.stderr
    assert "accepted again" in said.stdout
    assert turnout.rows("SELECT user_id FROM analytics.tracks ORDER BY 1") == [["alice"], ["bob"]]
    with turnout.state.connect() as connection:
        assert {row.parameters for row in connection.execute(job_request.select())} == {None}
    turnout.stop()
    for file in turnout.home.rglob("*"):
        if file.is_file():
            assert SECRET.encode() not in file.read_bytes(), file


def test_forgetting_cut_by_a_kill_is_finished_by_the_next_app(turnout: Turnout) -> None:
    turnout.start()
    batch = [turnout.track(f"m{n}") | {"userId": SECRET} for n in range(2_000)]
    assert turnout.send(batch) == 200
    turnout.wait_loaded()
    forgetting = subprocess.Popen(command(turnout, "forget", "--user", SECRET, "--yes"))
    eventually("the app erases", lambda: requests_running(turnout, at_least=2))
    turnout.kill(turnout.child("app"))
    assert forgetting.wait(100) == 0
    turnout.wait_loaded()
    assert turnout.rows("SELECT DISTINCT id FROM analytics.tracks") == [["ready"]]
    turnout.stop()
    for file in turnout.home.rglob("*"):
        if file.is_file():
            assert SECRET.encode() not in file.read_bytes(), file


def test_check_shows_the_rows_of_all_six_calls_and_removes_them(turnout: Turnout) -> None:
    turnout.start()
    said = say(turnout, "check", "--key", turnout.key)
    assert said.returncode == 0, said.stderr
    for table in ("tracks", "identifies", "groups", "pages", "screens", "aliases", "users"):
        assert f"✓ analytics.{table}" in said.stdout
    assert "removed again" in said.stdout
    turnout.wait_loaded()
    assert turnout.rows("SELECT id FROM analytics.tracks") == [["ready"]]
    alone = say(turnout, "check")
    assert alone.returncode == 0, alone.stderr
    assert "✓ turnout_check.turnout_check" in alone.stdout


def test_check_says_what_is_missing(turnout: Turnout) -> None:
    silent = say(turnout, "check")
    assert silent.returncode == 2
    assert "No collector answers" in silent.stderr
    turnout.start()
    unknown = say(turnout, "check", "--key", "nobody's")
    assert unknown.returncode == 7
    assert "no such write key" in unknown.stderr


def test_ctrl_c_stops_a_replay_where_nothing_is_half_done(turnout: Turnout, tmp_path: Path) -> None:
    path = history(tmp_path, 10_000)
    assert say(turnout, "import", str(path), "--source", "archive").returncode == 0
    turnout.start()
    replaying = subprocess.Popen(command(turnout, "replay", "--yes"), stdout=subprocess.DEVNULL)
    eventually("the app rebuilds", lambda: requests_running(turnout))
    replaying.send_signal(signal.SIGINT)
    # A fast machine may be done before it hears of it.
    assert replaying.wait(60) in (130, 0)
    assert not requests_running(turnout)
    turnout.wait_loaded()
    assert turnout.rows("SELECT count(*) FROM analytics.imported") == [[10_000]]


def requests_running(turnout: Turnout, *, at_least: int = 2) -> bool:
    """Whether the last of so many requests is under way: the first only planned."""
    with turnout.state.connect() as connection:
        rows = connection.execute(job_request.select()).all()
    return len(rows) >= at_least and any(row.finished_at is None for row in rows)
