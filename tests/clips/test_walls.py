"""Each wall in a process of its own: what could be done before cannot be done after."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

BEGIN = "import os, sys, socket, resource, signal; from turnout.clips import walls\n"


def outcome(code: str, folder: Path) -> str:
    done = subprocess.run(
        [sys.executable, "-c", BEGIN + code],
        capture_output=True,
        text=True,
        cwd=folder,
        check=False,
    )
    return done.stdout.strip() or done.stderr.strip().splitlines()[-1]


@pytest.mark.skipif(sys.platform != "linux", reason="Landlock is Linux's")
def test_behind_landlock_no_path_opens(tmp_path: Path) -> None:
    (tmp_path / "there").write_text("x", encoding="utf-8")
    code = "print(walls.touch_nothing(), flush=True)\nopen('there')"
    answer = outcome(code, tmp_path)
    if answer.startswith("False"):
        pytest.skip("this kernel has no Landlock")
    assert outcome("assert walls.touch_nothing()\nopen('there')", tmp_path).startswith(
        "PermissionError"
    )


def test_without_descriptors_nothing_opens(tmp_path: Path) -> None:
    (tmp_path / "there").write_text("x", encoding="utf-8")
    answer = outcome("assert walls.open_nothing()\nopen('there')", tmp_path)
    assert "Too many open files" in answer


@pytest.mark.skipif(sys.platform != "linux", reason="network namespaces are Linux's")
def test_the_empty_network_reaches_nobody(tmp_path: Path) -> None:
    code = """
server = socket.create_server(("127.0.0.1", 0))
assert walls.leave_network()
try:
    socket.create_connection(server.getsockname(), timeout=1)
except OSError as error:
    print(type(error).__name__)
"""
    assert outcome(code, tmp_path) in {"OSError", "ConnectionRefusedError"}


def test_memory_is_held_from_outside(tmp_path: Path) -> None:
    code = "assert walls.limit_memory(256 * 1024**2)\nbytearray(300 * 1024**2)"
    assert outcome(code, tmp_path) == "MemoryError"


def test_a_worker_stands_behind_every_wall_of_this_machine(tmp_path: Path) -> None:
    code = """
print(walls.leave_network(), walls.touch_nothing(), walls.open_nothing(), walls.write_nothing())
"""
    assert outcome(code, tmp_path) == "True True True True"
