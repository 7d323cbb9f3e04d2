from __future__ import annotations

from collections.abc import Sequence

import pytest

from tests.events.identity.ledger import Call, Ledger, at
from turnout.events.identity.identities import ANONYMOUS_IDS_MAX, USERS_MAX


def seen(hour: float, user: str, browser: str = "x") -> Call:
    return Call("identify", hour, user_id=user, anonymous_id=browser)


def alias(hour: float, previous: str, user: str) -> Call:
    return Call("alias", hour, user_id=user, previous_id=previous)


def resolved(ledger: Ledger, hour: float, *, browser: str = "x") -> str | None:
    """Whose an anonymous event of that hour would be."""
    ledger.load(Call("page", hour, anonymous_id=browser, id=f"probe {hour} {browser}"))
    sql = (
        "SELECT resolved_user_id FROM turnout.events WHERE id LIKE 'probe %' "
        'AND "timestamp" = ? AND anonymous_id = ?'
    )
    users: set[str | None] = {user for (user,) in ledger.rows(sql, [at(hour), browser])}
    [user] = users
    return user


@pytest.mark.parametrize(
    ("sightings", "hour", "user"),
    [
        ([], 5, None),
        ([(5, "alice")], 1, "alice"),  # the first one identified after it
        ([(5, "alice")], 5, "alice"),  # at its very time
        ([(5, "alice")], 9, "alice"),  # else the last one before it
        ([(5, "alice"), (7, "bob")], 3, "alice"),
        ([(5, "alice"), (7, "bob")], 6, "bob"),
        ([(5, "alice"), (7, "bob")], 9, "bob"),
        ([(1, "alice"), (5, "bob"), (9, "alice")], 3, "bob"),
        ([(1, "alice"), (5, "bob"), (9, "alice")], 7, "alice"),
        ([(1, "alice"), (5, "bob"), (9, "alice")], 11, "alice"),
        ([(1, "alice"), (4, "alice"), (5, "bob"), (9, "alice")], 3, "alice"),
        ([(5, "bob"), (5, "alice")], 3, "alice"),  # a tie: the smaller name first
        ([(5, "bob"), (5, "alice")], 6, "bob"),  # and the larger one last
    ],
)
def test_whose_an_anonymous_event_is(
    ledger: Ledger, sightings: Sequence[tuple[float, str]], hour: float, user: str | None
) -> None:
    ledger.load(*(seen(*sighting) for sighting in sightings))
    assert resolved(ledger, hour) == user


def test_what_was_seen_in_between_and_came_late_counts(ledger: Ledger) -> None:
    """The middle of a run is not kept, but it is in the stored events."""
    ledger.load(seen(1, "alice"), seen(4, "alice"), seen(9, "alice"))
    ledger.load(seen(5, "bob"))
    assert resolved(ledger, 3) == "alice"
    assert resolved(ledger, 4.5) == "bob"
    assert resolved(ledger, 6) == "alice"


def test_two_users_of_one_browser_stay_two(ledger: Ledger) -> None:
    ledger.load(seen(1, "alice"), seen(2, "bob"))
    ledger.load(Call("track", 3, user_id="alice", id="a"), Call("track", 3, user_id="bob", id="b"))
    events = ledger.events()
    assert (events["a"][0], events["b"][0]) == ("alice", "bob")
    assert ledger.rows("SELECT * FROM turnout.user_merges") == []


def test_the_map_says_who_was_seen_when(ledger: Ledger) -> None:
    ledger.load(seen(4, "alice"), seen(2, "alice"), seen(3, "alice", "y"))
    ledger.load(seen(1, "alice"), alias(6, "z", "alice"), Call("track", 9, user_id="alice"))
    assert ledger.rows("SELECT * FROM turnout.identity_map ORDER BY ALL") == [
        ("x", "alice", at(1), at(4)),
        ("y", "alice", at(3), at(3)),
        ("z", "alice", at(6), at(6)),
    ]


def test_a_browser_is_the_same_in_every_source(ledger: Ledger) -> None:
    ledger.load(Call("page", 1, anonymous_id="x", id="site", schema="website"))
    ledger.load(seen(2, "alice"))
    assert ledger.events()["site"] == ("alice", None)


