from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from turnout.clips.parameters import Question, chosen, declared, question
from turnout.clips.period import read_period
from turnout.errors import BadRequest

TODAY = date(2026, 3, 4)  # a Wednesday

DECLARED = """\
-- Who pays, by plan.
-- :plan    one of free, pro, team = pro
-- :plans   many of free, pro = free, pro  Plans to compare
-- :people  number = 10
-- :on      date
-- :period  date range = last 30 days   When it happened
-- :paying  yes or no
-- :name    text
SELECT 1
"""


def ask(sql: str, given: Mapping[str, Sequence[str]] | None = None) -> Question:
    parameters = declared(sql)
    return question(sql, parameters, chosen(parameters, given or {}), today=TODAY)


def test_each_type_is_declared_in_a_line() -> None:
    found = {each.name: each for each in declared(DECLARED)}
    assert {name: each.type for name, each in found.items()} == {
        "plan": "one of",
        "plans": "many of",
        "people": "number",
        "on": "date",
        "period": "date range",
        "paying": "yes or no",
        "name": "text",
    }
    assert found["plan"].options == ("free", "pro", "team")
    assert found["plan"].default == ("pro",)
    assert found["plan"].label == "Plan"
    assert found["plans"].default == ("free", "pro")
    assert found["plans"].label == "Plans to compare"
    assert found["period"].label == "When it happened"
    assert found["on"].default is None


def test_choices_may_come_from_another_clip() -> None:
    (parameter,) = declared("-- :company one of clip k3j2h4g5 = Acme\nSELECT :company")
    assert (parameter.clip, parameter.options, parameter.default) == ("k3j2h4g5", (), ("Acme",))


def test_only_the_comments_above_the_query_declare() -> None:
    assert declared("SELECT 1\n-- :plan text") == ()
    assert declared("-- a plan: text\n-- no :plan text here\nSELECT 1") == ()


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("-- :plan", "no type"),
        ("-- :plan colour", "no type"),
        ("-- :Plan text", "cannot be a parameter's name"),
        ("-- :_shape text", "cannot be a parameter's name"),
        ("-- :plan one of", "nothing to choose from"),
        ("-- :plan one of a, b = c", "must be one of a, b"),
        ("-- :people number = many", "must be a number"),
        ("-- :on date = soon", "must be a date"),
        ("-- :period date range = ever", "must be a range of days"),
        ("-- :paying yes or no = maybe", "must be yes or no"),
        ("-- :plan text with more", "after its type"),
        ("-- :a text\n-- :a number", "declared twice"),
        ("-- :p date range\n-- :p_from date", "same name"),
    ],
)
def test_a_declaration_that_cannot_be_understood_is_named(line: str, words: str) -> None:
    with pytest.raises(BadRequest, match=words):
        declared(f"{line}\nSELECT 1")


def test_values_are_bound_where_their_names_stand() -> None:
    sql = (
        "-- :plan one of free, pro = pro\n-- :period date range = last 7 days\n"
        "SELECT :plan, x::date WHERE at >= :period_from AND at < :period_to AND p = :plan"
    )
    assert ask(sql, {"plan": ["free"]}) == Question(
        "-- :plan one of free, pro = pro\n-- :period date range = last 7 days\n"
        "SELECT $plan, x::date WHERE at >= $period_from AND at < $period_to AND p = $plan",
        (
            ("plan", ("text", "free")),
            ("period_from", ("date", "2026-02-26")),
            ("period_to", ("date", "2026-03-05")),
        ),
    )


@pytest.mark.parametrize(
    "text",
    [
        "':plan'", "'it''s :plan'", '":plan"', "-- :plan\n", "/* :plan */", "$$ :plan $$",
        "$a$ :plan $a$", "x::plan", ":planet", "x:plan",
    ],
)  # fmt: skip
def test_nothing_else_is_a_place(text: str) -> None:
    asked = ask(f"-- :plan text = pro\nSELECT {text}")
    assert asked.sql.endswith(f"SELECT {text}")
    assert asked.values == ()


def test_an_undeclared_name_stays_as_it_is() -> None:
    assert ask("SELECT [1, 2][a:b], :plan") == Question("SELECT [1, 2][a:b], :plan")


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"plan": ["gold"]}, "must be one of free, pro, team"),
        ({"plan": ["pro", "free"]}, "more than once"),
        ({"plans": ["free", "gold"]}, "must be one of"),
        ({"people": ["1e"]}, "a number"),
        ({"people": ["nan"]}, "a number"),
        ({"people": ["1_0"]}, "a number"),
        ({"people": ["٣"]}, "a number"),
        ({"people": ["9" * 100]}, "a number"),
        ({"on": ["2026-02-30"]}, "a date"),
        ({"on": ["20260101"]}, "a date"),
        ({"period": ["2026-02-02 to 2026-02-01"]}, "a range of days"),
        ({"paying": ["perhaps"]}, "yes or no"),
        ({"name": ["x" * 2000]}, "that long"),
        ({"name": ["a\0b"]}, "such characters"),
        ({"colour": ["red"]}, "Nothing here is called 'colour'"),
        ({"name": []}, "'name' needs a value"),
    ],
)
def test_what_does_not_fit_is_refused_by_name(given: Any, words: str) -> None:
    full = {"on": ["today"], "paying": ["yes"], "name": ["x"], **given}
    with pytest.raises(BadRequest, match=words):
        ask(DECLARED, full)


@pytest.mark.parametrize(
    ("words", "first", "last"),
    [
        ("today", "2026-03-04", "2026-03-04"),
        ("Yesterday", "2026-03-03", "2026-03-03"),
        ("last 1 day", "2026-03-04", "2026-03-04"),
        ("last 30 days", "2026-02-03", "2026-03-04"),
        ("this week", "2026-03-02", "2026-03-04"),
        ("last week", "2026-02-23", "2026-03-01"),
        ("this month", "2026-03-01", "2026-03-04"),
        ("last month", "2026-02-01", "2026-02-28"),
        ("last quarter", "2025-10-01", "2025-12-31"),
        ("this year", "2026-01-01", "2026-03-04"),
        ("last year", "2025-01-01", "2025-12-31"),
        ("2026-01-05 to 2026-01-09", "2026-01-05", "2026-01-09"),
    ],
)
def test_days_are_said_in_words(words: str, first: str, last: str) -> None:
    period = read_period("period", words, TODAY)
    assert (period.first.isoformat(), period.last.isoformat()) == (first, last)


@given(st.text(max_size=60))
def test_no_text_is_ever_part_of_the_query(text: str) -> None:
    sql = "-- :name text\nSELECT :name"
    try:
        asked = ask(sql, {"name": [text]})
    except BadRequest:
        assert not text.strip() or "\0" in text
        return
    assert asked.sql == "-- :name text\nSELECT $name"
    assert asked.values == (("name", ("text", text)),)


@given(st.text(max_size=80))
def test_any_sql_can_be_looked_through(text: str) -> None:
    asked = ask(f"-- :a text = 1\n{text}")
    assert len(asked.sql) == len(f"-- :a text = 1\n{text}")
