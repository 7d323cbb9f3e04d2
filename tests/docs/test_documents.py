"""The documents tell the truth: generated pages are fresh, links lead somewhere, words exist."""

import re
import subprocess
import tomllib
from pathlib import Path

import pytest

from docs.generate import pages
from turnout.config import Config, load_config

ROOT = Path(__file__).parents[2]
DOCUMENTS = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/*.md")])


def blocks(document: Path, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", document.read_text(), re.DOTALL | re.MULTILINE)


@pytest.mark.parametrize("path", pages(), ids=lambda path: path.name)
def test_a_generated_page_is_what_the_code_says(path: Path) -> None:
    assert path.read_text() == pages()[path], "run 'make docs'"


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_every_link_to_a_file_leads_to_one(document: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+?)(?:#[^)]*)?\)", document.read_text()):
        if not target.startswith(("http://", "https://")):
            assert (document.parent / target).exists(), target


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_every_file_that_is_named_exists(document: Path) -> None:
    rooms = (
        "cli|app|jobs|serve|home|config|logs|errors|web|events|sync|clips|access|warehouse|state"
    )
    for name in re.findall(rf"`((?:{rooms})/[\w/.]+\.py)`", document.read_text()):
        assert (ROOT / "turnout" / name).exists(), name
    for name in re.findall(r"`((?:turnout|tests|docs|bench)/[\w/.]*)`", document.read_text()):
        assert (ROOT / name).exists(), name


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_every_make_word_that_is_named_exists(document: Path) -> None:
    words = set(re.findall(r"^(\w+):.*##", (ROOT / "Makefile").read_text(), re.MULTILINE))
    for word in re.findall(r"(?:`|^)make (\w+)", document.read_text(), re.MULTILINE):
        assert word in words, word


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_every_command_that_is_named_exists(document: Path) -> None:
    known = set(
        re.findall(r"^## `(turnout [^`]+)`", pages()[ROOT / "docs/commands.md"], re.MULTILINE)
    )
    for line in re.findall(
        r"(?:`|^)(turnout [a-z-]+(?: [a-z]+)?)", document.read_text(), re.MULTILINE
    ):
        words = line.split()
        assert {" ".join(words[:2]), line} & known or any(
            command.startswith(" ".join(words[:2]) + " ") for command in known
        ), line


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_every_piece_of_configuration_loads(document: Path, tmp_path: Path) -> None:
    for block in blocks(document, "toml"):
        tomllib.loads(block)
        (tmp_path / "turnout.toml").write_text(block)
        assert isinstance(load_config(tmp_path, {}), Config)


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_every_piece_of_python_compiles(document: Path) -> None:
    for block in blocks(document, "python"):
        compile(block, document.name, "exec")


def test_the_house_has_the_rooms_the_map_shows() -> None:
    drawn = (ROOT / "docs/architecture.md").read_text()
    rooms = {path.name for path in (ROOT / "turnout").iterdir() if path.is_dir()}
    for room in rooms - {"__pycache__"}:
        assert f"{room}/" in drawn, room


def test_every_version_is_pinned_and_no_download_address_is_kept() -> None:
    for line in (ROOT / "constraints.txt").read_text().splitlines():
        assert line.startswith("#") or re.fullmatch(r"[\w.-]+==[\w.]+", line), line


def test_make_alone_lists_the_words() -> None:
    said = subprocess.run(
        ["make", "--no-print-directory"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout
    for word in ("setup", "demo", "run", "check", "test", "bench", "fix", "golden", "docs"):
        assert f"make {word} " in said
