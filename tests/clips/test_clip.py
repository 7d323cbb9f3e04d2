from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from turnout.clips.clip import Clips
from turnout.errors import BadRequest, NotFound
from turnout.state import migrate, open_state

NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
LATER = NOW + timedelta(hours=1)


@pytest.fixture
def clips(tmp_path: Path) -> Iterator[Clips]:
    state = open_state(f"sqlite:///{tmp_path / 'state.db'}")
    migrate(state)
    yield Clips(state)
    state.dispose()


def test_a_clip_is_found_as_it_was_made(clips: Clips) -> None:
    made = clips.create("  Paying\tcompanies ", " SELECT 1 ", author="Alice", now=NOW)
    assert clips.find(made.id) == made
    assert (made.title, made.sql, made.version) == ("Paying companies", "SELECT 1", 1)
    assert made.created_at == made.changed_at == NOW
    assert len(made.id) == 8
    assert made.id.isalnum()
    assert made.id.islower() or made.id.isdigit()


def test_each_change_is_a_version_and_no_change_is_none(clips: Clips) -> None:
    clip = clips.create("One", "SELECT 1", author="Alice", id="one", now=NOW)
    same = clips.save("one", title="One", sql="SELECT 1", description="", author="Bob", now=LATER)
    assert same == clip
    changed = clips.save(
        "one", title="One", sql="SELECT 2", description="", author="Bob", now=LATER
    )
    assert (changed.version, changed.author, changed.changed_at) == (2, "Bob", LATER)
    assert changed.created_at == NOW
    assert [(v.version, v.sql) for v in clips.versions("one")] == [(2, "SELECT 2"), (1, "SELECT 1")]


def test_pinned_clips_come_first_and_each_group_in_its_order(clips: Clips) -> None:
    for id_, pinned in (("a", False), ("b", True), ("c", False), ("d", True)):
        clips.create(id_, "SELECT 1", author="Alice", pinned=pinned, id=id_, now=NOW)
    assert [clip.id for clip in clips.list()] == ["b", "d", "a", "c"]
    clips.pin("c", pinned=True)
    assert [clip.id for clip in clips.list()] == ["b", "c", "d", "a"]


def test_an_archived_clip_is_gone_from_every_list(clips: Clips) -> None:
    clips.create("One", "SELECT 1", author="Alice", id="one", now=NOW)
    clips.archive("one", now=LATER)
    assert clips.list() == []
    for look in (clips.find, clips.versions):
        with pytest.raises(NotFound, match="no clip 'one'"):
            look("one")


def test_an_id_is_given_once(clips: Clips) -> None:
    clips.create("One", "SELECT 1", author="Alice", id="one", now=NOW)
    with pytest.raises(BadRequest, match="already is a clip 'one'"):
        clips.create("Two", "SELECT 1", author="Alice", id="one", now=NOW)


@pytest.mark.parametrize("id_", ["", "A", "a b", "-a", "a/b", "é", "a" * 65])
def test_an_id_that_no_address_should_hold_is_refused(clips: Clips, id_: str) -> None:
    with pytest.raises(BadRequest, match="cannot be a clip's id"):
        clips.create("One", "SELECT 1", author="Alice", id=id_, now=NOW)


@pytest.mark.parametrize(
    ("title", "sql", "word"),
    [
        ("", "SELECT 1", "needs a title"),
        (" \n ", "SELECT 1", "needs a title"),
        ("x" * 201, "SELECT 1", "title is longer"),
        ("One", "  ", "needs a query"),
        ("One", "SELECT '" + "é" * 50_000 + "'", "longer than 100 KB"),
        ("One", "SELECT '\0'", "query holds a character"),
        ("\ud800", "SELECT 1", "title holds a character"),
    ],
)
def test_what_cannot_be_kept_is_refused_with_its_reason(
    clips: Clips, title: str, sql: str, word: str
) -> None:
    with pytest.raises(BadRequest, match=word):
        clips.create(title, sql, author="Alice", now=NOW)
    assert clips.list() == []
