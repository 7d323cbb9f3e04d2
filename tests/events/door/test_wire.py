from __future__ import annotations

import json
import time

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from turnout.events.door import wire

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters()),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(st.characters()), inner),
    max_leaves=20,
)


@given(json_values)
def test_whatever_pythons_encoder_writes_can_be_mended_into_strict_json(value: object) -> None:
    body = wire.mend(wire.plain(json.dumps(value).encode()))
    msgspec.json.decode(body)


@given(st.binary())
def test_any_bytes_become_valid_text(body: bytes) -> None:
    wire.plain(body).decode()


def test_only_what_is_wrong_is_changed() -> None:
    good = rb'{"a":"NaN \\ud800 \ud83d\ude00","n":1208925819614629174706176,"f":1.10}'
    assert wire.mend(wire.plain(good)) == good
    bad = rb'{"a":"x\ud800y\u0000z","n":NaN,"i":[-Infinity,"Infinity"]}'
    assert wire.mend(wire.plain(bad)) == (
        rb'{"a":"x\ufffdy\ufffdz","n":null,"i":[null,"Infinity"]}'
    )
    assert wire.plain(b"\xef\xbb\xbf{}") == b"{}"


def test_nesting_is_cut_before_it_can_hurt_a_parser() -> None:
    deep = b'{"a":' + b"[" * 100_000 + b"]" * 100_000 + b',"b":1}'
    mended = wire.mend(deep)
    assert wire.depth(mended) == wire.DEPTH_KEPT
    assert msgspec.json.decode(mended)["b"] == 1


HOSTILE = [
    b'{"batch":"' + b'\\"' * 500_000,
    b'"' + b'\\"' * 500_000 + b"\\",
    b'"a' * 500_001,
    b"[" * 500_000 + b'"' + b"\\" * 500_001,
    b"-Infinit" * 125_000,
    b"\\ud83d" * 160_000,
]


@pytest.mark.parametrize("body", HOSTILE, ids=range(len(HOSTILE)))
def test_no_body_takes_more_than_its_length_in_time(body: bytes) -> None:
    began = time.process_time()
    wire.mend(wire.plain(body))
    wire.depth(body)
    assert time.process_time() - began < 5
