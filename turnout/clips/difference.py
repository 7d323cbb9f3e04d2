"""What changed between two texts, line by line, side by side."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from typing import Literal

Kind = Literal["same", "changed", "added", "removed", "skipped"]

# Lines shown around a change; longer stretches that are the same are left out.
AROUND = 3


@dataclass(frozen=True, slots=True)
class Pair:
    """One row: a line of the older text and one of the newer; a number counts from 1."""

    kind: Kind
    old_number: int | None = None
    old: str = ""
    new_number: int | None = None
    new: str = ""


def pairs(old: str, new: str) -> list[Pair]:
    """Both texts beside each other, from the first line to the last."""
    before, after = old.splitlines(), new.splitlines()
    matcher = difflib.SequenceMatcher(None, before, after, autojunk=False)
    found: list[Pair] = []
    for word, first, end, first_new, end_new in matcher.get_opcodes():
        left = list(enumerate(before[first:end], first + 1))
        right = list(enumerate(after[first_new:end_new], first_new + 1))
        if word == "equal":
            found += _same(list(zip(left, right, strict=True)), len(before))
        else:
            found += _different(left, right)
    return found


def _same(both: Sequence[tuple[tuple[int, str], tuple[int, str]]], lines: int) -> Iterator[Pair]:
    """Equal lines; of many only those next to a change."""
    from_start = both[0][0][0] == 1
    to_end = both[-1][0][0] == lines
    head = 0 if from_start else AROUND
    tail = 0 if to_end else AROUND
    whole = from_start and to_end
    left_out = range(0) if whole else range(head, len(both) - tail)
    for place, ((old_number, line), (new_number, _)) in enumerate(both):
        if len(left_out) > 1 and place in left_out:
            if place == left_out[0]:
                yield Pair("skipped", old=f"{len(left_out)} lines are the same")
            continue
        yield Pair("same", old_number, line, new_number, line)


def _different(left: Sequence[tuple[int, str]], right: Sequence[tuple[int, str]]) -> Iterator[Pair]:
    for before, after in zip_longest(left, right):
        if before is None:
            yield Pair("added", new_number=after[0], new=after[1])
        elif after is None:
            yield Pair("removed", old_number=before[0], old=before[1])
        else:
            yield Pair("changed", *before, *after)
