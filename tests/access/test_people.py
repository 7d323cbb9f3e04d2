from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta

import pytest
import sqlalchemy as sa

from turnout.access.people import People
from turnout.errors import BadRequest, NotAllowed, NotFound, TurnoutError
from turnout.state import State
from turnout.state.table import invitation, person, session

PASSWORD = "a long enough password"


@pytest.fixture
def people(state: State) -> People:
    return People(state)


def test_at_first_nobody_owns_it(people: People) -> None:
    assert people.owner() is None


def test_a_one_time_link_makes_the_owner(people: People, now: datetime) -> None:
    token = people.invite(None, now=now)
    assert people.invitation(token, now=now).person is None
    alice = people.claim(token, " Alice ", PASSWORD, now=now)
    assert (alice.name, alice.role) == ("Alice", "owner")
    assert people.owner() == alice
    assert people.sign_in("Alice", PASSWORD) == alice


def test_whoever_comes_second_is_refused_with_the_same_link_or_another(
    people: People, now: datetime
) -> None:
    first, second = people.invite(None, now=now), people.invite(None, now=now)
    people.claim(first, "Alice", PASSWORD, now=now)
    late = people.invite(None, now=now)
    for token in (first, second, late):
        with pytest.raises(NotAllowed, match="already has an owner"):
            people.claim(token, "Charlie", PASSWORD, now=now)
    with pytest.raises(NotFound):
        people.invitation(second, now=now)


def test_of_many_who_claim_at_once_exactly_one_becomes_the_owner(
    people: People, now: datetime
) -> None:
    tokens = [people.invite(None, now=now) for _ in range(4)]

    def claim(number: int) -> str:
        try:
            return people.claim(tokens[number % 4], f"Claimer {number}", PASSWORD, now=now).name
        except TurnoutError:
            return ""

    with ThreadPoolExecutor(8) as threads:
        names = [name for name in threads.map(claim, range(8)) if name]
    owner = people.owner()
    assert owner is not None
    assert names == [owner.name]


def test_a_stranger_without_the_link_cannot_claim(people: People, now: datetime) -> None:
    people.invite(None, now=now)
    with pytest.raises(NotFound):
        people.claim("guessed", "Charlie", PASSWORD, now=now)
    assert people.owner() is None


def test_a_link_for_a_person_cannot_make_an_owner(people: People, now: datetime) -> None:
    token = people.invite(people.add("Bob", now=now), now=now)
    with pytest.raises(NotFound):
        people.claim(token, "Charlie", PASSWORD, now=now)


def test_unknown_used_and_expired_links_give_one_and_the_same_answer(
    people: People, now: datetime
) -> None:
    bob = people.add("Bob", now=now)
    used, expired = people.invite(bob, now=now), people.invite(bob, now=now, valid_s=60)
    people.welcome(used, now=now)
    said = set()
    for token in ("unknown", used, expired):
        for open_ in (people.invitation, people.welcome):
            with pytest.raises(NotFound) as refused:
                open_(token, now=now + timedelta(seconds=60))
            said.add(str(refused.value))
    assert len(said) == 1


def test_a_link_for_a_person_signs_in_once(people: People, now: datetime) -> None:
    bob = people.add("Bob", now=now)
    token = people.invite(bob, now=now)
    assert people.invitation(token, now=now).person == bob
    assert people.welcome(token, now=now) == bob
    with pytest.raises(NotFound):
        people.welcome(token, now=now)


@pytest.mark.parametrize("password", ["", "nine char", "x" * 1001])
def test_a_password_has_a_useful_length(people: People, now: datetime, password: str) -> None:
    token = people.invite(None, now=now)
    with pytest.raises(BadRequest, match="characters"):
        people.claim(token, "Alice", password, now=now)
    assert people.claim(token, "Alice", "ten chars!", now=now).name == "Alice"


@pytest.mark.parametrize("name", ["", "   ", "x" * 81, "Al\x00ice", "A\nB"])
def test_a_name_fits_a_line(people: People, now: datetime, name: str) -> None:
    with pytest.raises(BadRequest, match="name"):
        people.add(name, now=now)


def test_two_people_cannot_share_a_name(people: People, now: datetime) -> None:
    people.add("Bob", now=now)
    with pytest.raises(BadRequest, match="Bob"):
        people.add("Bob", now=now)


def test_wrong_password_unknown_name_and_no_password_look_the_same(
    people: People, now: datetime
) -> None:
    people.add("Alice", "owner", PASSWORD, now=now)
    people.add("Bob", now=now)
    said = set()
    for name, password in [
        ("Alice", "wrong password"),
        ("Alice", "x" * 100_000),
        ("Alice", ""),
        ("Nobody", PASSWORD),
        ("Bob", ""),
        ("Bob", "anything at all"),
    ]:
        with pytest.raises(NotAllowed) as refused:
            people.sign_in(name, password)
        said.add(str(refused.value))
    assert len(said) == 1


def test_an_unknown_name_takes_as_long_as_a_known_one(people: People, now: datetime) -> None:
    people.add("Alice", "owner", PASSWORD, now=now)

    def quickest(name: str) -> float:
        times = []
        for _ in range(5):
            began = time.perf_counter()
            with pytest.raises(NotAllowed):
                people.sign_in(name, "wrong password")
            times.append(time.perf_counter() - began)
        return min(times)

    quickest("Warm up")
    assert quickest("Nobody") > 0.4 * quickest("Alice")


def test_a_session_lasts_thirty_days_and_ends_at_sign_out(people: People, now: datetime) -> None:
    alice = people.add("Alice", "owner", PASSWORD, now=now)
    token = people.open_session(alice, now=now)
    assert people.session(token, now=now + timedelta(days=29)) == alice
    assert people.session(token, now=now + timedelta(days=30)) is None
    assert people.session("guessed", now=now) is None
    people.close_session(token)
    people.close_session(token)
    assert people.session(token, now=now) is None


def test_expired_sessions_are_cleared_away(people: People, state: State, now: datetime) -> None:
    alice = people.add("Alice", "owner", PASSWORD, now=now)
    people.open_session(alice, now=now)
    people.open_session(alice, now=now + timedelta(days=31))
    with state.connect() as connection:
        assert connection.scalar(sa.select(sa.func.count()).select_from(session)) == 1


def test_the_database_holds_no_password_and_no_token(
    people: People, state: State, now: datetime
) -> None:
    alice = people.add("Alice", "owner", PASSWORD, now=now)
    secrets = [
        PASSWORD,
        people.open_session(alice, now=now),
        people.invite(alice, now=now),
        people.invite(None, now=now),
    ]
    with state.connect() as connection:
        kept = repr([connection.execute(sa.select(t)).all() for t in (person, session, invitation)])
    assert not [secret for secret in secrets if secret in kept]
