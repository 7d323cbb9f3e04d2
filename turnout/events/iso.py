"""Times as people send them, in ISO 8601: the SQL that reads them."""

from __future__ import annotations

PATTERN = (
    r"\d{4}-\d{2}-\d{2}"
    r"([T ]\d{2}:\d{2}(:\d{2}(\.\d{1,9})?)?(Z|[+-]([01]\d|2[0-3])(:?[0-5]\d)?)?)?"
)
# Other years are none that every program can read.
TIME_MIN = "TIMESTAMP '0001-01-01'"
TIME_MAX = "TIMESTAMP '9999-12-31 23:59:59.999999'"


def time_sql(text: str) -> str:
    """The UTC time that `text` says, or NULL.

    Most texts end in Z: they need neither the pattern nor the calendar of time zones. A zone can
    carry a time out of the years there are.
    """
    zoned = f"TRY_CAST(TRY_CAST({text} AS TIMESTAMPTZ) AS TIMESTAMP)"
    return (
        f"CASE WHEN {text} < '0001' THEN NULL "
        f"WHEN {text} LIKE '____-__-__T__:__:__%Z' THEN TRY_CAST({text} AS TIMESTAMP) "
        f"WHEN regexp_full_match({text}, '{PATTERN}') "
        f"AND {zoned} BETWEEN {TIME_MIN} AND {TIME_MAX} THEN {zoned} END"
    )
