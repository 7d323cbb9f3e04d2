"""What a query reads, as far as its text tells: schemas, and what changes by itself."""

from __future__ import annotations

import re

import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError

# Their value changes though the data does not. A word inside a text only costs a run too many.
VOLATILE = re.compile(
    r"\b(?:now|today|random|uuid|uuidv[47]|gen_random_uuid|current_date|current_time"
    r"|current_timestamp|get_current_time|get_current_timestamp|localtime|localtimestamp"
    r"|transaction_timestamp|age|setseed|sample|tablesample|current_localtime"
    r"|current_localtimestamp|nextval|currval)\b",
    re.IGNORECASE,
)
# These reach tables by their name in a string, where no parser sees them.
INDIRECT = re.compile(r"\b(?:query|query_table|json_execute_serialized_sql)\s*\(", re.IGNORECASE)


def is_volatile(sql: str) -> bool:
    """Whether the same data may give another answer later."""
    return VOLATILE.search(sql) is not None


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
