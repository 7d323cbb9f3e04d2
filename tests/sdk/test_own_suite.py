"""The tests inside Segment's Python library, with Segment's host and key replaced by ours."""

from __future__ import annotations

import shutil
import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest
import segment.analytics

from tests.running import Turnout
from tests.sdk.snapshot import snapshot
from tests.sdk.source import new_key

TESTS = 140
# Wants a network on which nothing answers within 0.1 ms; it passes or fails with the weather.
NEEDS_A_SLOW_NETWORK = "test_should_timeout"
# Segment answers 200 to a key nobody has; here the sender is told with 401.
WANTS_SILENCE = "test_success_on_invalid_write_key"


@pytest.fixture
def suite(turnout: Turnout, tmp_path: Path) -> Path:
    """A copy of the library that sends to us."""
    library = Path(segment.analytics.__file__).parents[1]
    copy = tmp_path / "segment"
    shutil.copytree(library, copy, ignore=shutil.ignore_patterns("__pycache__"))
    key = new_key(turnout, "own_suite")
    for file in copy.rglob("*.py"):
        text = file.read_text().replace("https://api.segment.io", turnout.config.collector.url)
        file.write_text(text.replace("testsecret", key))
    # The suite asks for the package that became a part of Python.
    (tmp_path / "mock.py").write_text("from unittest.mock import *\n")
    (tmp_path / "pytest.ini").write_text("[pytest]\n")
    return tmp_path


def run(suite: Path, *options: str) -> tuple[int, set[str]]:
    """How many tests ran, and which of them failed."""
    subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "--junit-xml=report.xml", *options, "segment"],
        cwd=suite,
        capture_output=True,
        check=False,
    )
    cases = list(ET.parse(suite / "report.xml").iter("testcase"))
    return len(cases), {case.get("name", "") for case in cases if len(case)}


def test_the_librarys_own_tests_pass_against_this_door(turnout: Turnout, suite: Path) -> None:
    # It mostly sleeps, so four at a time.
    count, failed = run(suite, "-n", "4")
    assert count == TESTS
    # On a busy machine some find their own threads too slow: those may try once more, alone.
    failed &= run(suite, "--last-failed")[1]
    assert failed - {NEEDS_A_SLOW_NETWORK} == {WANTS_SILENCE}
    with snapshot(turnout) as after:
        assert after.rows(
            "SELECT sum(received) = sum(stored) + sum(duplicates), sum(rejected) "
            "FROM _turnout.source_counts WHERE source = 'own_suite'"
        ) == [(True, 0)]
