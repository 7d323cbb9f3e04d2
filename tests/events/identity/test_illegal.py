from __future__ import annotations

import pyarrow as pa
import pytest

from tests.events.identity.ledger import Call, Ledger
from turnout.events.identity.illegal import ANY_CASE, EXACTLY, illegal_ids


def is_illegal(id_: str) -> bool:
    return [*illegal_ids(pa.chunked_array([[id_, None]])).to_pylist()] == [id_]


@pytest.mark.parametrize("id_", [*ANY_CASE, *EXACTLY])
def test_an_id_that_means_nobody_is_known_also_in_quotes(id_: str) -> None:
    for spelled in (id_, f'"{id_}"', f"'{id_}'", f' "{id_}" ', f'\\"{id_}\\"'):
        assert is_illegal(spelled), spelled


@pytest.mark.parametrize("id_", ANY_CASE)
def test_most_of_them_are_known_in_any_case(id_: str) -> None:
    assert is_illegal(id_.upper())
    assert is_illegal(id_.title())


@pytest.mark.parametrize(
    "id_", ["alice", "NULL", "nan", "00", "1", "NONE", "guest1", "id7", "e-mail", "[object object]"]
)
def test_other_ids_are_somebody(id_: str) -> None:
    assert not is_illegal(id_)


def test_nothing_is_concluded_from_an_illegal_id_but_it_is_reported(ledger: Ledger) -> None:
    ledger.load(
        Call("page", 1, anonymous_id="x", id="before"),
        Call("identify", 2, user_id="undefined", anonymous_id="x", id="broken"),
        Call("identify", 2, user_id="bob", anonymous_id="null"),
        Call("track", 3, user_id="undefined", context='"undefined"', id="nobody"),
        Call("track", 4, anonymous_id="x", id="after"),
    )
    assert ledger.rows("SELECT * FROM turnout.identity_map") == []
    assert ledger.rows("SELECT * FROM turnout.account_users") == []
    events = ledger.events()
    assert {events[id_] for id_ in ("before", "broken", "nobody", "after")} == {(None, None)}
    assert ledger.rows("SELECT user_id FROM turnout.events WHERE id = 'broken'") == [("undefined",)]
    assert ledger.rows("SELECT * FROM turnout.identity_problems ORDER BY id") == [
        ("illegal_id", '"undefined"'),
        ("illegal_id", "null"),
        ("illegal_id", "undefined"),
    ]
    ledger.load(Call("identify", 5, user_id="alice", anonymous_id="x"))
    assert ledger.events()["broken"] == ("alice", None)
