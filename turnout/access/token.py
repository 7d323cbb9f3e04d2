"""Tokens: long random words that stand for a right. Only their hashes are ever kept."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from string import ascii_lowercase

LINK_LETTERS = 28  # 26 ** 28 is about 131 bits


def new_token() -> str:
    """256 random bits, safe in addresses and cookies."""
    return secrets.token_urlsafe(32)


def hash_of(token: str) -> str:
    """What is kept of a token with enough randomness that no salt or slowness is needed."""
    return hashlib.sha256(token.encode()).hexdigest()


def link_token(secret: bytes, seed: bytes) -> str:
    """28 letters a-z, always the same for the same seed.

    Letters only, so that no chat or mail programme breaks the address. 512 bits are reduced to
    131, so the bias of taking remainders is far below anything that can be noticed.
    """
    number = int.from_bytes(hmac.digest(secret, b"link token " + seed, "sha512"), "big")
    letters = []
    for _ in range(LINK_LETTERS):
        number, letter = divmod(number, len(ascii_lowercase))
        letters.append(ascii_lowercase[letter])
    return "".join(letters)


def link_hash(secret: bytes, token: str) -> str:
    """The keyed hash a share link is looked up by; useless to a thief of the database alone."""
    return hmac.digest(secret, b"link hash " + token.encode(), "sha256").hex()
