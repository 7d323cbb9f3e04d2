"""The examples of docs/events.md, typed into a shell as they stand."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.events.house import RunningCollector

PAGE = Path(__file__).parents[3] / "docs" / "events.md"
EXAMPLES = [
    block
    for block in re.findall(r"```sh\n(.*?)```", PAGE.read_text(), re.DOTALL)
    if "curl" in block
]


@pytest.mark.skipif(not shutil.which("curl"), reason="the examples use curl")
@pytest.mark.parametrize("example", EXAMPLES, ids=range(len(EXAMPLES)))
def test_an_example_does_what_the_page_says(
    collector: RunningCollector, tmp_path: Path, example: str
) -> None:
    command, _, said = example.partition("\n# ")
    answer = subprocess.run(
        ["sh", "-c", command],
        env={"HOST": collector.url, "KEY": "alice-key", "PATH": "/usr/bin:/bin:/usr/local/bin"},
        cwd=tmp_path,
        capture_output=True,
        check=True,
    ).stdout
    if (tmp_path / "dot.gif").exists():
        assert (tmp_path / "dot.gif").read_bytes().startswith(b"GIF89a")
    else:
        assert json.loads(answer) == (json.loads(said) if said else {"success": True})


def test_there_are_examples() -> None:
    assert len(EXAMPLES) >= 4
