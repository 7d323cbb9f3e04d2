"""Ids that mean nobody: what broken code sends where an id should be.

Events that carry one are stored like all others, but nothing is concluded from it: half of the
world would turn out to be one person called 'undefined'.
"""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

ANY_CASE = (
    *("anonymous", "guest", "distinctid", "distinct_id", "id", "not_authenticated", "email"),
    *("undefined", "true", "false"),
)
EXACTLY = ("", "[object Object]", "NaN", "None", "none", "null", "0")
# The longest of them, with quotes around it that were escaped and quoted again. Many real ids are
# longer, and looking at the length is cheap.
BYTES_MAX = 24
# What may stand around an id that was quoted once more than it should be.
QUOTES = "'\"`\\ \t\r\n"


def illegal_ids(ids: pa.ChunkedArray) -> pa.Array:
    """Those of the `ids` that are none, each once."""
    short = pc.unique(ids.filter(pc.less_equal(pc.binary_length(ids), BYTES_MAX)))
    bare = pc.utf8_trim(short, QUOTES)
    is_illegal = pc.or_(
        pc.is_in(pc.utf8_lower(bare), value_set=pa.array(ANY_CASE)),
        pc.is_in(bare, value_set=pa.array(EXACTLY)),
    )
    return short.filter(is_illegal)
