"""What a hostile network does to one request, and plans of several such things."""

from __future__ import annotations

import random
from enum import Enum, auto


class Mishap(Enum):
    """What becomes of a request that carries events."""

    NONE = auto()
    # The server never hears of it.
    CUT_BEFORE = auto()
    REFUSED = auto()
    REFUSED_FOR_A_SECOND = auto()
    LIMITED_FOR_A_SECOND = auto()
    # The server has committed, but the client does not hear so.
    CUT_AFTER_COMMIT = auto()
    CUT_IN_ANSWER = auto()
    # Both hear of it, and the server more than once, late, or not in order.
    DELAYED = auto()
    TWICE = auto()
    TWICE_AT_ONCE = auto()
    AGAIN_LATER = auto()
    OVERTAKEN = auto()


EVERYTHING = tuple(Mishap)
# After these a client has to send again.
FAILURES = (
    Mishap.CUT_BEFORE,
    Mishap.REFUSED,
    Mishap.REFUSED_FOR_A_SECOND,
    Mishap.LIMITED_FOR_A_SECOND,
    Mishap.CUT_AFTER_COMMIT,
    Mishap.CUT_IN_ANSWER,
)


def plan(seed: int, *left_out: Mishap) -> list[Mishap]:
    """Every mishap once, in an order of its own, then a burst of two refusals."""
    mishaps = [each for each in EVERYTHING if each not in left_out]
    random.Random(seed).shuffle(mishaps)
    return [*_apart(mishaps), Mishap.REFUSED, Mishap.REFUSED]


def _apart(mishaps: list[Mishap]) -> list[Mishap]:
    """Failures between other things: a client's patience grows with each in a row."""
    failures = [each for each in mishaps if each in FAILURES]
    others = [each for each in mishaps if each not in FAILURES]
    apart: list[Mishap] = []
    while failures or others:
        apart += failures[:1] + others[:1]
        del failures[:1], others[:1]
    return apart
