from __future__ import annotations

import re
from collections.abc import Callable
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from turnout.demo import clips
from turnout.demo.clips import IDS, demo_clips
from turnout.demo.delivery import deliveries
from turnout.demo.truth import Answer, Truth
from turnout.demo.world import build

ANCESTOR = """\
SELECT company_uuid
FROM userdata.companyperson AS userdata
INNER JOIN analytics.pressed_big_button AS analytics
ON userdata.person_uuid = analytics.user_id
"""
# Days on which months, leap years and weekends are awkward.
AWKWARD = [
    date(2026, 1, 1), date(2026, 1, 31), date(2026, 3, 1), date(2026, 3, 2), date(2026, 3, 31),
    date(2026, 8, 31), date(2028, 2, 29), date(2028, 3, 1), date(2026, 11, 1), date(2026, 11, 2),
]  # fmt: skip


def agree(told: tuple[list[str], list[tuple[Any, ...]]], answer: Answer) -> None:
    fields, rows = told
    given = [tuple(map(plain, row)) for row in rows]
    expected = [tuple(map(plain, row)) for row in answer.rows]
    if not answer.is_ordered:
        given, expected = sorted(given), sorted(expected)
    assert tuple(fields) == answer.fields
    assert given == expected


def plain(value: Any) -> Any:
    return Decimal(str(value)) if isinstance(value, (int, float, Decimal)) else value


@settings(
    max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    seed=st.integers(0, 2**32),
    today=st.sampled_from(AWKWARD) | st.dates(date(2025, 1, 1), date(2029, 12, 31)),
    days_later=st.integers(0, 2),
)
def test_every_clip_says_what_the_truth_says(
    small_warehouse: Callable[[], Any], seed: int, today: date, days_later: int
) -> None:
    world = build(seed, today, companies=25)
    # Asked a day or two after the last event, too: the clock goes on, events need not.
    delivered = list(deliveries(world, world.history_start, world.history_end))
    truth = Truth(world, world.history_end, [delivery.event for delivery in delivered])
    asked_on = today + timedelta(days=days_later)
    answers = truth.answers(asked_on)
    warehouse = small_warehouse()
    warehouse.fill(world, world.history_end, delivered)
    for clip in demo_clips():
        agree(warehouse.answer(clip, asked_on), answers[clip.id])


def test_every_clip_has_something_to_say_in_the_usual_world(
    small_warehouse: Callable[[], Any],
) -> None:
    world = build(7, date(2026, 3, 17))
    delivered = list(deliveries(world, world.history_start, world.history_end))
    answers = Truth(world, world.history_end, [d.event for d in delivered]).answers(world.today)
    assert 60_000 <= len(delivered) <= 90_000
    assert answers["paidshare"].rows[0][0] > 20
    assert len(answers["admindaily"].rows) == 56
    assert 5 <= len(answers["adminworkdays"].rows) <= 40
    assert 20 <= len(answers["legacyexport"].rows) <= 200
    assert len(answers["signups"].rows) == 12
    assert answers["signupburst"].rows[0][:3] == ("Lisbon", 84, Decimal("0.0"))
    assert len(answers["topcustomer"].rows) >= 8
    assert len(answers["bigbutton"].rows) > 1000
    warehouse = small_warehouse()
    warehouse.fill(world, world.history_end, delivered)
    for clip in demo_clips():
        agree(warehouse.answer(clip, world.today), answers[clip.id])


def test_the_ancestors_join_stands_as_it_was_written() -> None:
    assert {clip.id: clip.sql for clip in demo_clips()}["bigbutton"] == ANCESTOR


def test_every_file_is_a_clip_with_a_title_a_sentence_and_an_id_fit_for_an_address() -> None:
    folder = Path(clips.__file__).with_suffix("")
    assert {path.stem for path in folder.glob("*.sql")} == set(IDS)
    for clip in demo_clips():
        assert clip.title
        assert clip.description.endswith(".")
        assert re.fullmatch("[a-z0-9]+", clip.id)


@pytest.mark.parametrize("name", ["email", "full_name"])
def test_no_clip_asks_for_what_never_leaves_the_product(name: str) -> None:
    assert all(name not in clip.sql for clip in demo_clips())
