"""What whatever watches this process is told."""

from __future__ import annotations

from collections.abc import Callable

import httpx
import sqlalchemy as sa

from tests.web.installation import Installation, fill


def test_readiness_says_what_is_missing_until_nothing_is(
    make_installation: Callable[..., Installation],
) -> None:
    new = make_installation()
    early = httpx.get(f"{new.url}/readyz")
    assert early.status_code == 503
    assert early.json()["ok"] is False
    assert "There is nothing to query yet" in early.json()["reason"]
    fill(new)
    ready = httpx.get(f"{new.url}/readyz")
    assert ready.status_code == 200
    assert ready.json() == {"ok": True, "backlog_bytes": 0, "is_level": True}
    with new.warehouse.transaction() as transaction:
        transaction.execute("DROP TABLE analytics.tracks")
    assert httpx.get(f"{new.url}/readyz").json()["is_level"] is False


def test_whoever_watches_needs_no_session_and_keeps_nothing(stranger: httpx.Client) -> None:
    for path in ("/healthz", "/readyz"):
        answer = stranger.get(path)
        assert answer.status_code == 200
        assert answer.headers["Cache-Control"] == "no-store"
        assert "Set-Cookie" not in answer.headers


def test_the_process_is_alive_even_when_its_database_is_not(
    make_installation: Callable[..., Installation],
) -> None:
    new = make_installation()
    with new.state.begin() as connection:
        connection.execute(sa.text("DROP TABLE session"))
    assert httpx.get(f"{new.url}/healthz").json() == {"ok": True}
