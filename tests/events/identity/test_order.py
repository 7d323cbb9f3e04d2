"""Whatever the order in which calls come and however they are cut into loads: the same tables."""

from __future__ import annotations

import random
from dataclasses import replace

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.events.identity import oracle
from tests.events.identity.ledger import Call, Ledger

# Few of everything and a coarse clock, so that calls meet, contradict each other and tie.
HOURS = st.integers(0, 12)
USERS = st.sampled_from(["alice", "bob", "charlie", "undefined"])
BROWSERS = st.sampled_from(["x", "y", "0"])
ACCOUNTS = st.sampled_from(["acme", "globex", '"null"'])
MAYBE = st.none()
EVENTS = st.sampled_from(
    ["clicked", "clicked", "signed_in", "account_removed_user", "account_deleted"]
)


def calls(*, is_simple: bool) -> st.SearchStrategy[list[Call]]:
    """`is_simple`: every sender is a user, and has one id; else anyone may be anonymous."""
    sender = {"user_id": USERS if is_simple else MAYBE | USERS, "anonymous_id": MAYBE | BROWSERS}
    kinds = [
        st.builds(Call, st.just("track"), HOURS, event=EVENTS, context=MAYBE | ACCOUNTS, **sender),
        st.builds(Call, st.just("page"), HOURS, **sender),
        st.builds(Call, st.just("page"), HOURS, anonymous_id=BROWSERS),
        st.builds(Call, st.just("identify"), HOURS, company=MAYBE | ACCOUNTS, **sender),
        st.builds(Call, st.just("group"), HOURS, group_id=ACCOUNTS, **sender),
    ]
    if not is_simple:
        previous = USERS | BROWSERS
        kinds.append(st.builds(Call, st.just("alias"), HOURS, user_id=USERS, previous_id=previous))
    return st.lists(st.one_of(kinds), max_size=30).map(
        lambda made: [replace(call, id=f"m{number}") for number, call in enumerate(made)]
    )


def load_in_parts(ledger: Ledger, made: list[Call], chance: random.Random) -> None:
    """Shuffled, and in loads of any size."""
    ledger.clear()
    left = chance.sample(made, len(made))
    while left:
        size = chance.randint(1, len(left))
        ledger.load(*left[:size])
        left = left[size:]


EXAMPLES = settings(
    max_examples=12,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


@EXAMPLES
@given(made=calls(is_simple=False), chance=st.randoms(use_true_random=False))
def test_order_and_cuts_change_nothing(
    shared_ledger: Ledger, made: list[Call], chance: random.Random
) -> None:
    load_in_parts(shared_ledger, sorted(made, key=lambda call: call.hour), random.Random(0))
    shared_ledger.clear()
    for call in sorted(made, key=lambda call: call.hour):
        shared_ledger.load(call)
    expected, events = shared_ledger.learned(), shared_ledger.events()
    load_in_parts(shared_ledger, made, chance)
    assert shared_ledger.learned() == expected
    assert shared_ledger.events() == events
    shared_ledger.rebuild()
    assert shared_ledger.learned() == expected


@EXAMPLES
@given(made=calls(is_simple=True), chance=st.randoms(use_true_random=False))
def test_users_and_accounts_are_those_of_plain_loops(
    shared_ledger: Ledger, made: list[Call], chance: random.Random
) -> None:
    load_in_parts(shared_ledger, made, chance)
    assert shared_ledger.events() == oracle.answers(made)


@EXAMPLES
@given(made=calls(is_simple=False), chance=st.randoms(use_true_random=False))
def test_users_are_those_of_plain_loops_with_anonymous_senders_and_aliases(
    shared_ledger: Ledger, made: list[Call], chance: random.Random
) -> None:
    load_in_parts(shared_ledger, made, chance)
    found = {id_: user for id_, (user, _) in shared_ledger.events().items()}
    assert found == {id_: user for id_, (user, _) in oracle.answers(made).items()}
