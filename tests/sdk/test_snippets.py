"""What the Sources page offers to paste, run as it is."""

from __future__ import annotations

import os
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.running import Turnout
from tests.sdk.install import CLIENTS, NODE
from tests.sdk.snapshot import snapshot
from tests.sdk.source import new_key
from turnout.access.keys import WriteKey
from turnout.web.snippets import snippets

PATIENCE_S = 60


def program(language: str, folder: Path, text: str) -> list[str]:
    """The command that runs `text`."""
    if language == "curl":
        return ["sh", "-c", text]
    if language == "Python":
        return [sys.executable, "-c", text]
    (folder / "node_modules").symlink_to(CLIENTS / "node_modules")
    (folder / "send.mjs").write_text(text)
    return [str(NODE), str(folder / "send.mjs")]


@pytest.mark.parametrize("language", ["Python", "Node", "curl"])
def test_a_snippet_sends_as_it_is_pasted(
    language: str, clients: None, turnout: Turnout, tmp_path: Path
) -> None:
    source = f"snippet_{language.lower()}"
    key = WriteKey(new_key(turnout, source), source, source, datetime.now(UTC), None)
    offered = {each.language: each for each in snippets(key, turnout.config.collector.url)}
    command = program(language, tmp_path, offered[language].text)
    subprocess.run(command, env=os.environ, check=True, timeout=PATIENCE_S, capture_output=True)
    with snapshot(turnout) as after:
        assert after.rows(
            f"SELECT user_id, event_text, colour FROM {source}.pressed_big_button"
        ) == [("alice", "Pressed Big Button", "red")]
