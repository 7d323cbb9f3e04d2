"""The first look at journal lines: what every message has, read in one parse each.

Fills the table `message` of the shaping engine: ids, what the message holds of its own (`part`),
its `context`, how it is routed, and times by the rule

    timestamp = received_at - (sent_at - original_timestamp)

which takes a wrong client clock out, unless the difference is no more than network delay. The
line of an imported event may tell when it `happened_at` instead.
"""

from __future__ import annotations

import json

import pyarrow as pa
import pyarrow.compute as pc

from turnout.events import layout
from turnout.events.loading.iso import TIME_MAX, TIME_MIN, time_sql
from turnout.warehouse.duckdb import DIALECT

# Rows of one Arrow batch: the engine reads batches in parallel.
BATCH_ROWS = 8_192
# A skew of less than this is the network's, not the client clock's.
SKEW_US_MIN = 2_000_000
UNKNOWN_TYPE = "unknown_type"
WITHHELD = "withheld"

IDS = ("userId", "anonymousId", "groupId", "previousId")
# Members of a line and of the event in it, with the types they are read as: JSON is not read on.
LINE = {
    **dict.fromkeys(("id", "type", "source", "schema", "received_at", "sent_at"), "VARCHAR"),
    **dict.fromkeys(("reason", "head"), "VARCHAR"),
    "duplicate": "BOOLEAN",
    "happened_at": "VARCHAR",
    "event": {
        **dict.fromkeys(("event", *IDS, "timestamp", "originalTimestamp", "sentAt"), "VARCHAR"),
        **dict.fromkeys(("channel", "name", "category"), "VARCHAR"),
        **dict.fromkeys(("context", "properties", "traits"), "JSON"),
        "integrations": {"Warehouses": "JSON"},
    },
}


def split_lines(text: bytes) -> pa.Table:
    """`text` as one column `line`, cut at line breaks without touching a line in Python."""
    size = len(text) - 1 if text.endswith(b"\n") else len(text)
    offsets = pa.py_buffer((0).to_bytes(8, "little") + size.to_bytes(8, "little"))
    whole = pa.LargeStringArray.from_buffers(1, offsets, pa.py_buffer(text))
    lines = pa.table({"line": pc.split_pattern(whole, "\n").flatten()})
    if not text:  # a journal file may hold nothing but damage, which is no line
        lines = lines.slice(0, 0)
    return pa.Table.from_batches(lines.to_batches(max_chunksize=BATCH_ROWS), lines.schema)


def message_sql(source: str) -> str:
    """CREATE TABLE `message` from the lines of `source`.

    `route` tells messages of different schema, type or event apart; it is NULL for those that are
    not stored, which are either `is_duplicate` or have a `reason`. `key` stands for the id within
    its table, up to a collision.
    """
    ids = ", ".join(
        f"{_id(name)} AS {column}" for name, column in zip(IDS, _ID_COLUMNS, strict=True)
    )
    part = " ".join(f"WHEN '{type_}' THEN {part}" for type_, part in layout.PARTS.items())
    return f"""
        CREATE OR REPLACE TABLE message AS
        SELECT * EXCLUDE (called, told, base), coalesce(told, {_timestamp()}) AS "timestamp",
            CASE WHEN reason IS NULL AND NOT is_duplicate
                THEN hash(schema, type, event) END AS route,
            hash(schema, base, id) AS key
        FROM (
            SELECT id, type, source, schema, {_base()} AS base, head,
                coalesce(duplicate, false) AS is_duplicate, {_reason()} AS reason,
                CASE WHEN type = 'track' THEN event ELSE '' END AS event, {ids},
                context, CASE type {part} END AS part, channel, name, category,
                TRY_CAST(received_at AS TIMESTAMP) AS received_at,
                {time_sql("coalesce(sentAt, sent_at)")} AS sent_at,
                coalesce(originalTimestamp, "timestamp") AS called,
                {time_sql("happened_at")} AS told,
                {time_sql("called")} AS original_timestamp,
                CASE WHEN original_timestamp IS NULL AND called IS NOT NULL THEN coalesce(
                    json_extract(line, '/event/originalTimestamp'),
                    json_extract(line, '/event/timestamp')) END AS bad_time
            FROM (
                SELECT line, unnest(from_json(line, {DIALECT.literal(json.dumps(LINE))}),
                    recursive := true)
                FROM {source}))
    """


_ID_COLUMNS = ("user_id", "anonymous_id", "group_id", "previous_id")


def _id(name: str) -> str:
    """Numbers become text; what is neither counts as absent, as it does at the door."""
    return (
        f"CASE WHEN substr({name}, 1, 1) IN ('{{', '[', 't', 'f') "
        f"AND json_type(line, '/event/{name}') <> 'VARCHAR' THEN NULL "
        f"ELSE nullif(trim({name}), '') END"
    )


def _base() -> str:
    cases = " ".join(f"WHEN '{name}' THEN '{table}'" for name, table in layout.BASES.items())
    return f"CASE type {cases} END"


def _reason() -> str:
    """Why a message is not stored: what the door said, or that its sender wants it elsewhere."""
    is_withheld = "Warehouses = 'false' OR json_extract(Warehouses, '/all') = 'false'"
    return f"""
        CASE WHEN coalesce(duplicate, false) THEN NULL
             WHEN base IS NULL THEN coalesce(reason, '{UNKNOWN_TYPE}')
             WHEN Warehouses IS NOT NULL AND ({is_withheld}) THEN '{WITHHELD}' END
    """


def _timestamp() -> str:
    return f"""
        CASE WHEN original_timestamp IS NULL THEN received_at
             WHEN sent_at IS NULL
                OR abs(epoch_us(received_at) - epoch_us(sent_at)) < {SKEW_US_MIN}
                THEN original_timestamp
             WHEN received_at - (sent_at - original_timestamp) BETWEEN {TIME_MIN} AND {TIME_MAX}
                THEN received_at - (sent_at - original_timestamp)
             ELSE original_timestamp END
    """
