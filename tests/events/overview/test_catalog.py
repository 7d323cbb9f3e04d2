"""What is being sent, counted without reading it all again each time."""

from __future__ import annotations

import re
from datetime import date, timedelta
from pathlib import Path

import pytest

from tests.events.house import House
from tests.events.overview.test_recent import NOW, TRACKS, call, put, track
from turnout.events import layout
from turnout.events.loading.expression import BAD_TIMESTAMP, INEXACT, NAME_TAKEN, REASONS
from turnout.events.overview import advice
from turnout.events.overview.catalog import Catalog, Contents
from turnout.events.overview.properties import Properties
from turnout.warehouse import Column, Table, Type

TODAY = NOW.date()
DAY_S = 86_400
SIGNED_UP = Table(
    "analytics",
    "signed_up",
    (
        *layout.EVENT_COLUMNS,
        Column("plan", Type.TEXT),
        Column("seats", Type.INTEGER),
        Column("context_ip", Type.TEXT),
    ),
)


def at(row: dict[str, object]) -> dict[str, object]:
    """The row with the time of its event."""
    return {**row, "timestamp": row["received_at"]}


@pytest.fixture
def catalog(house: House) -> Catalog:
    return Catalog(house.warehouse)


def counted(contents: Contents) -> dict[str, int]:
    return {kind.key: kind.count for kind in contents.kinds}


def test_each_event_has_its_name_count_times_and_days(house: House, catalog: Catalog) -> None:
    put(house, SIGNED_UP, [])
    put(
        house,
        TRACKS,
        [
            at(track("1", "Signed Up", age_s=40 * DAY_S)),
            at(track("2", "Signed Up", age_s=DAY_S)),
            at(track("3", "Signed Up")),
            at({**track("4", "Ünïque"), "event": "event_1234"}),
        ],
    )
    first, second = catalog.read(today=TODAY).kinds
    assert (first.name, first.key, first.type) == ("Signed Up", "signed_up", "track")
    assert (first.count, first.days_total) == (3, 2)
    assert first.days == [*[0] * 28, 1, 1]
    assert first.first_at == NOW - timedelta(days=40)
    assert first.last_at == NOW
    assert first.table is not None
    assert (second.name, second.key, second.table) == ("Ünïque", "event_1234", None)


def test_a_later_look_adds_what_was_loaded_since(house: House, catalog: Catalog) -> None:
    put(house, TRACKS, [at(track("1", "Signed Up", age_s=60))])
    before = catalog.read(today=TODAY)
    assert catalog.read(today=TODAY) is before
    put(house, TRACKS, [at(track("2", "Signed Up")), at(track("3", "Invoice Paid"))])
    after = catalog.read(today=TODAY)
    assert counted(after) == {"signed_up": 2, "invoice_paid": 1}
    assert after.kinds[0].days[-1] == 2


def test_rows_that_were_forgotten_are_counted_no_more(house: House, catalog: Catalog) -> None:
    put(house, TRACKS, [at(track(str(n), "Signed Up", age_s=n)) for n in range(10)])
    assert counted(catalog.read(today=TODAY)) == {"signed_up": 10}
    with house.warehouse.transaction() as transaction:
        transaction.execute("DELETE FROM analytics.tracks WHERE id IN ('3', '4')")
    assert counted(catalog.read(today=TODAY)) == {"signed_up": 8}


def test_days_move_on_with_the_day(house: House, catalog: Catalog) -> None:
    put(house, TRACKS, [at(track("1", "Signed Up"))])
    assert catalog.read(today=TODAY).kinds[0].days[-1] == 1
    tomorrow = catalog.read(today=TODAY + timedelta(days=1)).kinds[0]
    assert tomorrow.days[-2:] == [1, 0]


def test_calls_people_misfits_and_notices_are_there(house: House, catalog: Catalog) -> None:
    pages = Table("analytics", "pages", layout.OWN_COLUMNS["pages"])
    put(house, pages, [at(call("1", name="Start"))])
    put(
        house,
        Table("analytics", "users", layout.OWN_COLUMNS["users"]),
        [{"id": "alice"}, {"id": "bob"}],
    )
    put(
        house,
        layout.DISCARDS,
        [{"table_name": "analytics.pages", "received_at": NOW.replace(tzinfo=None)}],
    )
    put(
        house,
        layout.NOTICES,
        [
            {"subject": "analytics.pages", "reason": "columns", "sentence": "Too many columns."},
            {"subject": "analytics", "reason": "tables", "sentence": "Too many events."},
        ],
    )
    contents = catalog.read(today=TODAY)
    (kind,) = contents.kinds
    assert (kind.type, kind.key, kind.discarded) == ("page", "pages", 1)
    assert list(kind.notices) == ["Too many columns."]
    assert list(contents.notices) == ["Too many events."]
    assert {(one.table.name, one.rows) for one in contents.people} == {
        ("accounts", 0),
        ("users", 2),
    }


