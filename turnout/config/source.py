"""The settings of `[sources]`: a database to copy chosen columns from, and which ones."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, Struct

from turnout.config.unit import Count, Seconds


class TableSelection(Struct, frozen=True, forbid_unknown_fields=True):
    """One table of a source, and the columns of it that are copied. Nothing else is read."""

    columns: Annotated[list[str], Meta(min_length=1, description="Columns to copy, by exact name.")]
    key: Annotated[
        list[str], Meta(description="Columns that tell its rows apart; empty: its primary key.")
    ] = []
    mode: Annotated[
        Literal["auto", "full", "cursor", "append", "xmin", "log"],
        Meta(
            description="How it is copied: whole (full), what its cursor says is new (cursor, and "
            "append for rows that never change), what PostgreSQL says is new (xmin), or each "
            "change as it happens (log). auto chooses among the first four by its size."
        ),
    ] = "auto"
    cursor: Annotated[
        str, Meta(description="Column that grows when a row is written, such as updated_at.")
    ] = ""
    lag_s: Annotated[
        float,
        Meta(ge=0, description="How far back a cursor reads again, for transactions still open."),
    ] = 300.0
    lag_rows: Annotated[
        int, Meta(ge=0, description="The same in rows, where the cursor is a number.")
    ] = 10_000
    deletes: Annotated[
        Literal["auto", "none", "keys"],
        Meta(
            description="How rows deleted at the source are found between whole copies: by "
            "comparing all keys, or not at all. auto: keys, except in the mode append."
        ),
    ] = "auto"
    history: Annotated[
        bool, Meta(description="Keep every version of a row in <table>_history.")
    ] = False
    tracked: Annotated[
        list[str],
        Meta(description="Columns whose change begins a new version; empty: all copied ones."),
    ] = []
    created_at: Annotated[
        str, Meta(description="Column that says since when a row's first version holds.")
    ] = ""
    where: Annotated[
        str, Meta(description="Condition, in the source's SQL, that a row meets to be copied.")
    ] = ""
    treat: Annotated[
        dict[str, str],
        Meta(
            description="Per column, what happens to its values on the way: keep, hash, "
            "hash:email, hash:phone, mask, bucket:day, bucket:month, bucket:year, bucket:100."
        ),
    ] = {}
    json_keys: Annotated[
        dict[str, list[str]],
        Meta(description="Per JSON column, the only keys of it that are read."),
    ] = {}
    personal: Annotated[
        dict[str, str],
        Meta(description="Per column that looks personal, why it is copied all the same."),
    ] = {}
    person: Annotated[
        str, Meta(description="Column that names the person a row is about, for forgetting them.")
    ] = ""
    deleted_history: Annotated[
        Literal["keep", "erase"],
        Meta(description="What becomes of the versions of a row that was deleted at the source."),
    ] = "keep"
    on_found: Annotated[
        Literal["warn", "stop"],
        Meta(
            description="When texts that came look like e-mail addresses, phone numbers, cards or "
            "IP addresses: say so, or keep the new copy out."
        ),
    ] = "warn"
    on_lost: Annotated[
        Literal["null", "fail"],
        Meta(description="What to do with a value that no column of the warehouse can hold."),
    ] = "null"
    on_dropped: Annotated[
        Literal["stop", "null"],
        Meta(description="What to do when a copied column is gone at the source."),
    ] = "stop"
    shrink: Annotated[
        bool,
        Meta(
            description="Accept a copy with no rows, with less than half of those before, or that "
            "deletes more than 30 % of them by their keys."
        ),
    ] = False


class Alarm(Struct, frozen=True, forbid_unknown_fields=True):
    """Who is told when the copies of a source fail or grow old."""

    webhook: Annotated[
        str, Meta(description="Address that is sent a JSON message.", extra={"secret": True})
    ] = ""
    secret: Annotated[
        str,
        Meta(
            description="What its messages are signed with, in the header X-Turnout-Signature.",
            extra={"secret": True},
        ),
    ] = ""
    stale_after_s: Annotated[
        Seconds, Meta(description="The age of a copy that is worth a message.")
    ] = 3600.0
    again_after_s: Annotated[
        Seconds, Meta(description="The same trouble is not told again before.")
    ] = 4 * 3600.0


class Source(Struct, frozen=True, forbid_unknown_fields=True):
    """One database to copy chosen columns from."""

    url: Annotated[
        str,
        Meta(
            description="postgresql:// or mysql://user@host:port/database, of a read-only "
            "follower where there is one; file:/path of a dump; file: alone, to be filled by "
            "turnout source load.",
            extra={"secret": True},
        ),
    ]
    password_file: Annotated[
        str,
        Meta(description="File with the password, when the url has none; relative to the home."),
    ] = ""
    followers: Annotated[
        list[str],
        Meta(
            description="Further followers, tried in this order when the first cannot be used.",
            extra={"secret": True},
        ),
    ] = []
    accept_leader: Annotated[
        bool,
        Meta(description="Copy from a leader without a warning, and when no follower is usable."),
    ] = False
    tables: Annotated[
        dict[str, TableSelection], Meta(description="The selection: table by table.")
    ] = {}
    schema: Annotated[
        str, Meta(pattern="^[a-z_][a-z0-9_]*$", description="Warehouse schema to copy into.")
    ] = "userdata"
    every_s: Annotated[Seconds, Meta(description="Pause between two copies.")] = 300.0
    cron: Annotated[
        str, Meta(description="Instead: when to copy, as cron says it, such as '0 3 * * *'.")
    ] = ""
    time_zone: Annotated[str, Meta(description="The time zone that cron is read in.")] = "UTC"
    on_start: Annotated[bool, Meta(description="Copy also when Turnout starts.")] = True
    whole_every_s: Annotated[
        Seconds, Meta(description="A table copied piece by piece is copied whole this often.")
    ] = 7 * 86_400.0
    retries: Annotated[
        int, Meta(ge=0, le=10, description="How often a copy that was cut off is begun again.")
    ] = 3
    retry_after_s: Annotated[
        Seconds, Meta(description="Pause before that; it doubles each time.")
    ] = 30.0
    lag_max_s: Annotated[
        Seconds, Meta(description="A follower further behind its leader is not copied from.")
    ] = 300.0
    connections: Annotated[
        Count, Meta(description="Connections to the source at once, besides the one that watches.")
    ] = 2
    rows_per_s_max: Annotated[
        int, Meta(ge=0, description="Pace of reading; 0 means as fast as it goes.")
    ] = 0
    snapshot_s_max: Annotated[
        Seconds, Meta(description="Longest a snapshot is held open on a leader.")
    ] = 1800.0
    statement_s_max: Annotated[
        Seconds, Meta(description="Longest a single statement may run there.")
    ] = 900.0
    log_every_s: Annotated[
        Seconds, Meta(description="Pause between two looks for changes, in the mode log.")
    ] = 1.0
    log_by: Annotated[
        Literal["functions", "replication"],
        Meta(
            description="How changes are read from PostgreSQL: by two functions that the role may "
            "call and that show the selection only, or by a replication connection, whose role "
            "can read everything."
        ),
    ] = "functions"
    slot: Annotated[
        str,
        Meta(
            pattern="^[a-z0-9_]{0,63}$",
            description="Replication slot, publication and functions; empty: turnout_<source>.",
        ),
    ] = ""
    retained_bytes_max: Annotated[
        Count,
        Meta(description="The slot is given up before it makes the source keep more than this."),
    ] = 10 * 1024**3
    accept_unlimited_slot: Annotated[
        bool,
        Meta(description="Make a slot although the server sets no limit to what slots retain."),
    ] = False
    accept_unfiltered_stream: Annotated[
        bool,
        Meta(
            description="Read a change stream that carries every column, and drop the others here: "
            "PostgreSQL before 15, MySQL and MariaDB."
        ),
    ] = False
    on_slot_lost: Annotated[
        Literal["copy", "stop"],
        Meta(description="What to do when changes are lost: copy whole and go on, or stop."),
    ] = "copy"
    suppress: Annotated[
        bool, Meta(description="Keep out people who were forgotten, by a keyed list.")
    ] = True
    alarm: Alarm = Alarm()
