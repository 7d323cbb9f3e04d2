from __future__ import annotations

import duckdb
import pytest

from turnout.clips import gate


def refusal(sql: str) -> str | None:
    """The gate's word on `sql`, split by the real engine."""
    with duckdb.connect() as connection:
        statements = connection.extract_statements(sql)
    return gate.refusal([(statement.type.name, statement.query) for statement in statements])


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT 1",
        "select 1;",
        "(SELECT 1)",
        "FROM range(3)",
        "VALUES (1), (2)",
        "WITH x AS (SELECT 1) SELECT * FROM x",
        "TABLE x",
        "DESCRIBE x",
        "SHOW TABLES",
        "SUMMARIZE x",
        "EXPLAIN SELECT 1",
        "EXPLAIN (FORMAT json) SELECT 1",
        "PIVOT x ON a USING sum(b)",
        "UNPIVOT x ON a",
        "SELECT 'explain analyze'",
        "SELECT ';' AS semicolon -- ; not an end",
    ],
)
def test_reading_statements_pass(sql: str) -> None:
    assert refusal(sql) is None


@pytest.mark.parametrize(
    ("sql", "word"),
    [
        ("", "no query"),
        ("SELECT 1; SELECT 2", "holds 2"),
        ("DELETE FROM x", "only read"),
        ("CREATE TEMP TABLE x (i INT)", "only read"),
        ("COPY x TO 'y'", "no files"),
        ("ATTACH 'x'", "attached"),
        ("SET threads = 1", "Settings"),
        ("PRAGMA version", "DESCRIBE"),
        ("LOAD httpfs", "Extensions"),
        ("BEGIN", "transaction"),
        ("EXPLAIN ANALYZE SELECT 1", "plain EXPLAIN"),
        ("-- so\nexplain /* */ analyze SELECT 1", "plain EXPLAIN"),
        ("EXPLAIN (ANALYZE, FORMAT json) SELECT 1", "plain EXPLAIN"),
    ],
)
def test_everything_else_is_refused_with_its_reason(sql: str, word: str) -> None:
    assert word in str(refusal(sql))


def test_the_authors_own_errors_are_left_as_they_are() -> None:
    assert gate.friendly("Catalog Error: Table with name x does not exist!") is None


def test_running_out_of_memory_is_recognised() -> None:
    assert gate.is_memory("Out of Memory Error: could not allocate block")
    assert not gate.is_memory("Conversion Error: memory is not an integer")
