"""Names that data may not take. Frozen: saved queries rely on it, whatever engine they move to."""

from __future__ import annotations

# Tables every source has; an event of such a name gets a `_` before it.
TABLES = frozenset(
    {
        *("tracks", "identifies", "users", "groups", "accounts", "pages", "screens", "aliases"),
        *("account_users", "identity_map", "events"),
    }
)

# Columns of ours that a property or trait may not take.
COLUMNS = frozenset(
    {
        *("id", "anonymous_id", "user_id", "event", "event_text", "channel"),
        *("received_at", "sent_at", "original_timestamp", "timestamp", "uuid_ts", "loaded_at"),
    }
)

# What PostgreSQL, Redshift or DuckDB takes for a column only in quotes.
_WORDS = """
aes128 aes256 all allowoverwrite analyse analyze and anti any array as asc asof
asymmetric at authorization az64 backup between binary blanksasnull both by bytedict
bzip2 case cast check collate collation column concurrently constraint create
credentials cross current_catalog current_date current_role current_schema current_time
current_timestamp current_user current_user_id default deferrable deflate defrag delta
delta32k desc describe disable distinct do else emptyasnull enable encode encrypt
encryption end except explicit false fetch for foreign freeze from full glob
globaldict256 globaldict64k grant group gzip having identity ignore ilike in initially
inner intersect interval into is isnull join lambda lateral leading left like limit
localtime localtimestamp lun luns lzo lzop minus mostly16 mostly32 mostly8 natural new
not notnull null nulls off offline offset oid old on only open or order outer overlaps
parallel partition percent permissions pivot pivot_longer pivot_wider placing positional
primary qualify raw readratio recover references rejectlog resort respect restore
returning right select semi session_user show similar snapshot some summarize symmetric
sysdate system system_user table tablesample tag tdes text255 text32k then timestamp to
top trailing true truncatecolumns union unique unnest unpack unpivot user using variadic
verbose wallet when where window with without
"""
WORDS = frozenset(_WORDS.split())
