from __future__ import annotations

import pytest

from turnout.access.keys import WriteKeys
from turnout.errors import BadRequest, NotFound
from turnout.state import State


def test_a_new_key_is_active_and_unlike_every_other(state: State) -> None:
    keys = WriteKeys(state)
    web, backend = keys.create("web"), keys.create("backend", "backend")
    assert web.key != backend.key
    assert keys.active() == {web.key: web, backend.key: backend}
    assert backend.schema == "backend"


def test_a_revoked_key_is_listed_and_no_longer_active(state: State) -> None:
    keys = WriteKeys(state)
    key = keys.create("web")
    keys.revoke(key.key)
    assert keys.active() == {}
    (listed,) = keys.list()
    assert listed.revoked_at is not None
    keys.revoke(key.key)
    assert keys.list() == [listed]


def test_another_process_sees_a_change_at_once(state: State) -> None:
    key = WriteKeys(state).create("web")
    assert key.key in WriteKeys(state).active()


def test_revoking_what_is_no_key_is_said(state: State) -> None:
    with pytest.raises(NotFound):
        WriteKeys(state).revoke("nothing")


@pytest.mark.parametrize("source", ["", "  ", "x" * 61, "a\nb"])
def test_a_source_needs_a_name_that_fits_a_line(state: State, source: str) -> None:
    with pytest.raises(BadRequest):
        WriteKeys(state).create(source)


@pytest.mark.parametrize("schema", ["", "_turnout", "turnout", 'a"; DROP', "Analytics", "x" * 64])
def test_a_schema_must_be_a_plain_name_of_its_own(state: State, schema: str) -> None:
    with pytest.raises(BadRequest):
        WriteKeys(state).create("web", schema)
