"""What a query reads, as far as its text tells: schemas, and what changes by itself."""

from __future__ import annotations

import re
from typing import Literal, TypeAlias

import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError

Change: TypeAlias = Literal["never", "daily", "always"]

# Their value changes though the data does not. A word inside a text only costs a run too many.
ALWAYS = re.compile(
    r"\b(?:current_time|current_timestamp|localtime|localtimestamp|tablesample|using\s+sample)\b"
    r"|\b(?:now|random|uuid|uuidv[47]|gen_random_uuid|get_current_time|get_current_timestamp"
    r"|transaction_timestamp|age|setseed|current_localtime|current_localtimestamp)\s*\(",
    re.IGNORECASE,
)
DAILY = re.compile(r"\bcurrent_date\b|\btoday\s*\(", re.IGNORECASE)
# These reach tables by their name in a string, where no parser sees them.
INDIRECT = re.compile(r"\b(?:query|query_table|json_execute_serialized_sql)\s*\(", re.IGNORECASE)


def changes(sql: str) -> Change:
    """How often the same data may give another answer; a day is one in UTC, as in every clip."""
    if ALWAYS.search(sql):
        return "always"
    return "daily" if DAILY.search(sql) else "never"


def schemas_read(sql: str) -> frozenset[str] | None:
    """The schemas of the tables that `sql` names; None when its text does not tell."""
    if INDIRECT.search(sql):
        return None
    try:
        tree = sqlglot.parse_one(sql, dialect="duckdb")
    except (SqlglotError, RecursionError):
        return None
    if tree is None or isinstance(tree, exp.Command):
        return None
    inner = {cte.alias_or_name.lower() for cte in tree.find_all(exp.CTE)}
    schemas = set()
    for table in tree.find_all(exp.Table):
        if not isinstance(table.this, exp.Identifier):
            continue  # a table function such as range()
        if table.db:
            schemas.add(table.db.lower())
        elif table.name.lower() not in inner:
            return None  # found along the search path
    return frozenset(schemas)
