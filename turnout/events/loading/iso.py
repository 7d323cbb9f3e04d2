"""Times as people send them, in ISO 8601: the SQL that reads them."""

from __future__ import annotations

PATTERN = (
    r"\d{4}-\d{2}-\d{2}"
    r"([T ]\d{2}:\d{2}(:\d{2}(\.\d{1,9})?)?(Z|[+-]([01]\d|2[0-3])(:?[0-5]\d)?)?)?"
)
# As nearly all are written; they need neither the pattern nor the calendar of time zones.
COMMON = (
    "____-__-__T__:__:__.___Z",
    "____-__-__T__:__:__Z",
    "____-__-__",
    "____-__-__T__:__:__.___+00:00",
    "____-__-__T__:__:__.______+00:00",
    "____-__-__T__:__:__+00:00",
)
# Other years are none that every program can read.
TIME_MIN = "TIMESTAMP '0001-01-01'"
TIME_MAX = "TIMESTAMP '9999-12-31 23:59:59.999999'"
FIRST_TEXT, END_TEXT = "0001", "9999-12-31T24"


def common_time_sql(text: str) -> str:
    """The UTC time that `text` says in a common way, or NULL."""
    is_common = " OR ".join(f"{text} LIKE '{form}'" for form in COMMON)
    return (
        f"CASE WHEN {text} >= '{FIRST_TEXT}' AND {text} < '{END_TEXT}' AND ({is_common}) "
        f"THEN TRY_CAST({text} AS TIMESTAMP) END"
    )


def time_sql(text: str) -> str:
    """The UTC time that `text` says in any way, or NULL.

    A zone can carry a time out of the years there are.
    """
    zoned = f"TRY_CAST(TRY_CAST({text} AS TIMESTAMPTZ) AS TIMESTAMP)"
    return (
        f"coalesce({common_time_sql(text)}, CASE WHEN regexp_full_match({text}, '{PATTERN}') "
        f"AND {zoned} BETWEEN {TIME_MIN} AND {TIME_MAX} THEN {zoned} END)"
    )
