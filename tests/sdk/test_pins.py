"""What is fetched from elsewhere is pinned, and no download address is kept."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.sdk.libraries import LIBRARIES
from tests.sdk.wire import WIRES
from turnout.access.keys import WriteKey
from turnout.web.snippets import snippets

ROOT = Path(__file__).parents[2]
DOCUMENT = (ROOT / "docs" / "sdks.md").read_text()
PACKED = ROOT / "turnout" / "events" / "browser"


@pytest.mark.parametrize("folder", ["browser", "tests/sdk"])
def test_every_javascript_package_has_a_digest_and_no_address(folder: str) -> None:
    text = (ROOT / folder / "package-lock.json").read_text()
    assert "resolved" not in text
    assert "://" not in text
    packages = json.loads(text)["packages"]
    assert all("integrity" in package for name, package in packages.items() if name)


def test_the_library_served_is_the_library_tested() -> None:
    name = "@segment/analytics-next"
    served, tested = (
        json.loads((ROOT / folder / "package.json").read_text())["dependencies"][name]
        for folder in ("browser", "tests/sdk")
    )
    assert served == tested
    assert (PACKED / "version").read_text() == f"{name} {served}\n", "install Turnout once more"
    assert "MIT License" in (PACKED / "LICENSE").read_text()


def test_the_document_names_every_library_that_is_tested() -> None:
    names = {library.name for library in LIBRARIES if library.is_node}
    names |= {wire.library for wire in WIRES if wire.slug in ("ruby", "go", "php", "java")}
    names |= {"segment-analytics-python", "analytics-python", "rudder-sdk-python"}
    names |= {"customerio-cdp-analytics", "@segment/analytics-next", "@rudderstack/analytics-js"}
    assert [name for name in sorted(names) if name not in DOCUMENT] == []


def test_the_document_shows_the_snippet_of_the_sources_page() -> None:
    key = WriteKey("<the write key>", "web", "analytics", datetime.now(UTC), None)
    [text] = [
        one.text for one in snippets(key, "https://turnout.example") if one.language == "Web page"
    ]
    assert text.partition("\n\n")[0] in DOCUMENT
