"""Ids that mean nobody: what broken code sends where an id should be.

Events that carry one are stored like all others, but nothing is concluded from it: half of the
world would turn out to be one person called 'undefined'.
"""

from __future__ import annotations

from turnout.warehouse.duckdb import DIALECT

ANY_CASE = (
    *("anonymous", "guest", "distinctid", "distinct_id", "id", "not_authenticated", "email"),
    *("undefined", "true", "false"),
)
EXACTLY = ("[object Object]", "NaN", "None", "none", "null", "0")
# The longest of them, with quotes around it that were escaped and quoted again. Real ids are
# mostly longer, and looking at the length is cheap.
CHARS_MAX = 24
# What may stand around an id that was quoted once more than it should be.
QUOTES = "'\"`\\ \t\r\n"


def is_illegal_sql(id_: str) -> str:
    """The condition, in the shaping engine's SQL, that the expression `id_` is none."""
    bare = f"trim({id_}, {DIALECT.literal(QUOTES)})"
    any_case = ", ".join(map(DIALECT.literal, ANY_CASE))
    exactly = ", ".join(map(DIALECT.literal, ("", *EXACTLY)))
    return (
        f"(length({id_}) <= {CHARS_MAX} "
        f"AND (lower({bare}) IN ({any_case}) OR {bare} IN ({exactly})))"
    )
