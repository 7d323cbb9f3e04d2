"""When a source is copied next."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from cronsim import CronSim

from turnout.config import Source


class Schedule:
    """The regular times of one source, and the tries in between after it was away."""

    def __init__(self, source: Source) -> None:
        self._source = source

    def after(self, moment: datetime) -> datetime:
        """The next regular time after `moment`, at which a copy has just ended."""
        if not self._source.cron:
            return moment + timedelta(seconds=self._source.every_s)
        local = moment.astimezone(ZoneInfo(self._source.time_zone))
        return next(CronSim(self._source.cron, local)).astimezone(UTC)

    def again(self, moment: datetime, tries: int) -> datetime:
        """When to try again after `tries` that failed in a row: sooner than regular, or then."""
        regular = self.after(moment)
        if tries > self._source.retries:
            return regular
        pause_s = self._source.retry_after_s * 2 ** (tries - 1)
        return min(regular, moment + timedelta(seconds=pause_s))