@pytest.mark.parametrize(
    ("aliases", "user", "resolved_user"),
    [
        ([(1, "a", "b")], "a", "b"),
        ([(1, "a", "b")], "b", "b"),
        ([(1, "a", "b"), (2, "b", "c")], "a", "c"),  # transitive
        ([(2, "a", "b"), (1, "b", "c")], "a", "c"),  # in whatever order
        ([(1, "a", "b"), (2, "a", "c")], "a", "c"),  # the newest wins
        ([(1, "a", "b"), (2, "a", "c")], "b", "b"),  # and merges nobody else
        ([(1, "a", "b"), (2, "b", "a")], "b", "a"),  # a circle: the newest of it
        ([(1, "a", "b"), (2, "b", "a")], "a", "a"),
        ([(3, "a", "b"), (1, "b", "c"), (2, "c", "a")], "c", "b"),
        ([(3, "a", "b"), (1, "b", "c"), (2, "c", "a"), (9, "d", "c")], "d", "b"),
        ([(1, "a", "a")], "a", "a"),  # to itself: nothing
        ([(1, "a", "undefined")], "a", "a"),
    ],
)
def test_users_are_merged_by_aliases_alone(
    ledger: Ledger, aliases: Sequence[tuple[float, str, str]], user: str, resolved_user: str
) -> None:
    for each in aliases:
        ledger.load(alias(*each))
    ledger.load(Call("track", 0, user_id=user, id="probe"))
    assert ledger.events()["probe"][0] == resolved_user


def test_aliases_of_one_browser_do_not_merge_its_users(ledger: Ledger) -> None:
    ledger.load(alias(1, "x", "alice"), alias(2, "x", "bob"))
    assert ledger.rows("SELECT * FROM turnout.user_merges") == [("x", "bob")]
    ledger.load(Call("track", 3, user_id="alice", id="a"))
    assert ledger.events()["a"][0] == "alice"


def test_a_long_chain_of_names_is_followed_to_its_end(ledger: Ledger) -> None:
    chain = [alias(n, f"name {n}", f"name {n + 1}") for n in range(60)]
    for part in (chain[40:], chain[:20], chain[20:40]):
        ledger.load(*part)
    ledger.load(Call("track", 1, user_id="name 0", id="probe"))
    assert ledger.events()["probe"][0] == "name 60"


def test_an_anonymous_id_of_too_many_users_is_left_out_and_reported(ledger: Ledger) -> None:
    ledger.load(*(seen(n, f"user {n}") for n in range(USERS_MAX)))
    assert resolved(ledger, 0) == "user 0"
    ledger.load(seen(3.5, "one more"))
    assert resolved(ledger, 0) is None
    assert ledger.rows("SELECT * FROM turnout.identity_problems") == [("shared_anonymous_id", "x")]
    assert ledger.rows("SELECT count(*) FROM turnout.identity_map") == [(USERS_MAX + 1,)]


def test_a_user_of_too_many_anonymous_ids_is_left_out_in_whatever_order(ledger: Ledger) -> None:
    bots = [seen(5, "bot", f"b{n}") for n in range(ANONYMOUS_IDS_MAX + 1)]
    crowd = [seen(n, f"user {n}", "b7") for n in range(USERS_MAX)]
    shared = [seen(1, "alice", "b3"), seen(9, "alice", "b3")]
    ledger.load(*bots[:500], *crowd)
    ledger.load(*bots[500:-1], *shared)
    assert resolved(ledger, 2, browser="b3") == "bot"
    assert resolved(ledger, 2, browser="b7") is None
    ledger.load(bots[-1])
    assert resolved(ledger, 2, browser="b3") == "alice"
    assert resolved(ledger, 2, browser="b7") == "user 2"
    assert resolved(ledger, 5, browser="b900") is None
    assert ledger.rows("SELECT * FROM turnout.identity_problems") == [
        ("too_many_anonymous_ids", "bot")
    ]
    learned = ledger.learned()
    ledger.clear()
    ledger.load(*shared, *bots, *crowd)
    ledger.load(seen(6, "bot", "another"))
    assert ledger.learned() == learned
