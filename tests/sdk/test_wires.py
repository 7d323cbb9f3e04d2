"""Libraries that cannot be had here as packages: what they write on the wire, byte by byte."""

from __future__ import annotations

import json

import pytest

from tests.running import Turnout
from tests.sdk import ledger
from tests.sdk.source import new_key
from tests.sdk.wire import TRACKS, WIRES, Wire, events, send


@pytest.mark.parametrize("wire", WIRES, ids=lambda wire: wire.slug)
def test_a_batch_as_it_is_written_arrives_once_though_sent_twice(
    wire: Wire, turnout: Turnout
) -> None:
    key = new_key(turnout, wire.slug)
    batch = events(wire)
    for _ in range(2):
        status, fields, content = send(turnout.config.collector.port, wire.write(batch, key))
        # What every one of these libraries takes for success, and nothing else does.
        assert (status, fields["content-type"]) == (200, "application/json")
        assert json.loads(content)["success"] is True
    turnout.wait_loaded()
    ledger.assert_all_six(turnout, wire.slug)
    ledger.assert_counted(turnout, wire.slug, TRACKS)
    ledger.assert_counts(turnout, wire.slug, received=2 * len(batch), stored=len(batch))
    assert turnout.rows(f"SELECT DISTINCT context_library_name FROM {wire.slug}.tracks") == [
        [wire.library]
    ]
