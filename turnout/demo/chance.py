"""Randomness that stays where it is: every entity draws from a stream of its own.

A stream is found by its key, never by how many draws came before it. So one more company, or
one more person, changes nobody else's life.
"""

from __future__ import annotations

import hashlib
import random
from uuid import UUID

Key = str | int


def stream(seed: int, *key: Key) -> random.Random:
    """The random stream of the entity named by `key`, e.g. `stream(7, "person", 12)`."""
    return random.Random(_digest(seed, key))


def share(seed: int, *key: Key) -> float:
    """One number in [0, 1): a stream of a single draw, several times cheaper."""
    return (_digest(seed, key) >> 75) / 2**53


def uuid(seed: int, *key: Key) -> UUID:
    """The id of the entity named by `key`: a valid version 4 UUID, the same on every run."""
    return UUID(int=_digest(seed, key), version=4)


def _digest(seed: int, key: tuple[Key, ...]) -> int:
    text = f"{seed}/{'/'.join(map(str, key))}"
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=16).digest())
