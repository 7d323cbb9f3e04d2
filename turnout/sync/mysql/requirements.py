"""What a server must be set to before changes can be read from its log: one sentence each."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from turnout import config
from turnout.sync.mysql.connection import Session
from turnout.sync.mysql.standing import Standing

# Settings, what they must be, and what would be missing otherwise.
NEEDED = {
    "binlog_format": ("ROW", "the log has statements instead of rows"),
    "binlog_row_image": ("FULL", "the log leaves out columns that did not change"),
    "binlog_row_metadata": ("FULL", "the log does not say which column is which"),
}
# Settings that write the log in a way that cannot be read here.
# Two names of one setting.
REPLAYED = ("log_slave_updates", "log_replica_updates")
COMPRESSED = "binlog_transaction_compression"


def log_missing(
    session: Session, standing: Standing, source: config.Source | None = None
) -> Iterator[str]:
    """What has to be changed at the server, or accepted in `source` if one is given."""
    place = session.address.place
    kind = session.server.kind
    said = session.variables(
        *NEEDED, *REPLAYED, COMPRESSED, "log_bin", "gtid_mode", "binlog_row_value_options"
    )
    if said.get("log_bin") != "ON":
        yield f"{place} keeps no log of changes: set log_bin and a server_id in its configuration."
        return
    for name, (needed, why) in NEEDED.items():
        now = said.get(name, "none")
        if now.upper() != needed:
            yield f"{place} has {name} = {now}, and so {why}: set it to {needed}."
    if standing.is_follower and not any(said.get(name) == "ON" for name in REPLAYED):
        yield f"{place} does not log what it replays: set {REPLAYED[0]}, or name its leader."
    yield from _written_otherwise(place, said)
    if not session.server.is_mariadb and said.get("gtid_mode") != "ON":
        yield f"{place} numbers no transactions: set gtid_mode and enforce_gtid_consistency to ON."
    if source is not None and not source.accept_unfiltered_stream:
        yield (
            f"The log of {kind} carries every column of every table, and what is not selected is "
            "dropped only here. Accept that with accept_unfiltered_stream = true, or choose "
            "another mode than log."
        )


def _written_otherwise(place: str, said: Mapping[str, str]) -> Iterator[str]:
    if said.get(COMPRESSED) == "ON":
        yield f"{place} compresses its log, which cannot be read here: set {COMPRESSED} to OFF."
    if said.get("binlog_row_value_options"):
        yield (
            f"{place} logs only parts of changed documents: "
            "set binlog_row_value_options to nothing."
        )
