"""The newest events with their fates, as the tables tell them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pyarrow as pa
import pytest

from tests.events.house import House
from turnout.events import layout
from turnout.events.overview.recent import SHOWN_MAX, Arrival, Recent, Wanted
from turnout.events.overview.tally import Sum, reasons, tallies
from turnout.warehouse import Column, Table, Type

NOW = datetime(2026, 11, 21, 12, 30, tzinfo=UTC)


def put(house: House, table: Table, rows: list[dict[str, object]]) -> None:
    """Rows as a load would have written them."""
    with house.warehouse.transaction() as transaction:
        transaction.prepare(table)
        if rows:
            names = dict.fromkeys(name for row in rows for name in row)
            columns = {name: [row.get(name) for row in rows] for name in names}
            transaction.append(table, pa.table(columns))


def call(id_: str, *, age_s: float = 0.0, **values: Any) -> dict[str, object]:
    at = (NOW - timedelta(seconds=age_s)).replace(tzinfo=None)
    return {"id": id_, "received_at": at, "loaded_at": at, "_source": "web", **values}


def track(id_: str, event: str, **values: Any) -> dict[str, object]:
    named = {"event": event.lower().replace(" ", "_"), "event_text": event}
    return call(id_, **{"user_id": "alice", **named, **values})


TRACKS = Table("analytics", "tracks", layout.OWN_COLUMNS["tracks"])
PAGES = Table("analytics", "pages", layout.OWN_COLUMNS["pages"])


@pytest.fixture
def filled(house: House) -> House:
    put(
        house,
        TRACKS,
        [
            track("t1", "Signed Up", age_s=60),
            track("t2", "Signed Up", age_s=30, user_id="bob", _source="backend"),
            track("t3", "Invoice Paid", age_s=20, _rescued='{"seats":"many"}'),
        ],
    )
    put(house, PAGES, [call("p1", age_s=10, anonymous_id="visitor", name="Start")])
    at = NOW.replace(tzinfo=None)
    put(
        house,
        layout.REJECTED,
        [
            {"id": "r1", "source": "web", "received_at": at, "loaded_at": at,
             "reason": "missing_event", "head": '{"userId":"charlie"}'},
        ],
    )  # fmt: skip
    put(
        house,
        layout.DUPLICATES,
        [{"id": "t1", "source": "web", "received_at": at, "loaded_at": at}],
    )
    return house


def ids(house: House, wanted: Wanted) -> list[str]:
    return [arrival.id for arrival in Recent(house.warehouse).newest(wanted, now=NOW)]


def test_every_event_is_there_with_its_fate_the_newest_first(filled: House) -> None:
    found = Recent(filled.warehouse).newest(Wanted(), now=NOW)
    assert [(one.id, one.fate) for one in found] == [
        ("r1", "rejected"),
        ("t1", "duplicate"),
        ("p1", "stored"),
        ("t3", "rescued"),
        ("t2", "stored"),
        ("t1", "stored"),
    ]
    assert found[2] == Arrival(
        fate="stored", place="analytics.pages", type="page", id="p1", name="Start", user_id=None,
        anonymous_id="visitor", source="web", reason=None,
        received_at=NOW - timedelta(seconds=10),
    )  # fmt: skip
    assert (found[0].reason, found[0].source) == ("missing_event", "web")


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        (Wanted(source="backend"), ["t2"]),
        (Wanted(event="signed"), ["t2", "t1"]),
        (Wanted(event="PAGE start"), ["p1"]),
        (Wanted(event="missing_event"), ["r1"]),
        (Wanted(user="bob"), ["t2"]),
        (Wanted(user="visitor"), ["p1"]),
        (Wanted(user="charlie"), ["r1"]),
        (Wanted(fate="stored"), ["p1", "t2", "t1"]),
        (Wanted(fate="rescued"), ["t3"]),
        (Wanted(fate="duplicate"), ["t1"]),
        (Wanted(fate="rejected", source="backend"), []),
        (Wanted(until=NOW - timedelta(seconds=20)), ["t3", "t2", "t1"]),
        (Wanted(event="' OR true --"), []),
    ],
)
def test_filters_leave_what_fits(filled: House, wanted: Wanted, expected: list[str]) -> None:
    assert ids(filled, wanted) == expected


def test_an_event_is_rescued_in_part_when_its_own_table_did_not_take_a_value(
    filled: House,
) -> None:
    at = (NOW - timedelta(seconds=60)).replace(tzinfo=None)
    put(filled, layout.DISCARDS, [{"row_id": "t1", "received_at": at}])
    fates = {
        one.received_at: one.fate for one in Recent(filled.warehouse).newest(Wanted(), now=NOW)
    }
    assert fates[NOW - timedelta(seconds=60)] == "rescued"
    assert ids(filled, Wanted(fate="rescued")) == ["t3", "t1"]
    assert ids(filled, Wanted(fate="stored")) == ["p1", "t2"]


def test_no_more_than_a_page_is_ever_read(house: House) -> None:
    put(house, TRACKS, [track(f"t{n:04}", "Signed Up", age_s=n) for n in range(300)])
    found = ids(house, Wanted())
    assert found == [f"t{n:04}" for n in range(SHOWN_MAX)]


def test_an_empty_warehouse_shows_nothing(house: House) -> None:
    assert ids(house, Wanted(source="web", event="x", user="y")) == []


def test_a_copied_table_of_the_same_name_is_no_event(house: House) -> None:
    put(house, Table("userdata", "pages", (Column("id", Type.TEXT),)), [{"id": "page 1"}])
    assert ids(house, Wanted()) == []


def test_a_stored_event_opens_into_its_own_tables_row(filled: House) -> None:
    own = Table("analytics", "signed_up", (*layout.EVENT_COLUMNS, Column("plan", Type.TEXT)))
    put(filled, own, [track("t1", "Signed Up", age_s=60, plan="pro")])
    detail = Recent(filled.warehouse).detail("analytics.tracks", "t1", NOW - timedelta(seconds=60))
    assert detail is not None
    assert list(detail.rows) == ["analytics.signed_up"]
    assert '"plan": "pro"' in detail.rows["analytics.signed_up"]
    assert '"received_at": "2026-11-21T12:29:00Z"' in detail.rows["analytics.signed_up"]


def test_a_rescued_event_says_which_value_went_where(filled: House) -> None:
    at = (NOW - timedelta(seconds=20)).replace(tzinfo=None)
    put(
        filled,
        layout.DISCARDS,
        [{"table_name": "analytics.invoice_paid", "row_id": "t3", "column_name": "seats",
          "column_value": "many", "reason": "not_an_integer", "received_at": at}],
    )  # fmt: skip
    detail = Recent(filled.warehouse).detail("analytics.tracks", "t3", NOW - timedelta(seconds=20))
    assert detail is not None
    assert '"_rescued": {\n    "seats": "many"\n  }' in detail.rows["analytics.tracks"]
    (discard,) = detail.discards
    assert (discard.column, discard.value, discard.reason) == ("seats", "many", "not_an_integer")


def test_a_rejected_event_opens_into_its_head(filled: House) -> None:
    detail = Recent(filled.warehouse).detail("_turnout.rejected_events", "r1", NOW)
    assert detail is not None
    assert detail.head == '{"userId":"charlie"}'


@pytest.mark.parametrize(
    "place", ["analytics.tracks", "userdata.person", "_turnout.loads", "", "x"]
)
def test_nothing_else_opens(filled: House, place: str) -> None:
    assert Recent(filled.warehouse).detail(place, "nobody's", NOW) is None


def test_what_came_of_a_sources_events_adds_up_by_hour_day_and_in_all(house: House) -> None:
    hour = NOW.replace(minute=0, tzinfo=None)
    columns = [column.name for column in layout.SOURCE_COUNTS.columns]
    rows = [
        ("web", hour, 10, 7, 2, 1),
        ("web", hour - timedelta(hours=23), 5, 5, 0, 0),
        ("web", hour - timedelta(hours=24), 100, 90, 0, 10),
        ("backend", hour - timedelta(days=3), 1, 1, 0, 0),
    ]
    put(house, layout.SOURCE_COUNTS, [dict(zip(columns, row, strict=True)) for row in rows])
    found = tallies(house.warehouse, now=NOW)
    assert found["web"].hour == Sum(10, 7, 2, 1)
    assert found["web"].day == Sum(15, 12, 2, 1)
    assert found["web"].all == Sum(115, 102, 2, 11)
    assert (found["web"].hours[0], found["web"].hours[-1]) == (5, 10)
    assert found["web"].last_at == NOW.replace(minute=0)
    assert found["backend"].day == Sum()
    for tally in found.values():
        for total in (tally.hour, tally.day, tally.all):
            assert total.received == total.stored + total.duplicates + total.rejected


def test_a_source_says_why_its_events_were_rejected(filled: House) -> None:
    assert reasons(filled.warehouse, "web", now=NOW) == [("missing_event", 1)]
    assert reasons(filled.warehouse, "backend", now=NOW) == []
