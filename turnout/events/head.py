"""The first look at journal lines: what every message has, read in one parse each.

Fills the table `message` of the shaping engine: the line itself, ids, and times by the rule

    timestamp = received_at - (sent_at - original_timestamp)

which takes a wrong client clock out, unless the difference is no more than network delay.
"""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

from turnout.events import layout
from turnout.events.expression import time_sql
from turnout.warehouse.duckdb import DIALECT

# Rows of one Arrow batch: the engine reads batches in parallel.
BATCH_ROWS = 8_192
# A skew of less than this is the network's, not the client clock's.
SKEW_US_MIN = 2_000_000

POINTERS = {
    "id": "/id",
    "type": "/type",
    "source": "/source",
    "schema": "/schema",
    "received": "/received_at",
    "sent_around": "/sent_at",
    "reason": "/reason",
    "duplicate": "/duplicate",
    "event": "/event/event",
    "sent_inside": "/event/sentAt",
    "called": "/event/timestamp",
    "called_originally": "/event/originalTimestamp",
}
IDS = {
    "user_id": "/event/userId",
    "anonymous_id": "/event/anonymousId",
    "group_id": "/event/groupId",
    "previous_id": "/event/previousId",
}


def split_lines(text: bytes) -> pa.Table:
    """`text` as one column `line`, cut at line breaks without touching a line in Python."""
    size = len(text) - 1 if text.endswith(b"\n") else len(text)
    offsets = pa.py_buffer((0).to_bytes(8, "little") + size.to_bytes(8, "little"))
    whole = pa.LargeStringArray.from_buffers(1, offsets, pa.py_buffer(text))
    lines = pa.table({"line": pc.split_pattern(whole, "\n").flatten()})
    return pa.Table.from_batches(lines.to_batches(max_chunksize=BATCH_ROWS), lines.schema)


def message_sql(source: str) -> str:
    """CREATE TABLE `message` from the lines of `source`; `base` is NULL for a refused event."""
    places = {name: f"h[{number}]" for number, name in enumerate([*POINTERS, *IDS], 1)}
    pointers = ", ".join(map(DIALECT.literal, [*POINTERS.values(), *IDS.values()]))
    ids = ", ".join(f"{_id(places[name], pointer)} AS {name}" for name, pointer in IDS.items())
    called = f"coalesce({places['called_originally']}, {places['called']})"
    sent = f"coalesce({places['sent_inside']}, {places['sent_around']})"
    return f"""
        CREATE OR REPLACE TABLE message AS
        SELECT * EXCLUDE (called), {_timestamp()} AS "timestamp",
            CASE WHEN original_timestamp IS NULL THEN called END AS bad_time
        FROM (
            SELECT line, {places["id"]} AS id, {places["type"]} AS type,
                {places["schema"]} AS schema, {places["source"]} AS source,
                {places["reason"]} AS reason, {places["duplicate"]} = 'true' AS is_duplicate,
                {_base(places["type"])} AS base,
                CASE WHEN {places["type"]} = 'track' THEN {places["event"]} ELSE '' END AS event,
                {ids},
                TRY_CAST({places["received"]} AS TIMESTAMP) AS received_at,
                {time_sql(sent)} AS sent_at, {called} AS called,
                {time_sql(called)} AS original_timestamp
            FROM (SELECT line, json_extract_string(line, [{pointers}]) AS h FROM {source}))
    """


def _id(text: str, pointer: str) -> str:
    """Numbers become text; what is neither counts as absent, as it does at the door."""
    kind = f"json_type(line, {DIALECT.literal(pointer)})"
    return (
        f"CASE WHEN substr({text}, 1, 1) IN ('{{', '[', 't', 'f') "
        f"AND {kind} IN ('OBJECT', 'ARRAY', 'BOOLEAN') THEN NULL "
        f"ELSE nullif(trim({text}), '') END"
    )


def _base(type_: str) -> str:
    cases = " ".join(f"WHEN '{name}' THEN '{table}'" for name, table in layout.BASES.items())
    return f"CASE {type_} {cases} END"


def _timestamp() -> str:
    return f"""
        CASE WHEN original_timestamp IS NULL THEN received_at
             WHEN sent_at IS NULL
                OR abs(epoch_us(received_at) - epoch_us(sent_at)) < {SKEW_US_MIN}
                THEN original_timestamp
             ELSE received_at - (sent_at - original_timestamp) END
    """