def test_nothing_is_sent_yet(catalog: Catalog) -> None:
    assert catalog.read(today=TODAY).kinds == []


def test_a_property_says_its_type_share_times_and_a_value(house: House) -> None:
    put(
        house,
        SIGNED_UP,
        [
            track("1", "Signed Up", age_s=600, plan="free", seats=3, context_ip="203.0.113.0"),
            track("2", "Signed Up", age_s=60, plan="pro"),
            track("3", "Signed Up"),
        ],
    )
    found = Properties(house.warehouse).describe(SIGNED_UP, [3], today=TODAY)
    plan, seats = found.properties
    assert found.rows == 3
    assert (plan.name, plan.type, plan.filled, plan.example) == ("plan", Type.TEXT, 2, "pro")
    assert plan.first_at == NOW - timedelta(seconds=600)
    assert plan.last_at == NOW - timedelta(seconds=60)
    assert (seats.filled, seats.example) == (1, "3")
    assert [one.name for one in found.context] == ["context_ip"]
    assert found.since is None


def test_a_property_counts_on_and_begins_anew_when_rows_have_gone(house: House) -> None:
    properties = Properties(house.warehouse)
    put(house, SIGNED_UP, [track("1", "Signed Up", age_s=60, plan="pro")])
    assert properties.describe(SIGNED_UP, [1], today=TODAY).properties[0].filled == 1
    put(house, SIGNED_UP, [track("2", "Signed Up", plan="free")])
    assert properties.describe(SIGNED_UP, [2], today=TODAY).properties[0].filled == 2
    with house.warehouse.transaction() as transaction:
        transaction.execute("DELETE FROM analytics.signed_up WHERE id = '1'")
    assert properties.describe(SIGNED_UP, [1], today=TODAY).properties[0].filled == 1


def test_misfits_are_told_by_their_property(house: House) -> None:
    put(house, SIGNED_UP, [track("1", "Signed Up", plan="pro")])
    at_ = NOW.replace(tzinfo=None)
    row = {"table_name": "analytics.signed_up", "received_at": at_, "column_value": "many"}
    put(
        house,
        layout.DISCARDS,
        [
            {**row, "column_name": "seats", "reason": "not_an_integer"},
            {**row, "column_name": "seats", "reason": "not_an_integer"},
            {**row, "column_name": "timestamp", "reason": "bad_timestamp"},
        ],
    )
    found = Properties(house.warehouse).describe(SIGNED_UP, [1], today=TODAY)
    (misfit,) = found.properties[1].misfits
    assert (misfit.count, misfit.reason, misfit.example) == (2, "not_an_integer", "many")
    assert list(found.homeless) == ["timestamp"]


def test_of_a_table_too_large_only_the_last_days_are_looked_at_and_that_is_said(
    house: House,
) -> None:
    put(
        house,
        SIGNED_UP,
        [track(str(n), "Signed Up", age_s=n * DAY_S, plan="pro") for n in range(20)],
    )
    small = Properties(house.warehouse, cells_max=15)
    found = small.describe(SIGNED_UP, [1] * 20, today=TODAY)
    assert found.since == date(2026, 11, 16)
    assert found.rows == 6


def test_every_reason_has_its_advice() -> None:
    page = (Path(__file__).parents[3] / "docs/events.md").read_text()
    table = page.partition("| reason | when |")[2].partition("\n\n")[0]
    for line in table.splitlines()[2:]:
        for reason in re.findall(r"`(\w+)`", line.split("|")[1]):
            assert advice.for_rejected(reason) != advice.UNKNOWN, reason
    for reason in (*REASONS.values(), INEXACT, NAME_TAKEN, BAD_TIMESTAMP):
        assert advice.for_discarded(reason) != advice.UNKNOWN, reason
    assert advice.for_rejected("of another version") == advice.UNKNOWN
