from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

import pytest
import sqlalchemy as sa

from turnout.access.links import Links
from turnout.access.token import link_token
from turnout.clips.clip import Clips
from turnout.errors import BadRequest, NotFound
from turnout.state import State
from turnout.state.table import link as link_table

SECRET = b"s" * 32


@pytest.fixture
def clip_id(state: State, now: datetime) -> str:
    return Clips(state).create("Paying companies", "SELECT 1", author="Alice", now=now).id


@pytest.fixture
def links(state: State) -> Links:
    return Links(state, SECRET)


def test_a_token_is_28_small_letters_and_opens_its_clip(
    links: Links, clip_id: str, now: datetime
) -> None:
    link, token = links.create(clip_id, "Alice", label=" Board\nmeeting ", expires_at=None, now=now)
    assert len(token) == 28
    assert token.isascii()
    assert token.isalpha()
    assert token.islower()
    assert link.label == "Board meeting"
    assert links.open(token, now=now) == link


def test_its_maker_can_have_the_token_again(links: Links, clip_id: str, now: datetime) -> None:
    link, token = links.create(clip_id, "Alice", expires_at=None, now=now)
    assert links.token(link) == token


def test_the_database_alone_gives_no_token_away(
    links: Links, clip_id: str, state: State, now: datetime
) -> None:
    link, token = links.create(clip_id, "Alice", expires_at=None, now=now)
    with state.connect() as connection:
        row = connection.execute(sa.select(link_table)).one()
    assert token not in repr(row)
    assert Links(state, b"t" * 32).token(link) != token
    with pytest.raises(NotFound):
        Links(state, b"t" * 32).open(token, now=now)


def test_unknown_revoked_and_expired_links_give_one_and_the_same_answer(
    links: Links, clip_id: str, now: datetime
) -> None:
    revoked, revoked_token = links.create(clip_id, "Alice", expires_at=None, now=now)
    links.revoke(revoked.id, now=now)
    soon = now + timedelta(days=1)
    _, expired_token = links.create(clip_id, "Alice", expires_at=soon, now=now)
    said = set()
    for token in ("a" * 28, "", "no token at all", revoked_token, expired_token):
        with pytest.raises(NotFound) as refused:
            links.open(token, now=soon)
        said.add(str(refused.value))
    assert len(said) == 1


def test_a_link_works_until_the_moment_it_expires(
    links: Links, clip_id: str, now: datetime
) -> None:
    ends = now + timedelta(days=90)
    _, token = links.create(clip_id, "Alice", expires_at=ends, now=now)
    links.open(token, now=ends - timedelta(microseconds=1))
    with pytest.raises(NotFound):
        links.open(token, now=ends)


def test_a_link_cannot_begin_expired(links: Links, clip_id: str, now: datetime) -> None:
    with pytest.raises(BadRequest):
        links.create(clip_id, "Alice", expires_at=now, now=now)


def test_revoking_twice_keeps_the_first_time(links: Links, clip_id: str, now: datetime) -> None:
    link, _ = links.create(clip_id, "Alice", expires_at=None, now=now)
    links.revoke(link.id, now=now)
    links.revoke(link.id, now=now + timedelta(hours=1))
    assert links.of(clip_id) == [replace(link, revoked_at=now)]


def test_revoking_what_is_no_link_is_said(links: Links, now: datetime) -> None:
    with pytest.raises(NotFound):
        links.revoke(7, now=now)


def test_uses_are_counted_and_refusals_are_not(links: Links, clip_id: str, now: datetime) -> None:
    _, token = links.create(clip_id, "Alice", expires_at=now + timedelta(days=1), now=now)
    last = now + timedelta(seconds=2)
    for moment in (now, now + timedelta(seconds=1), last):
        links.open(token, now=moment)
    with pytest.raises(NotFound):
        links.open(token, now=now + timedelta(days=2))
    (link,) = links.of(clip_id)
    assert (link.uses, link.last_used_at) == (3, last)


def test_many_uses_cost_few_writes(links: Links, clip_id: str, state: State, now: datetime) -> None:
    _, token = links.create(clip_id, "Alice", expires_at=None, now=now)
    writes = []
    sa.event.listen(
        state,
        "before_cursor_execute",
        lambda _c, _cursor, sql, *_: writes.append(sql) if sql.startswith("UPDATE") else None,
    )
    for tenth in range(200):
        links.open(token, now=now + timedelta(seconds=tenth / 10))
    assert 1 <= len(writes) <= 4
    links.write_uses()
    assert links.of(clip_id)[0].uses == 200


def test_the_links_of_a_clip_are_its_own_newest_first(
    links: Links, clip_id: str, state: State, now: datetime
) -> None:
    other = Clips(state).create("Another", "SELECT 2", author="Bob", now=now).id
    links.create(other, "Bob", expires_at=None, now=now)
    first, _ = links.create(clip_id, "Alice", label="first", expires_at=None, now=now)
    second, _ = links.create(clip_id, "Alice", label="second", expires_at=None, now=now)
    assert links.of(clip_id) == [second, first]


def test_tokens_use_the_whole_alphabet_evenly() -> None:
    letters = "".join(link_token(SECRET, number.to_bytes(4, "big")) for number in range(2000))
    counts = {letter: letters.count(letter) for letter in set(letters)}
    assert len(counts) == 26
    expected = len(letters) / 26
    assert all(0.85 * expected < count < 1.15 * expected for count in counts.values())
