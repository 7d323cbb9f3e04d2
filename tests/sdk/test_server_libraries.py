"""Libraries for servers, unchanged but for host and key, all six calls each, on a bad network.

They send at the same time, so that the file takes as long as the slowest.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from tests.running import Turnout
from tests.sdk import ledger
from tests.sdk.clients.send import TRACKS
from tests.sdk.libraries import LIBRARIES, Delivery, Library
from tests.sdk.mishap import plan
from tests.sdk.proxy import Proxy
from tests.sdk.snapshot import Snapshot, snapshot
from tests.sdk.source import new_keys

EACH = pytest.mark.parametrize("library", LIBRARIES, ids=lambda library: library.slug)


@pytest.fixture(scope="module")
def deliveries(clients: None, turnout: Turnout) -> Iterator[dict[str, Delivery]]:
    """By slug; each library has ended, and all its events can be queried."""
    with ExitStack() as stack:
        keys = new_keys(turnout, [library.slug for library in LIBRARIES])
        started: dict[str, Delivery] = {}
        for seed, library in enumerate(LIBRARIES):
            proxy = stack.enter_context(Proxy(turnout.config.collector.port, plan(seed)))
            started[library.slug] = Delivery(library, keys[library.slug], proxy)
            stack.callback(started[library.slug].end)
        for slug, delivery in started.items():
            code, said = delivery.finish()
            assert code == 0, (slug, said)
        yield started


@pytest.fixture(scope="module")
def after(turnout: Turnout, deliveries: dict[str, Delivery]) -> Iterator[Snapshot]:
    with snapshot(turnout) as opened:
        yield opened


@EACH
def test_every_event_arrives_once_though_the_network_is_hostile(
    library: Library, deliveries: dict[str, Delivery], after: Snapshot
) -> None:
    assert deliveries[library.slug].proxy.plan == [], "a mishap never came"
    ledger.assert_all_six(after, library.slug)
    ledger.assert_counted(after, library.slug, TRACKS)


@EACH
def test_received_is_stored_and_duplicates_and_rejected(
    library: Library, deliveries: dict[str, Delivery], after: Snapshot
) -> None:
    ledger.assert_balanced(after, library.slug, deliveries[library.slug].proxy)


def test_every_load_balances_too(after: Snapshot) -> None:
    assert after.rows(
        "SELECT count(*) FROM _turnout.loads WHERE received <> stored + duplicates + rejected"
    ) == [(0,)]


def test_new_libraries_say_how_often_they_tried(deliveries: dict[str, Delivery]) -> None:
    for slug in ("segment_python", "segment_node"):
        assert max(deliveries[slug].proxy.retry_counts) > 0
