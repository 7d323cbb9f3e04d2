from __future__ import annotations

import gzip
import json
import time
import zlib

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from turnout.errors import BadRequest, BodyTooLarge
from turnout.events import wire
from turnout.events.wire import Unpacker

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters()),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(st.characters()), inner),
    max_leaves=20,
)


@pytest.mark.parametrize("pack", [gzip.compress, zlib.compress])
def test_packed_bodies_are_unpacked_in_any_pieces(pack: object) -> None:
    assert callable(pack)
    packed = pack(b'{"batch":[]}' * 100)
    unpacker = Unpacker(b"gzip" if pack is gzip.compress else b"deflate", 2_000)
    for byte in packed:
        unpacker.add(bytes([byte]))
    assert unpacker.body() == b'{"batch":[]}' * 100


@pytest.mark.parametrize("step", [1, 7, 1_000])
def test_several_packed_bodies_put_together_are_one(step: int) -> None:
    packed = gzip.compress(b'{"batch":') + gzip.compress(b"") + gzip.compress(b"[]}")
    unpacker = Unpacker(b"gzip", 12)
    for start in range(0, len(packed), step):
        unpacker.add(packed[start : start + step])
    assert unpacker.body() == b'{"batch":[]}'
    with pytest.raises(BodyTooLarge):
        Unpacker(b"gzip", 11).add(packed)
    with pytest.raises(BadRequest, match="too many parts"):
        Unpacker(b"gzip", 12).add(gzip.compress(b"") * 1_000)


def test_a_gzip_bomb_is_stopped_at_the_limit() -> None:
    unpacker = Unpacker(b"gzip", 1_000)
    with pytest.raises(BodyTooLarge):
        unpacker.add(gzip.compress(b"\0" * 10_000_000))


def test_a_cut_or_false_gzip_body_is_a_bad_request() -> None:
    cut = Unpacker(b"gzip", 1_000)
    cut.add(gzip.compress(b"hello")[:-4])
    with pytest.raises(BadRequest, match="incomplete"):
        cut.body()
    with pytest.raises(BadRequest):
        Unpacker(b"gzip", 1_000).add(b"no gzip at all")


def test_an_unknown_encoding_is_a_bad_request() -> None:
    with pytest.raises(BadRequest, match="not supported"):
        Unpacker(b"br", 1_000)


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
