"""Whatever a title, a column or a cell holds, it is only ever text."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator
from xml.etree import ElementTree as ET

import httpx
import pytest

from tests.web.installation import Installation
from turnout.clips.clip import Clip
from turnout.web.address import clip_address

HOSTILE = (
    "</title><script>alert('\"1\"')</script> javascript:alert(2) 🚂 ${1234*4321} {{1234*4321}}"
)
# The same, and what would end a header's line; it follows on the beginning of a formula.
REST = f"|' /C calc'!A0\r\nSet-Cookie: a=b {HOSTILE}"


@pytest.fixture(scope="module")
def clip(site: Installation) -> Clip:
    rest = REST.replace("'", "''")
    name = HOSTILE.replace('"', '""')
    sql = (
        f"""SELECT '=' || i || '{rest}' AS "{name}", i + 1 AS n, 'javascript:alert(1)' AS link, """
        """'<img src=x onerror=alert(1)>' AS "<b>" FROM range(3) t(i)"""
    )
    return site.clip(HOSTILE, sql, description=HOSTILE, pinned=True)


@pytest.fixture(scope="module", autouse=True)
def _put_away(clip: Clip, site: Installation) -> Iterator[None]:
    yield
    site.clips.archive(clip.id, now=site.clock())


@pytest.mark.parametrize("place", ["", "/edit", "/share", "home", "list"])
def test_pages_hold_only_our_own_tags(place: str, clip: Clip, alice: httpx.Client) -> None:
    path = {"home": "/", "list": "/clips"}.get(place, clip_address(clip) + place)
    page = alice.get(path)
    assert page.status_code == 200
    html = page.text
    # Our own, by address; one more where clips are written.
    ours = re.findall(r'<script src="/static/[a-z]+\.js\?v=[0-9a-f]+" defer></script>', html)
    assert len(re.findall("<script", html)) == len(ours) == (2 if place == "/edit" else 1)
    assert not re.search(r"<img[^>]*onerror|<b>|alert\('\"", html)
    assert 'href="javascript:' not in html
    assert "5332114" not in html  # nothing was computed
    assert "🚂" in html


def test_a_drawing_is_one_tree_of_shapes_without_scripts(clip: Clip, alice: httpx.Client) -> None:
    answer = alice.get(f"{clip_address(clip)}/chart.svg")
    assert answer.headers["Content-Type"].startswith("image/svg+xml")
    assert "sandbox" in answer.headers["Content-Security-Policy"]
    tree = ET.fromstring(answer.content)
    for element in tree.iter():
        assert element.tag.rpartition("}")[2] not in {"script", "foreignObject", "a", "image"}
        for name, value in element.attrib.items():
            assert not name.lower().startswith("on")
            assert "javascript:" not in value.lower() or name.endswith("label")


def test_a_file_is_named_in_one_line_of_plain_letters(clip: Clip, alice: httpx.Client) -> None:
    answer = alice.get(clip_address(clip, "csv"))
    said = answer.headers["Content-Disposition"]
    assert re.fullmatch(
        r"attachment; filename=\"[a-z0-9-]+\.csv\"; filename\*=UTF-8''[\w.%~-]+", said, re.ASCII
    )
    assert "Set-Cookie" not in answer.headers


def test_data_comes_back_letter_by_letter(clip: Clip, alice: httpx.Client) -> None:
    cell = f"=0{REST}"
    data = alice.get(clip_address(clip, "json")).json()
    assert data["title"] == HOSTILE
    assert data["fields"][0] == HOSTILE
    assert data["values"][0][0] == cell
    raw = alice.get(clip_address(clip, "csv"), params={"_raw": "1"}).content.decode()
    assert next(csv.DictReader(io.StringIO(raw, newline="")))[HOSTILE] == cell
    guarded = alice.get(clip_address(clip, "csv")).content.decode()
    assert next(csv.DictReader(io.StringIO(guarded, newline="")))[HOSTILE] == f"'{cell}"
