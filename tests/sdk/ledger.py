"""What must stand in the warehouse after a library has sent the calls of `clients/calls.json`."""

from __future__ import annotations

from collections import Counter
from datetime import datetime

from tests.sdk.proxy import Proxy
from tests.sdk.snapshot import Snapshot

# (table, columns) → their one row. The warehouse keeps UTC, without saying so.
ONE_ROW = {
    ("aliases", "user_id, previous_id"): ("alice", "visitor"),
    ("identifies", "user_id, email, age, born, is_admin"): (
        "alice", "alice@acme.example", 41, datetime(1985, 2, 3), True,  # noqa: DTZ001
    ),
    ("users", "id, email, age, is_admin"): ("alice", "alice@acme.example", 41, True),
    ("groups", "user_id, group_id, name, seats"): ("alice", "acme", "Acme", 12),
    ("accounts", "id, name, seats"): ("acme", "Acme", 12),
    ("pressed_big_button", "user_id, event_text, price, count, is_new, due"): (
        "alice", "Pressed Big Button", 9.5, 3, True, datetime(2026, 3, 4, 12),  # noqa: DTZ001
    ),
    ("pressed_big_button", "tags, place_city, note"): ('["a","b"]', "Oslo", "Grüße 🎉"),
    ("pages", "user_id, category, name, plan"): ("alice", "Docs", "Pricing", "pro"),
    ("screens", "user_id, category, name, dark"): ("alice", "App", "Start", False),
}  # fmt: skip


def assert_all_six(snapshot: Snapshot, schema: str) -> None:
    """Every call has its one row, typed."""
    for (table, columns), row in ONE_ROW.items():
        assert snapshot.rows(f"SELECT {columns} FROM {schema}.{table}") == [row], table


def assert_counted(snapshot: Snapshot, schema: str, tracks: int) -> None:
    """Of the tracks `Counted` 0 to `tracks` - 1, each arrived, once, in both its tables."""
    columns = "count(*), count(DISTINCT id), count(DISTINCT n), sum(n)"
    assert snapshot.rows(f"SELECT {columns} FROM {schema}.counted") == [
        (tracks, tracks, tracks, sum(range(tracks)))
    ]
    assert snapshot.rows(
        f"SELECT count(*), count(DISTINCT id) FROM {schema}.tracks WHERE event = 'counted'"
    ) == [(tracks, tracks)]


def assert_balanced(snapshot: Snapshot, source: str, proxy: Proxy) -> None:
    """What stands in the books is what was acknowledged, and nothing else."""
    sent = Counter(proxy.acknowledged)
    assert_counts(snapshot, source, received=sent.total(), stored=len(sent))


def assert_counts(snapshot: Snapshot, source: str, *, received: int, stored: int) -> None:
    """Received = stored + duplicates; none rejected."""
    assert received > stored, "nothing came twice"
    assert snapshot.rows(
        "SELECT sum(received), sum(stored), sum(duplicates), sum(rejected) "
        f"FROM _turnout.source_counts WHERE source = '{source}'"
    ) == [(received, stored, received - stored, 0)]
    assert snapshot.rows(
        f"SELECT count(*) FROM _turnout.duplicate_events WHERE source = '{source}'"
    ) == [(received - stored,)]
