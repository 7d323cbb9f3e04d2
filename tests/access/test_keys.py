from __future__ import annotations

from datetime import UTC, datetime

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


def test_no_key_looks_like_an_option_of_a_command(
    state: State, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn = iter(["-F", "-", "good"])
    monkeypatch.setattr("secrets.token_urlsafe", lambda _: next(drawn))
    assert WriteKeys(state).create("web").key == "good"


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


def test_a_key_keeps_where_it_lives_and_what_it_may(state: State) -> None:
    made = WriteKeys(state).create(
        "web",
        kind="browser",
        origins=["https://App.example.com/", "null", "https://app.example.com"],
        ip="drop",
        rate_per_s=20,
    )
    assert made.origins == ("https://app.example.com", "null")
    assert WriteKeys(state).active() == {made.key: made}


def test_a_change_touches_only_what_it_names(state: State) -> None:
    keys = WriteKeys(state)
    made = keys.create("web", kind="browser", origins=["http://localhost:3000"], rate_per_s=5)
    assert keys.change(made.key) == made
    assert keys.change(made.key, ip="keep").ip == "keep"
    freed = keys.change(made.key, origins=[], rate_per_s=0)
    assert (freed.kind, freed.origins, freed.ip, freed.rate_per_s) == ("browser", (), "keep", None)
    assert keys.active() == {made.key: freed}


def test_changing_what_is_no_key_is_said(state: State) -> None:
    with pytest.raises(NotFound):
        WriteKeys(state).change("nothing", ip="keep")


@pytest.mark.parametrize(
    "origin",
    ["", "example.com", "https://", "https://a.example/path", "https://a b", "https://a:b", "*"],
)
def test_an_origin_is_a_scheme_and_a_host(state: State, origin: str) -> None:
    with pytest.raises(BadRequest, match="origin"):
        WriteKeys(state).create("web", origins=[origin])


def test_words_and_rates_that_mean_nothing_are_refused(state: State) -> None:
    keys = WriteKeys(state)
    key = keys.create("web").key
    with pytest.raises(BadRequest, match="server, browser, mobile"):
        keys.change(key, kind="fridge")  # type: ignore[arg-type] # as from a form
    with pytest.raises(BadRequest, match="keep, truncate, drop"):
        keys.change(key, ip="sell")  # type: ignore[arg-type] # as from a form
    with pytest.raises(BadRequest, match="requests a second"):
        keys.change(key, rate_per_s=-1)


def test_a_key_remembers_when_it_was_last_used(state: State) -> None:
    keys = WriteKeys(state)
    old, new = keys.create("web"), keys.create("web")
    monday, tuesday = (datetime(2026, 11, day, 9, tzinfo=UTC) for day in (16, 17))
    keys.note_uses({})
    keys.note_uses({old.key: tuesday, "of nobody": tuesday})
    keys.note_uses({old.key: monday})  # told late by another collector
    used = {key.key: key.last_used_at for key in keys.list()}
    assert used == {old.key: tuesday, new.key: None}
