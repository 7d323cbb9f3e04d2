"""What Turnout counts about itself, for Prometheus: every meter by name, with its sentence.

Anyone may count: `meters.REQUESTS.add("200")` costs a fraction of a microsecond and never fails.
A process that calls `share` lets the others of its installation see what it counted.
"""

from __future__ import annotations

from pathlib import Path

from turnout.meters.exchange import Exchange, clear
from turnout.meters.guard import FORWARDED, REFUSAL, may_read
from turnout.meters.meter import Counter, Gauge, Histogram, Meter

__all__ = ["ALL", "FORWARDED", "REFUSAL", "clear", "exposition", "may_read", "share", "write"]

# At the door, as requests come.
REQUESTS = Counter(
    "turnout_requests_total",
    "Requests that brought or should have brought events, by the status they were answered with.",
    ("status",),
)
RETRIES = Counter(
    "turnout_retries_total",
    "Requests that an SDK marked as a repeat of one that failed (X-Retry-Count above 0).",
)
SDK_METRICS = Counter(
    "turnout_sdk_metrics_total",
    "Requests with what SDKs count about themselves; nothing of them is kept.",
)
RECEIVED = Counter(
    "turnout_received_total",
    "Events acknowledged to their senders, repeats and rejected ones included.",
    ("source",),
)
# In the journal.
FSYNC_SECONDS = Histogram(
    "turnout_fsync_seconds",
    "Time to write one group of requests to the journal and to sync it to the disk.",
    (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0),
)
# On the way into the warehouse: of each event received, exactly one outcome.
EVENTS = Counter(
    "turnout_events_total",
    "Events taken from the journal by what became of them: stored, duplicate or rejected.",
    ("source", "outcome"),
)
REJECTED = Counter(
    "turnout_rejected_total",
    "Events rejected, by reason; each is kept in _turnout.rejected_events.",
    ("source", "reason"),
)
DISCARDED = Counter(
    "turnout_discarded_values_total",
    "Values that did not fit their column; each is kept in its row's _rescued.",
    ("source",),
)
LOAD_SECONDS = Histogram(
    "turnout_load_seconds",
    "Time of one load: from reading the journal to the commit in the warehouse.",
    (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0),
)
LOADS_FAILED = Counter(
    "turnout_loads_failed_total",
    "Loads that failed as a whole and are tried again; nothing is lost by one.",
)
BACKLOG_BYTES = Gauge(
    "turnout_backlog_bytes",
    "Bytes in the journal that are not loaded into the warehouse yet.",
)
BACKLOG_SECONDS = Gauge(
    "turnout_backlog_seconds",
    "Age of the oldest event in the journal that is not loaded yet; 0 when there is none.",
)
DISK_USED = Gauge(
    "turnout_disk_used_ratio",
    "How full the journal's disk is; at 1 events are answered with 503.",
)

# Tables on their way from a source.
COPIES = Counter(
    "turnout_copies_total",
    "Copies of a source that ended, by outcome: done, partly (some tables), away (it could not be "
    "reached), refused or failed.",
    ("source", "outcome"),
)
COPIED_ROWS = Counter(
    "turnout_copied_rows_total",
    "Rows that copies and change streams brought from a source.",
    ("source",),
)
COPY_SECONDS = Histogram(
    "turnout_copy_seconds",
    "Time of one copy of all selected tables of a source.",
    (0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 1800.0, 7200.0),
)
COPY_AGE_SECONDS = Gauge(
    "turnout_copy_age_seconds",
    "How old the copied data of a source is: the age of its oldest table that was copied.",
    ("source",),
)
SOURCE_LAG_SECONDS = Gauge(
    "turnout_source_lag_seconds",
    "How far the follower that is copied from was behind its leader at the last copy.",
    ("source",),
)
SLOT_RETAINED_BYTES = Gauge(
    "turnout_slot_retained_bytes",
    "Bytes of its log that a source keeps because of our replication slot.",
    ("source",),
)

ALL: tuple[Meter, ...] = (
    REQUESTS,
    RETRIES,
    SDK_METRICS,
    RECEIVED,
    FSYNC_SECONDS,
    EVENTS,
    REJECTED,
    DISCARDED,
    LOAD_SECONDS,
    LOADS_FAILED,
    BACKLOG_BYTES,
    BACKLOG_SECONDS,
    DISK_USED,
    COPIES,
    COPIED_ROWS,
    COPY_SECONDS,
    COPY_AGE_SECONDS,
    SOURCE_LAG_SECONDS,
    SLOT_RETAINED_BYTES,
)

_exchange = Exchange(ALL)


def share(folder: Path) -> None:
    """Let the other processes that share `folder` see what this one counts; once per process."""
    _exchange.share(folder)


def write() -> None:
    """Make what was counted last visible too: called before a process ends."""
    _exchange.write()


def exposition() -> tuple[bytes, str]:
    """The text for Prometheus, about all processes that share, and its content type."""
    # Only whoever is asked for metrics pays for the library's import.
    from turnout.meters.prometheus import CONTENT_TYPE, text

    return text(ALL, _exchange.snapshots()), CONTENT_TYPE
