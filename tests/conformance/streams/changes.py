"""Random changes: transactions over several tables, and what goes wrong while they are copied."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from hypothesis import strategies as st

from tests.conformance.streams.tables import Table

Failure = Literal["none", "kill", "cut", "crash"]
FAILURES: tuple[Failure, ...] = ("none", "kill", "cut")
# More steps than a copy of a few tables has: then nothing happens.
STEPS_MAX = 16


@dataclass(frozen=True)
class Batch:
    """What happens between two copies: by these seeds, one per transaction.

    The last transaction may stay open until the copy is done. `failure` strikes at a `step` of
    the copy.
    """

    seeds: tuple[int, ...]
    is_left_open: bool
    failure: Failure
    step: int


@st.composite
def batches(
    draw: st.DrawFn, *, failures: Sequence[Failure] = FAILURES, count_max: int = 3
) -> list[Batch]:
    return draw(
        st.lists(
            st.builds(
                Batch,
                st.lists(st.integers(0, 2**32), min_size=1, max_size=4).map(tuple),
                st.booleans(),
                st.sampled_from(failures),
                st.integers(0, STEPS_MAX),
            ),
            min_size=2,
            max_size=count_max,
        )
    )


def statements(tables: Sequence[Table], seed: int, *, truncates: bool) -> Iterator[str]:
    """One transaction: done to the tables' models as it is spelled."""
    chance = random.Random(seed)
    for _ in range(chance.randrange(1, 9)):
        table = chance.choice(tables)
        kind = chance.choice(
            ["insert", "insert", "update", "update", "rekey", "delete", "truncate"]
        )
        if kind == "insert":
            said = table.insert(chance, chance.choice([1, 2, 30]))
        elif kind == "truncate":
            said = table.truncate() if truncates and chance.random() < 0.3 else ""
        else:
            said = getattr(table, kind)(chance)
        if said:
            yield said
