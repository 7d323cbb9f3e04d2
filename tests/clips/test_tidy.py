from __future__ import annotations

import pytest
import sqlglot

from turnout.clips.tidy import tidied
from turnout.errors import BadRequest


def test_comments_above_and_places_for_values_stay() -> None:
    sql = "-- :plan one of a, b = a\n-- why\nselect x from t where plan=:plan and note=':plan'"
    assert tidied(sql) == (
        "-- :plan one of a, b = a\n-- why\n"
        "SELECT\n  x\nFROM t\nWHERE\n  plan = :plan AND note = ':plan'"
    )


@pytest.mark.parametrize(
    "sql",
    [
        "select * exclude (a) from t asof join s using (x)",
        "select [x for x in l], {'a': 1}, l[1:2] from t qualify row_number() over () = 1",
        "from analytics.tracks select event limit 3",
        "with a as (select 1 -- inside\n) select * from a",
    ],
)
def test_the_meaning_stays(sql: str) -> None:
    before, after = (sqlglot.parse_one(text, dialect="duckdb") for text in (sql, tidied(sql)))
    assert before == after


@pytest.mark.parametrize("sql", ["selec 1", "select 1; select 2", "select (", "", "-- only a word"])
def test_what_cannot_be_read_whole_stays_as_it_is(sql: str) -> None:
    with pytest.raises(BadRequest):
        tidied(sql)
