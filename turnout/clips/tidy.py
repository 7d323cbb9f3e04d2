"""A query laid out for reading: one clause a line, words of SQL in capitals, meaning untouched."""

from __future__ import annotations

import sqlglot
from sqlglot.errors import SqlglotError

from turnout.clips.parameters import declared, head_of, placed, unplaced
from turnout.errors import BadRequest

DIALECT = "duckdb"


def tidied(sql: str) -> str:
    """The same query, laid out. Comments above it stay as they are.

    Raises `BadRequest` when it cannot be read whole, or would come out as another query.
    """
    head, query = head_of(sql)
    names = {place for parameter in declared(sql) for place in parameter.places}
    asked = placed(query, names)
    try:
        read = sqlglot.parse(asked, dialect=DIALECT)
        if len(read) != 1 or read[0] is None:
            raise BadRequest("Only a single query can be laid out.")
        text = read[0].sql(dialect=DIALECT, pretty=True, max_text_width=90)
        is_same = sqlglot.parse_one(text, dialect=DIALECT) == read[0]
    except (SqlglotError, RecursionError):
        is_same, text = False, ""
    if not is_same:
        raise BadRequest(
            "This query cannot be laid out; it stays as it is.", hint="Running it says more."
        )
    return head + unplaced(text, names)
