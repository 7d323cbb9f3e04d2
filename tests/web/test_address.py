from __future__ import annotations

import re
from datetime import UTC, datetime
from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from turnout.clips.clip import Clip
from turnout.errors import NotFound
from turnout.web.address import (
    attachment,
    clip_address,
    link_address,
    local_path,
    read_clip_address,
    read_link_address,
    slug,
)

NOW = datetime(2026, 3, 4, tzinfo=UTC)
TOKEN = "abcdefghijklmnopqrstuvwxyzab"


def clip(title: str, id_: str = "k3j2h4g5") -> Clip:
    return Clip(id_, title, "", "SELECT 1", 1, "Alice", False, 1, NOW, NOW)


@pytest.mark.parametrize(
    ("title", "words"),
    [
        ("Who pays?", "who-pays"),
        ("Élan & Co. — 30 % more", "elan-co-30-more"),
        ("  <script>alert(1)</script> ", "script-alert-1-script"),
        ("日本語 🚂", ""),
        ("x" * 100, "x" * 60),
        ("word " * 40, "-".join(["word"] * 12)),
    ],
)
def test_a_slug_is_the_title_in_plain_words(title: str, words: str) -> None:
    assert slug(title) == words


@given(st.text())
def test_whatever_the_title_its_address_is_plain_and_reads_back(title: str) -> None:
    for format_ in ("", "csv", "json"):
        address = clip_address(clip(title), format_)
        assert re.fullmatch(r"/clips/k3j2h4g5(-[a-z0-9]+)*(\.csv|\.json)?", address)
        ids, read = read_clip_address(address.removeprefix("/clips/"))
        assert ids[-1] == "k3j2h4g5"
        assert read == format_
        shared = link_address(TOKEN, title, format_).removeprefix("/s/")
        assert read_link_address(shared) == (TOKEN, format_)


@given(st.text())
def test_whatever_the_title_a_download_has_one_plain_header_line(title: str) -> None:
    header = attachment(title, "csv")
    assert header.isascii()
    assert header.isprintable()
    assert header.count('"') == 2
    name = unquote(header.rpartition("''")[2])
    assert name.endswith(".csv")
    assert not set(name) & set('/\\:*?"<>|\r\n')


def test_an_id_with_dashes_is_among_those_an_address_may_mean() -> None:
    ids, _ = read_clip_address("paid-share-who-pays.csv")
    assert ids == ["paid-share-who-pays", "paid-share-who", "paid-share", "paid"]


@pytest.mark.parametrize("address", ["", ".csv", "-words", "UPPER", "%2e%2e", "..", "a/b"])
def test_what_cannot_be_a_clip_is_not_found(address: str) -> None:
    with pytest.raises(NotFound):
        read_clip_address(address)


@pytest.mark.parametrize("address", ["", "short", TOKEN + "x", TOKEN.upper(), f"{TOKEN}.exe"])
def test_what_cannot_be_a_token_stays_as_it_is(address: str) -> None:
    assert read_link_address(address) == (address, "")


@pytest.mark.parametrize(
    "path",
    [
        None,
        "",
        "clips",
        "//evil.example",
        "/\\evil.example",
        "/a\\b",
        "https://evil.example",
        "/\n",
    ],
)
def test_nobody_is_sent_to_another_site(path: str | None) -> None:
    assert local_path(path) == "/"


def test_a_path_of_ours_is_kept() -> None:
    assert local_path("/clips/k3j2h4g5-who-pays") == "/clips/k3j2h4g5-who-pays"
