"""The tables that events fill, with the columns each has before any event brings more.

Every source's schema has the core tables; `_turnout` keeps the books about loading.
"""

from __future__ import annotations

from collections.abc import Mapping

from turnout.warehouse import Column, Table, Type

KEY = ("id",)
BOOKS = "_turnout"
DEFAULT_SCHEMA = "analytics"

# Which table holds one row per message of a type.
BASES = {
    "track": "tracks",
    "identify": "identifies",
    "group": "groups",
    "page": "pages",
    "screen": "screens",
    "alias": "aliases",
}
# Where a type's own values lie in the message.
PARTS = {
    "track": "properties",
    "identify": "traits",
    "group": "traits",
    "page": "properties",
    "screen": "properties",
}
# Tables of the newest state, made from the calls in another, by the column that names them.
LATEST = {"identifies": ("users", "user_id"), "groups": ("accounts", "group_id")}

TIMES = (
    Column("received_at", Type.TIME),
    Column("sent_at", Type.TIME),
    Column("original_timestamp", Type.TIME),
    Column("timestamp", Type.TIME),
)
LOADED = (
    Column("uuid_ts", Type.TIME),
    Column("loaded_at", Type.TIME),
    Column("_source", Type.TEXT),
    Column("_rescued", Type.JSON),
)
CALL = (
    Column("id", Type.TEXT),
    Column("anonymous_id", Type.TEXT),
    Column("user_id", Type.TEXT),
    *TIMES,
)
EVENT = (Column("event", Type.TEXT), Column("event_text", Type.TEXT))
VIEWED = (Column("name", Type.TEXT), Column("category", Type.TEXT))
# Traits that a call set to null, as a list of columns: the newest state forgets their values.
CLEARED = (Column("_cleared", Type.JSON),)

OWN_COLUMNS: dict[str, tuple[Column, ...]] = {
    "tracks": (*CALL, *EVENT, Column("_properties", Type.JSON), *LOADED),
    "identifies": (*CALL, *LOADED, *CLEARED),
    "groups": (*CALL, Column("group_id", Type.TEXT), *LOADED, *CLEARED),
    "pages": (*CALL, *VIEWED, *LOADED),
    "screens": (*CALL, *VIEWED, *LOADED),
    "aliases": (*CALL, Column("previous_id", Type.TEXT), *LOADED),
    "users": (Column("id", Type.TEXT), *TIMES, *LOADED),
    "accounts": (Column("id", Type.TEXT), *TIMES, *LOADED),
}
EVENT_COLUMNS = (*CALL, *EVENT, *LOADED)

OFFSETS = Table(
    BOOKS,
    "journal_offsets",
    (
        Column("segment", Type.TEXT),
        Column("position", Type.INTEGER),
        Column("updated_at", Type.TIME),
    ),
    key=("segment",),
)
REJECTED = Table(
    BOOKS,
    "rejected_events",
    (
        Column("id", Type.TEXT),
        Column("source", Type.TEXT),
        Column("schema_name", Type.TEXT),
        Column("received_at", Type.TIME),
        Column("reason", Type.TEXT),
        Column("head", Type.TEXT),
        Column("loaded_at", Type.TIME),
    ),
)
# Events that came again: known at the door already, or only met in the warehouse.
DUPLICATES = Table(
    BOOKS,
    "duplicate_events",
    (
        Column("id", Type.TEXT),
        Column("source", Type.TEXT),
        Column("schema_name", Type.TEXT),
        Column("received_at", Type.TIME),
        Column("loaded_at", Type.TIME),
    ),
)
DISCARDS = Table(
    BOOKS,
    "discards",
    (
        Column("table_name", Type.TEXT),
        Column("row_id", Type.TEXT),
        Column("column_name", Type.TEXT),
        Column("column_value", Type.TEXT),
        Column("reason", Type.TEXT),
        Column("received_at", Type.TIME),
        Column("uuid_ts", Type.TIME),
        Column("source", Type.TEXT),
    ),
)
# By the hour of arrival: received = stored + duplicates + rejected, of each source.
SOURCE_COUNTS = Table(
    BOOKS,
    "source_counts",
    (
        Column("source", Type.TEXT),
        Column("hour", Type.TIME),
        Column("received", Type.INTEGER),
        Column("stored", Type.INTEGER),
        Column("duplicates", Type.INTEGER),
        Column("rejected", Type.INTEGER),
    ),
    key=("source", "hour"),
)
# What somebody should know about a table: a limit it has reached, said once.
NOTICES = Table(
    BOOKS,
    "notices",
    (
        Column("subject", Type.TEXT),
        Column("reason", Type.TEXT),
        Column("sentence", Type.TEXT),
        Column("noticed_at", Type.TIME),
    ),
    key=("subject", "reason"),
)
# Columns whose type somebody has chosen: no later value changes it.
RETYPED = Table(
    BOOKS,
    "retyped_columns",
    (
        Column("schema_name", Type.TEXT),
        Column("table_name", Type.TEXT),
        Column("column_name", Type.TEXT),
        Column("type", Type.TEXT),
        Column("retyped_at", Type.TIME),
    ),
    key=("schema_name", "table_name", "column_name"),
)
LOADS = Table(
    BOOKS,
    "loads",
    (
        Column("loaded_at", Type.TIME),
        Column("received", Type.INTEGER),
        Column("stored", Type.INTEGER),
        Column("duplicates", Type.INTEGER),
        Column("rejected", Type.INTEGER),
        Column("bytes", Type.INTEGER),
        Column("duration_s", Type.FLOAT),
        Column("ahead", Type.INTEGER),
    ),
)


def core_tables(schema: str) -> list[Table]:
    """The tables every source has from the start."""
    return [Table(schema, name, columns, KEY) for name, columns in OWN_COLUMNS.items()]


def event_table(schema: str, name: str) -> Table:
    """The table of one track event, before its properties."""
    return Table(schema, name, EVENT_COLUMNS, KEY)


def event_schemas(catalog: Mapping[str, Mapping[str, Table]]) -> list[str]:
    """The schemas of `catalog` that events land in: those that have all core tables.

    A copied schema may have tables of such names; ours say where their rows are from.
    """
    return sorted(
        schema
        for schema, tables in catalog.items()
        if OWN_COLUMNS.keys() <= tables.keys() and tables["tracks"].column("_source") is not None
    )


BOOK_TABLES = (OFFSETS, REJECTED, DUPLICATES, DISCARDS, SOURCE_COUNTS, NOTICES, RETYPED, LOADS)
