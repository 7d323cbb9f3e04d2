from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from turnout.clips.difference import Pair, pairs

LINES = st.lists(st.sampled_from(["a", "b", "c", ""]), max_size=12).map("\n".join)


def test_a_changed_line_stands_beside_what_it_was() -> None:
    assert pairs("SELECT 1\nFROM a", "SELECT 2\nFROM a\nLIMIT 3") == [
        Pair("changed", 1, "SELECT 1", 1, "SELECT 2"),
        Pair("same", 2, "FROM a", 2, "FROM a"),
        Pair("added", None, "", 3, "LIMIT 3"),
    ]


def test_a_line_that_is_gone_has_nothing_beside_it() -> None:
    assert pairs("a\nb", "b") == [
        Pair("removed", 1, "a"),
        Pair("same", 2, "b", 1, "b"),
    ]


def test_long_stretches_that_are_the_same_are_left_out() -> None:
    same = "\n".join(str(number) for number in range(40))
    found = pairs(f"x\n{same}\ny", f"X\n{same}\nY")
    assert [pair.kind for pair in found] == [
        "changed", *["same"] * 3, "skipped", *["same"] * 3, "changed",
    ]  # fmt: skip
    assert found[4].old == "34 lines are the same"


def test_equal_texts_are_not_left_out_whole() -> None:
    assert [pair.kind for pair in pairs("a\nb", "a\nb")] == ["same", "same"]


@given(LINES, LINES)
def test_both_texts_can_be_read_from_it(old: str, new: str) -> None:
    found = pairs(old, new)
    before = [pair.old for pair in found if pair.old_number]
    after = [pair.new for pair in found if pair.new_number]
    if not any(pair.kind == "skipped" for pair in found):
        assert before == old.splitlines()
        assert after == new.splitlines()
    assert all(pair.old == pair.new for pair in found if pair.kind == "same")
