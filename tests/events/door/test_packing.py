from __future__ import annotations

import gzip
import sys
import zlib
from collections.abc import Callable

import brotli
import pytest

from turnout.errors import BadRequest, BodyTooLarge
from turnout.events.door.packing import Unpacker

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

BODY = b'{"batch":[]}' * 100


def raw_deflate(body: bytes) -> bytes:
    packer = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return packer.compress(body) + packer.flush()


PACKINGS: list[tuple[str, Callable[[bytes], bytes]]] = [
    ("", bytes),
    ("identity", bytes),
    ("gzip", gzip.compress),
    ("X-GZip", gzip.compress),
    ("deflate", zlib.compress),
    ("deflate", raw_deflate),
    ("deflate", gzip.compress),
    ("br", brotli.compress),
    ("zstd", zstd.compress),
]
PACKED = [each for each in PACKINGS if each[1] is not bytes]


@pytest.mark.parametrize("step", [1, 7, 10_000])
@pytest.mark.parametrize(("encoding", "pack"), PACKINGS)
def test_packed_bodies_are_unpacked_in_any_pieces(
    encoding: str, pack: Callable[[bytes], bytes], step: int
) -> None:
    packed = pack(BODY)
    unpacker = Unpacker(encoding, len(BODY))
    for start in range(0, len(packed), step):
        unpacker.add(packed[start : start + step])
    assert unpacker.body() == BODY


@pytest.mark.parametrize("step", [1, 7, 1_000])
@pytest.mark.parametrize(("encoding", "pack"), [("gzip", gzip.compress), ("zstd", zstd.compress)])
def test_several_packed_bodies_put_together_are_one(
    encoding: str, pack: Callable[[bytes], bytes], step: int
) -> None:
    packed = pack(b'{"batch":') + pack(b"") + pack(b"[]}")
    unpacker = Unpacker(encoding, 12)
    for start in range(0, len(packed), step):
        unpacker.add(packed[start : start + step])
    assert unpacker.body() == b'{"batch":[]}'
    with pytest.raises(BodyTooLarge):
        Unpacker(encoding, 11).add(packed)
    with pytest.raises(BadRequest, match="too many parts"):
        Unpacker(encoding, 12).add(pack(b"") * 1_000)


@pytest.mark.parametrize(("encoding", "pack"), PACKED)
def test_a_bomb_is_stopped_at_the_limit(encoding: str, pack: Callable[[bytes], bytes]) -> None:
    unpacker = Unpacker(encoding, 1_000)
    with pytest.raises(BodyTooLarge):
        unpacker.add(pack(b"\0" * 10_000_000))
    assert sum(map(len, unpacker._pieces)) == 0


@pytest.mark.parametrize(("encoding", "pack"), PACKED)
def test_a_cut_or_false_body_is_a_bad_request(
    encoding: str, pack: Callable[[bytes], bytes]
) -> None:
    cut = Unpacker(encoding, 10_000)
    cut.add(pack(BODY)[:-4])
    with pytest.raises(BadRequest, match="incomplete"):
        cut.body()
    with pytest.raises(BadRequest):
        Unpacker(encoding, 10_000).body()
    with pytest.raises(BadRequest):
        Unpacker(encoding, 10_000).add(b"\xff\xff nothing that is packed")


def test_what_follows_a_brotli_body_is_a_bad_request() -> None:
    unpacker = Unpacker("br", 10_000)
    unpacker.add(brotli.compress(BODY))
    unpacker.add(b"more")
    with pytest.raises(BadRequest):
        unpacker.body()


def test_a_zstd_body_may_not_ask_for_much_memory() -> None:
    packer = zstd.ZstdCompressor(options={zstd.CompressionParameter.window_log: 27})
    packed = packer.compress(b"{}" * 10) + packer.flush()
    with pytest.raises(BadRequest):
        Unpacker("zstd", 1_000).add(packed)


@pytest.mark.parametrize("encoding", ["gzip, br", "gzip,gzip", "compress", "zip", "utf-8", "*"])
def test_an_unknown_or_stacked_encoding_is_a_bad_request(encoding: str) -> None:
    with pytest.raises(BadRequest, match="gzip, deflate, br, zstd"):
        Unpacker(encoding, 1_000)
