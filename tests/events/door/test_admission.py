from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from turnout.access.keys import WriteKey
from turnout.errors import OriginRefused, RateExceeded, UnknownKey
from turnout.events.door.admission import Admission, Register

NOW = datetime(2026, 11, 21, tzinfo=UTC)


def key(name: str = "alice-key", source: str = "web", **fields: Any) -> WriteKey:
    return WriteKey(name, source, "analytics", NOW, None, **fields)


class Watch:
    """A clock that the test moves."""

    now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


def test_two_keys_may_live_on_one_source() -> None:
    register = Register()
    register.renew({"old": key("old"), "new": key("new")})
    assert register.of("old").sender.source == register.of("new").sender.source == "web"
    register.renew({"new": key("new")})
    with pytest.raises(UnknownKey):
        register.of("old")


def test_the_first_place_that_has_a_key_decides() -> None:
    register = Register()
    register.renew({"alice-key": key(), "bob-key": key("bob-key")})
    assert register.of(None, "", 7, "bob-key", "alice-key").sender.key == "bob-key"
    with pytest.raises(UnknownKey, match="not known"):
        register.of("stranger", "alice-key")
    with pytest.raises(UnknownKey, match="missing"):
        register.of(None, "")


def test_an_origin_that_is_not_named_is_refused() -> None:
    admission = Admission(key(origins=("https://app.example.com", "null")))
    for allowed in ("https://app.example.com", "HTTPS://App.Example.com", "null", None):
        admission.enter(allowed)
    for other in ("https://example.com", "http://app.example.com", "https://app.example.com:8080"):
        with pytest.raises(OriginRefused, match="may not be used from"):
            admission.enter(other)
    Admission(key()).enter("https://anywhere.example")


def test_a_rate_is_kept_and_says_when_to_come_again() -> None:
    watch = Watch()
    admission = Admission(key(rate_per_s=5), watch)
    for _ in range(5):
        admission.enter(None)
    with pytest.raises(RateExceeded) as refused:
        admission.enter(None)
    assert refused.value.retry_after_s == 1
    watch.now_s += 0.2
    admission.enter(None)
    with pytest.raises(RateExceeded):
        admission.enter(None)
    watch.now_s += 3600
    for _ in range(5):
        admission.enter(None)
    with pytest.raises(RateExceeded):
        admission.enter(None)


def test_renewing_a_key_that_did_not_change_forgives_nothing() -> None:
    register = Register()
    register.renew({"alice-key": key(rate_per_s=1)})
    register.of("alice-key").enter(None)
    used = key(rate_per_s=1, last_used_at=NOW)
    register.renew({"alice-key": used})
    with pytest.raises(RateExceeded):
        register.of("alice-key").enter(None)
    register.renew({"alice-key": key(rate_per_s=2)})
    register.of("alice-key").enter(None)


def test_a_key_in_use_is_noted_now_and_then() -> None:
    register = Register()
    used, idle = key("used"), key("idle")
    register.renew({each.key: each for each in (used, idle)})
    noon = datetime(2026, 11, 21, 12, tzinfo=UTC)
    assert register.uses(noon) == {}
    register.of("used").enter(None)
    assert register.uses(noon) == {"used": noon}
    register.of("used").enter(None)
    assert register.uses(noon + timedelta(seconds=30)) == {}
    later = noon + timedelta(minutes=1)
    assert register.uses(later) == {"used": later}
    assert register.uses(later + timedelta(hours=1)) == {}
