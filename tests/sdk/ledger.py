"""What must stand in the warehouse after a library has sent the calls of `clients/calls.json`."""

from __future__ import annotations

from collections import Counter

from tests.running import Turnout
from tests.sdk.proxy import Proxy

# (table, columns) → their one row.
ONE_ROW = {
    ("aliases", "user_id, previous_id"): ["alice", "visitor"],
    ("identifies", "user_id, email, age, born, is_admin"): [
        "alice", "alice@acme.example", 41, "1985-02-03T00:00:00Z", True,
    ],
    ("users", "id, email, age, is_admin"): ["alice", "alice@acme.example", 41, True],
    ("groups", "user_id, group_id, name, seats"): ["alice", "acme", "Acme", 12],
    ("accounts", "id, name, seats"): ["acme", "Acme", 12],
    ("pressed_big_button", "user_id, event_text, price, count, is_new, due"): [
        "alice", "Pressed Big Button", 9.5, 3, True, "2026-03-04T12:00:00Z",
    ],
    ("pressed_big_button", "tags, place_city, note"): ['["a","b"]', "Oslo", "Grüße 🎉"],
    ("pages", "user_id, category, name, plan"): ["alice", "Docs", "Pricing", "pro"],
    ("screens", "user_id, category, name, dark"): ["alice", "App", "Start", False],
}  # fmt: skip


def assert_balanced(turnout: Turnout, source: str, proxy: Proxy) -> None:
    """What stands in the books is what was acknowledged, and nothing else."""
    sent = Counter(proxy.acknowledged)
    assert_counts(turnout, source, received=sent.total(), stored=len(sent))


def assert_counts(turnout: Turnout, source: str, *, received: int, stored: int) -> None:
    """Received = stored + duplicates; none rejected."""
    assert received > stored, "nothing came twice"
    assert turnout.rows(
        "SELECT sum(received), sum(stored), sum(duplicates), sum(rejected) "
        f"FROM _turnout.source_counts WHERE source = '{source}'"
    ) == [[received, stored, received - stored, 0]]
    assert turnout.rows(
        f"SELECT count(*) FROM _turnout.duplicate_events WHERE source = '{source}'"
    ) == [[received - stored]]


def assert_all_six(turnout: Turnout, schema: str) -> None:
    """Every call has its one row, typed."""
    for (table, columns), row in ONE_ROW.items():
        assert turnout.rows(f"SELECT {columns} FROM {schema}.{table}") == [row], table


def assert_counted(turnout: Turnout, schema: str, tracks: int) -> None:
    """Of the tracks `Counted` 0 to `tracks` - 1, each arrived, once, in both its tables."""
    expected = [[tracks, tracks, sum(range(tracks))]]
    columns = "count(DISTINCT id), count(DISTINCT n), sum(n)"
    assert turnout.rows(f"SELECT {columns} FROM {schema}.counted") == expected
    assert turnout.rows(
        f"SELECT count(*), count(DISTINCT id) FROM {schema}.tracks WHERE event = 'counted'"
    ) == [[tracks, tracks]]
