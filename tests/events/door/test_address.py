from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from turnout.events.door import address

PROXIES = address.networks(["10.0.0.0/8", "127.0.0.1", "fd00::/8"])


@pytest.mark.parametrize(
    ("text", "parsed"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("192.0.2.7:8080", "192.0.2.7"),
        ("2001:db8::7", "2001:db8::7"),
        ("[2001:db8::7]:8080", "2001:db8::7"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        (' "[2001:db8::7]" ', "2001:db8::7"),
    ],
)
def test_an_address_may_come_with_brackets_and_port(text: str, parsed: str) -> None:
    assert str(address.parse(text)) == parsed


@pytest.mark.parametrize(
    ("peer", "forwarded", "sender"),
    [
        ("192.0.2.7:5000", "", "192.0.2.7"),
        ("192.0.2.7:5000", "203.0.113.9", "192.0.2.7"),
        ("10.1.2.3:5000", "203.0.113.9", "203.0.113.9"),
        ("10.1.2.3:5000", "198.51.100.1, 203.0.113.9", "203.0.113.9"),
        ("10.1.2.3:5000", "203.0.113.9, 10.9.9.9, 127.0.0.1", "203.0.113.9"),
        ("[fd00::1]:5000", "2001:db8::9", "2001:db8::9"),
        ("10.1.2.3:5000", "10.1.1.1", "10.1.1.1"),
        ("10.1.2.3:5000", "203.0.113.9, unknown", "10.1.2.3"),
        ("10.1.2.3:5000", "", "10.1.2.3"),
        ("nowhere", "203.0.113.9", ""),
    ],
)
def test_only_proxies_of_ours_are_believed(peer: str, forwarded: str, sender: str) -> None:
    assert address.of_sender(peer, forwarded, PROXIES) == sender


@pytest.mark.parametrize(
    ("ip", "policy", "kept"),
    [
        ("192.0.2.77", "keep", "192.0.2.77"),
        ("192.0.2.77", "truncate", "192.0.2.0"),
        ("2001:db8:1:2:3::7", "truncate", "2001:db8:1::"),
        ("::ffff:192.0.2.77", "truncate", "192.0.2.0"),
        ("192.0.2.77", "drop", None),
        ("no address", "truncate", None),
        ("192.0.2.77, 192.0.2.78", "truncate", None),
        ("no address", "keep", "no address"),
        ("", "keep", None),
        (None, "truncate", None),
    ],
)
def test_of_an_address_is_kept_what_the_policy_says(ip: Any, policy: str, kept: Any) -> None:
    assert address.kept(ip, policy) == kept


@given(st.text(), st.text())
def test_no_text_breaks_it(peer: str, forwarded: str) -> None:
    address.of_sender(peer, forwarded, PROXIES)
    address.kept(peer, "truncate")
