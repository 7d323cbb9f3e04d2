"""Writing the warehouse anew now and then: what was deleted is then gone from its file too."""

from __future__ import annotations

import os
import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path

import structlog

from turnout.clips.follower import Follower
from turnout.config import Config
from turnout.warehouse import Warehouse

# An empty file that is as old as the last time.
MARK = "compacted"
# The new file lies beside the old one until it is complete.
FREE_SHARE_MIN = 1.1

log = structlog.get_logger()


def compact_if_due(
    config: Config, warehouse: Warehouse, follower: Follower, *, now: datetime
) -> bool:
    """Compact when the last time is `warehouse.compact_every_s` ago, and publish the result."""
    done_at = compacted_at(config.data_folder)
    if done_at is None:
        note_compacted(config.data_folder, now)  # a new warehouse has nothing to lose yet
        return False
    if now - done_at < timedelta(seconds=config.warehouse.compact_every_s):
        return False
    if not _has_room(config.warehouse_file):
        log.warning("warehouse not compacted", problem="the disk has no room for a second copy")
        return False
    warehouse.compact()
    note_compacted(config.data_folder, now)
    # Readers' copies are made of the file's bytes, those of deleted rows among them.
    follower.publish(now=now)
    log.info("warehouse compacted")
    return True


def compacted_at(data_folder: Path) -> datetime | None:
    """When the warehouse was written anew the last time, or was first seen."""
    try:
        return datetime.fromtimestamp((data_folder / MARK).stat().st_mtime, UTC)
    except FileNotFoundError:
        return None


def note_compacted(data_folder: Path, now: datetime) -> None:
    """Remember that it was done now."""
    mark = data_folder / MARK
    mark.touch()
    os.utime(mark, (now.timestamp(), now.timestamp()))


def _has_room(path: Path) -> bool:
    try:
        size_bytes = path.stat().st_size
    except FileNotFoundError:
        return False  # not kept in a file
    return shutil.disk_usage(path.parent).free > FREE_SHARE_MIN * size_bytes
