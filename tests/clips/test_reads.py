from __future__ import annotations

import pytest

from turnout.clips.reads import changes, schemas_read


@pytest.mark.parametrize(
    ("sql", "schemas"),
    [
        ("SELECT * FROM analytics.tracks", {"analytics"}),
        (
            """SELECT company_uuid FROM userdata.companyperson AS userdata
            INNER JOIN analytics.pressed_big_button AS analytics
            ON userdata.person_uuid = analytics.user_id""",
            {"analytics", "userdata"},
        ),
        ("WITH x AS (FROM Analytics.tracks) SELECT * FROM x", {"analytics"}),
        ("SELECT * FROM range(10)", set()),
        ("SELECT 1", set()),
        ("SELECT (SELECT count(*) FROM userdata.company)", {"userdata"}),
    ],
)
def test_the_schemas_of_named_tables_are_found(sql: str, schemas: set[str]) -> None:
    assert schemas_read(sql) == frozenset(schemas)


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT * FROM tracks",
        "SELECT * FROM query('SELECT 1')",
        "SELECT * FROM query_table('tracks')",
        "this is no SQL (",
        "SELECT " + "(" * 2000,
        "",
    ],
)
def test_where_the_text_does_not_tell_nothing_is_claimed(sql: str) -> None:
    assert schemas_read(sql) is None


@pytest.mark.parametrize(
    ("sql", "how_often"),
    [
        ("SELECT now()", "always"),
        ("SELECT current_date, CURRENT_TIMESTAMP", "always"),
        ("SELECT random ()", "always"),
        ("FROM x USING SAMPLE 3", "always"),
        ("select CURRENT_DATE - 30", "daily"),
        ("SELECT today()", "daily"),
        ("SELECT 1", "never"),
        ("SELECT uuid, age, now FROM userdata.person", "never"),
        ("SELECT update_date FROM nowhere", "never"),
    ],
)
def test_what_changes_by_itself_is_recognised(sql: str, how_often: str) -> None:
    assert changes(sql) == how_often
