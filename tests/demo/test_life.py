"""The demo as its users meet it: a process with a terminal, ended by Ctrl-C, started again."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from turnout.demo import run
from turnout.demo.cluster import Cluster
from turnout.demo.configuration import write_settings
from turnout.demo.database import READER
from turnout.demo.notebook import read_notebook
from turnout.demo.stage import fetch

WITHIN_S = 60.0
LIVING = "From now on the company lives"


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A demo's home that keeps to ports of its own, and whose past is nearly all sent."""
    with run.held_home(tmp_path, fresh=False) as book:
        book.save(tmp_path, sent_until=book.filled_until)
    with Cluster(tmp_path / "postgres") as cluster:
        write_settings(tmp_path, cluster.follower_url(READER), ports=(0, 0))
    return tmp_path


@contextmanager
def demo(home: Path) -> Iterator[tuple[subprocess.Popen[bytes], Path]]:
    said = home.with_suffix(".out")
    with said.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "turnout", "demo", "--home", str(home)],
            stdout=output,
            stderr=output,
            env=os.environ | {"COLUMNS": "200"},
            # As in a terminal of its own, whatever this test runs under.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),  # noqa: PLW1509
        )
    try:
        yield process, said
    finally:
        process.kill()
        process.wait()


def wait_for(said: Path, words: str, process: subprocess.Popen[bytes]) -> str:
    deadline = time.monotonic() + WITHIN_S
    while words not in (text := said.read_text()):
        assert process.poll() is None, text
        assert time.monotonic() < deadline, text
        time.sleep(0.05)
    return text


def first_answer(url: str) -> bytes:
    """What a stranger gets, once the tables have been copied."""
    deadline = time.monotonic() + WITHIN_S
    while True:
        status, body = fetch(url)
        if status == 200:
            return body
        assert time.monotonic() < deadline, body
        time.sleep(0.1)


def still_running(home: Path) -> list[str]:
    """Processes that name the home; waits a moment for the last to end."""
    deadline = time.monotonic() + 10
    while True:
        there = [
            " ".join(process.info["cmdline"] or ())
            for process in psutil.process_iter(["cmdline"])
            if any(str(home) in word for word in process.info["cmdline"] or ())
        ]
        if not there or time.monotonic() > deadline:
            return there
        time.sleep(0.05)


def test_it_prints_links_that_work_lives_ends_cleanly_and_goes_on(home: Path) -> None:
    with demo(home) as (process, said):
        text = wait_for(said, LIVING, process)
        link = re.search(r"curl (http\S+\.csv)", text)
        assert link
        assert first_answer(link[1]).startswith(b"month,sign_ups\r\n")
        assert re.search(r"http://127\.0\.0\.1:\d+/welcome/\S{20,}", text)
        process.send_signal(signal.SIGINT)
        assert process.wait(20) == 0
    assert "Traceback" not in said.read_text()
    assert not still_running(home)
    before = read_notebook(home)
    assert before
    with demo(home) as (process, said):
        text = wait_for(said, LIVING, process)
        assert link[1] in text
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0
    after = read_notebook(home)
    assert after
    assert after.today == before.today
    assert after.sent_until >= before.sent_until


def test_killed_without_a_word_it_leaves_nothing_running(home: Path) -> None:
    with demo(home) as (process, said):
        wait_for(said, "/welcome/", process)
        process.kill()
    assert not still_running(home)
