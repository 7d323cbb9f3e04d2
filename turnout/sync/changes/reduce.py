"""What is left of many changes when only the end of them counts."""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa
import pyarrow.compute as pc

OPERATION, ORDER, AT, UNCHANGED = "_op", "_order", "_at", "_unchanged"
WRITTEN, GONE, EMPTIED, MOVED = 1, 2, 3, 4


def since_emptied(rows: pa.Table) -> tuple[pa.Table, bool]:
    """The changes after the table was emptied last, and whether it was."""
    emptied = rows.filter(pc.equal(rows[OPERATION], EMPTIED))
    if not emptied.num_rows:
        return rows, False
    return rows.filter(pc.greater(rows[ORDER], pc.max(emptied[ORDER]))), True


def last_of_each(rows: pa.Table, key: Sequence[str]) -> pa.Table:
    """The last change of each key, in no order."""
    latest = rows.group_by(list(key)).aggregate([(ORDER, "max")])[f"{ORDER}_max"]
    if len(latest) == rows.num_rows:
        return rows
    return rows.filter(pc.is_in(rows[ORDER], value_set=latest))


def written(rows: pa.Table) -> pa.Table:
    """Those after which the row is there."""
    return rows.filter(pc.equal(rows[OPERATION], WRITTEN))


def gone(rows: pa.Table) -> pa.Table:
    """Those after which no row has that key."""
    return rows.filter(pc.not_equal(rows[OPERATION], WRITTEN))
