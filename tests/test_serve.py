"""The supervisor: what it refuses, what it starts again, how it ends."""

import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.running import Turnout, eventually, free_port, status
from turnout.access.keys import WriteKeys
from turnout.config import load_config


@pytest.fixture
def turnout(tmp_path: Path) -> Iterator[Turnout]:
    running = Turnout(tmp_path / "home")
    yield running
    running.end()


def run(*words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "turnout", *words]
    return subprocess.run(command, check=False, capture_output=True, text=True, timeout=30)


def test_it_stops_within_five_seconds_of_sigterm_and_leaves_no_process(turnout: Turnout) -> None:
    turnout.start()
    family = turnout.supervisor.children(recursive=True)
    assert {"collector", "app"} <= {word for child in family for word in child.cmdline()}
    began = time.monotonic()
    assert turnout.stop() == 0
    assert time.monotonic() - began < 5.5
    eventually("every process has ended", lambda: not any(p.is_running() for p in family))


def test_ctrl_c_ends_it_without_a_trace_on_the_screen(turnout: Turnout) -> None:
    turnout.start()
    turnout.supervisor.send_signal(signal.SIGINT)
    assert turnout.supervisor.wait(10) == 0
    assert "Traceback" not in turnout.log.read_text()


@pytest.mark.parametrize("child", ["collector", "app"])
def test_a_child_that_dies_is_started_again(turnout: Turnout, child: str) -> None:
    turnout.start()
    first = turnout.child(child)
    turnout.kill(first)
    eventually("another one runs", lambda: turnout.child(child).pid != first.pid)
    turnout.wait_ready()


def test_children_end_by_themselves_when_the_supervisor_is_killed(turnout: Turnout) -> None:
    turnout.start()
    family = turnout.supervisor.children(recursive=True)
    turnout.kill_supervisor()
    eventually("every process has ended", lambda: not any(p.is_running() for p in family))


def test_the_collector_accepts_while_the_app_is_down(turnout: Turnout) -> None:
    turnout.start()
    app = turnout.child("app")
    app.send_signal(signal.SIGSTOP)
    try:
        assert turnout.send([turnout.track("while down")]) == 200
    finally:
        app.send_signal(signal.SIGCONT)
    turnout.wait_loaded()
    assert turnout.rows("SELECT count(*) FROM analytics.tracks WHERE id = 'while down'") == [[1]]


def test_the_collector_imports_no_warehouse(tmp_path: Path) -> None:
    code = (
        "import sys, turnout.app, turnout.events.door.collector, turnout.events.journal.journal\n"
        "print(sorted({'duckdb', 'pyarrow', 'adbc_driver_postgresql', 'psycopg',"
        " 'turnout.warehouse', 'litestar'} & set(sys.modules)))"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert said.stdout == "[]\n"


def test_a_second_turnout_in_the_same_home_is_refused(turnout: Turnout) -> None:
    turnout.start()
    said = run("serve", "--home", str(turnout.home))
    assert said.returncode == 3
    assert "already runs in" in said.stderr
    assert status(f"{turnout.config.web.url}/healthz") == 200


def test_a_port_in_use_is_one_clear_sentence(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        (tmp_path / "turnout.toml").write_text(
            f"[web]\nport = {port}\n[collector]\nport = {free_port()}\n"
        )
        said = run("serve", "--home", str(tmp_path))
    assert said.returncode == 2
    assert f"127.0.0.1:{port} cannot be listened on" in said.stderr
    assert "set web.port in turnout.toml" in said.stderr
    assert "Traceback" not in said.stderr


def test_two_installations_never_share_a_port(tmp_path: Path) -> None:
    """Both are asked for at the same moment, before either listens."""
    first, second = Turnout(tmp_path / "first"), Turnout(tmp_path / "second")
    shutil.copy(first.home / "turnout.toml", second.home / "turnout.toml")
    second.config = load_config(second.home, {})
    try:
        first.start(wait=False)
        second.start(wait=False)
        eventually("one of them gives up", lambda: first.exit_code or second.exit_code)
        loser, winner = (first, second) if first.exit_code else (second, first)
        assert loser.exit_code == 2
        assert "cannot be listened on" in loser.log.read_text()
        winner.wait_ready()
    finally:
        first.end()
        second.end()


def test_an_unusable_home_is_one_clear_sentence(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("a file where a folder belongs")
    said = run("serve", "--home", str(tmp_path))
    assert said.returncode == 2
    assert "The home folder cannot be used" in said.stderr
    assert "--home" in said.stderr
    assert "Traceback" not in said.stderr


def test_a_broken_configuration_is_one_clear_sentence(tmp_path: Path) -> None:
    (tmp_path / "turnout.toml").write_text("[web]\nprot = 1")
    said = run("serve", "--home", str(tmp_path))
    assert said.returncode == 2
    assert "there is no setting 'web.prot'" in said.stderr
    assert "Did you mean 'port'?" in said.stderr


def test_one_process_can_run_alone(turnout: Turnout) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "turnout", "serve", "--only", "collector", "--home", turnout.home],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        eventually("an event is taken in", lambda: turnout.send([turnout.track("alone")]) == 200)
        assert status(f"{turnout.config.web.url}/healthz") == 0
    finally:
        process.terminate()
        assert process.wait(10) == 0


def test_a_key_lets_events_in_the_moment_it_is_made(turnout: Turnout) -> None:
    turnout.start()
    event = turnout.track("first")
    assert turnout.send([event], key=WriteKeys(turnout.state).create("website").key) == 200
    assert turnout.send([event], key="no-key-of-ours") == 401
