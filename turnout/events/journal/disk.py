"""How full the journal's disk is, and an alarm while there is still time to act."""

from __future__ import annotations

import shutil
from pathlib import Path

import structlog

from turnout import meters

ALARM_SHARE = 0.8

log = structlog.get_logger()


class Disk:
    """The disk that `folder` lies on."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._is_alarming = False

    @property
    def used_share(self) -> float:
        """Of what this user may fill: 1 is full. 0 when the folder cannot be asked."""
        try:
            usage = shutil.disk_usage(self._folder)
        except OSError:
            return 0.0
        # Not `usage.total`: a part is kept for root.
        return usage.used / (usage.used + usage.free) if usage.used else 0.0

    @property
    def note(self) -> str:
        """A sentence while the disk is nearly full, else nothing."""
        share = self.used_share
        if share < ALARM_SHARE:
            return ""
        return f"The journal's disk is {share:.0%} full; at 100 % events are answered with 503."

    def look(self) -> None:
        """Keep the meter, and say once when the alarm begins and once when it ends."""
        meters.DISK_USED.set(self.used_share)
        note = self.note
        if note and not self._is_alarming:
            log.warning("the disk is nearly full", problem=note)
        if self._is_alarming and not note:
            log.info("the disk has room again")
        self._is_alarming = bool(note)
