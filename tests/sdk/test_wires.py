"""Libraries that cannot be had here as packages: what they write on the wire, byte by byte."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from tests.running import Turnout
from tests.sdk import ledger
from tests.sdk.snapshot import Snapshot, snapshot
from tests.sdk.source import new_keys
from tests.sdk.wire import TRACKS, WIRES, Answer, Wire, events, send

BY_WIRE = pytest.mark.parametrize("wire", WIRES, ids=lambda wire: wire.slug)


@pytest.fixture(scope="module")
def answers(turnout: Turnout) -> dict[str, list[Answer]]:
    """By slug: all calls in one batch, sent twice as it is."""
    keys = new_keys(turnout, [wire.slug for wire in WIRES])
    answers = {}
    for wire in WIRES:
        raw = wire.write(events(wire), keys[wire.slug])
        answers[wire.slug] = [send(turnout.config.collector.port, raw) for _ in range(2)]
    return answers


@pytest.fixture(scope="module")
def after(turnout: Turnout, answers: dict[str, list[Answer]]) -> Iterator[Snapshot]:
    with snapshot(turnout) as opened:
        yield opened


@BY_WIRE
def test_the_answer_is_what_every_library_takes_for_success(
    wire: Wire, answers: dict[str, list[Answer]]
) -> None:
    for answer in answers[wire.slug]:
        assert (answer.status, answer.fields["content-type"]) == (200, "application/json")
        assert json.loads(answer.content)["success"] is True


@BY_WIRE
def test_a_batch_as_it_is_written_arrives_once_though_sent_twice(
    wire: Wire, after: Snapshot
) -> None:
    ledger.assert_all_six(after, wire.slug)
    ledger.assert_counted(after, wire.slug, TRACKS)
    sent = len(events(wire))
    ledger.assert_counts(after, wire.slug, received=2 * sent, stored=sent)


@BY_WIRE
def test_each_event_keeps_the_name_of_its_library(wire: Wire, after: Snapshot) -> None:
    assert after.rows(f"SELECT DISTINCT context_library_name FROM {wire.slug}.tracks") == [
        (wire.library,)
    ]
