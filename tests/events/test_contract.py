"""What stands in the warehouse: values, conflicts and limits, whatever was sent."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from tests.events.house import House
from turnout.events import naming

AT = "2026-03-04T10:20:30.000Z"


def track(id_: str, properties: dict[str, Any] | None = None, **members: Any) -> dict[str, Any]:
    return {
        "type": "track",
        "event": "Bought",
        "userId": "alice",
        "messageId": id_,
        "properties": properties or {},
        **members,
    }


# The dbt package `segment` reads these of its page views.
CAMPAIGN = ("source", "medium", "term", "content", "name")
PAGE = ("url", "path", "title", "search", "referrer")
IDS = ("id", "anonymous_id", "user_id")
PAGE_COLUMNS = [
    *IDS,
    *("received_at", "sent_at", "timestamp"),
    *PAGE,
    *(f"context_campaign_{name}" for name in CAMPAIGN),
    *("context_ip", "context_user_agent"),
]


def test_pages_have_every_column_that_the_dbt_package_reads(house: House) -> None:
    page = {name: name for name in PAGE}
    campaign = {name: name for name in CAMPAIGN}
    context = {"page": page, "campaign": campaign, "ip": "10.0.0.1", "userAgent": "Browser"}
    house.receive(
        {"type": "page", "anonymousId": "x", "name": "Home", "properties": page, "context": context}
    )
    house.load()
    row = house.row(f"SELECT {', '.join(PAGE_COLUMNS)} FROM analytics.pages")
    assert all(row[name] is not None for name in PAGE_COLUMNS if name not in ("user_id", "sent_at"))


def test_a_name_said_twice_is_no_conflict_and_one_that_differs_is_rescued(house: House) -> None:
    for id_, inside in (("a", "Home"), ("b", "Start")):
        house.receive(
            {
                "type": "page",
                "anonymousId": "x",
                "messageId": id_,
                "name": "Home",
                "properties": {"name": inside},
            }
        )
    house.load()
    assert house.rows("SELECT name, _rescued FROM analytics.pages ORDER BY id") == [
        {"name": "Home", "_rescued": None},
        {"name": "Home", "_rescued": '{"name":"Start"}'},
    ]


@pytest.mark.parametrize("together", [True, False])
def test_of_many_spellings_of_one_column_none_is_lost(house: House, together: bool) -> None:
    events = [
        track("a", {"first_name": "A", "firstName": "B", "First Name": "C"}),
        track("b", {"firstName": "B", "First Name": "C"}),
        track("c", {"First Name": "C"}),
    ]
    for some in [events] if together else [[event] for event in events]:
        house.receive(*some)
        house.load()
    rows = house.rows("SELECT first_name, _rescued FROM analytics.bought ORDER BY id")
    kept = [{row["first_name"], *json.loads(row["_rescued"] or "{}").values()} for row in rows]
    assert kept == [{"A", "B", "C"}, {"B", "C"}, {"C"}]


@pytest.mark.parametrize("together", [True, False])
def test_keys_that_differ_in_case_only_keep_their_values(house: House, together: bool) -> None:
    events = [track("a", {"AB": 1, "ab": 2}), track("b", {"Ab": 3, "": 4, " ": 5})]
    for some in [events] if together else [[event] for event in events]:
        house.receive(*some)
        house.load()
    for row in house.rows("SELECT * FROM analytics.bought"):
        event = next(each for each in events if each["messageId"] == row["id"])
        rescued = json.loads(row["_rescued"] or "{}")
        kept = {value for value in row.values() if isinstance(value, int)} | {*rescued.values()}
        assert kept == set(event["properties"].values())


def test_a_column_of_exact_numbers_is_not_widened(house: House) -> None:
    large = 2**60 + 1
    house.receive(track("a", {"n": large, "m": 1}))
    house.load()
    house.receive(track("b", {"n": 2.5, "m": 2.5}), track("c", {"n": 7, "m": 7}))
    load = house.load()
    assert (load.stored, load.rejected) == (2, 0)
    types = house.types("bought")
    assert (types["n"], types["m"]) == ("integer", "float")
    assert house.rows("SELECT n, m, _rescued FROM analytics.bought ORDER BY id") == [
        {"n": large, "m": 1.0, "_rescued": None},
        {"n": None, "m": 2.5, "_rescued": '{"n":2.5}'},
        {"n": 7, "m": 7.0, "_rescued": None},
    ]
    assert house.value("SELECT column_value FROM _turnout.discards") == "2.5"


TIMES: list[tuple[str, str | None]] = [
    ("0001-01-01T00:00:00+02:00", None),
    ("0001-01-01T00:00:00-02:00", "0001-01-01T02:00:00"),
    ("9999-12-31T23:59:59-02:00", None),
    ("9999-12-31T23:59:59+02:00", "9999-12-31T21:59:59"),
    ("9999-12-31T24:00:00Z", None),
    ("2026-03-04T10:20:30.123456+00:00", "2026-03-04T10:20:30.123456"),
    ("2026-03-04", "2026-03-04T00:00:00"),
    ("2026-03-04T10:20:30 BCZ", None),
]


@pytest.mark.parametrize(("sent", "stored"), TIMES)
def test_a_time_outside_the_years_there_are_is_no_time(
    house: House, sent: str, stored: str | None
) -> None:
    house.receive(track("a", {"on": sent}, timestamp=sent), received_at=AT)
    house.load()
    row = house.row("SELECT _on, original_timestamp, timestamp FROM analytics.bought")
    if stored is None:
        assert (row["_on"], row["original_timestamp"]) == (sent, None)
    else:
        time = datetime.fromisoformat(stored)
        assert (row["_on"], row["original_timestamp"], row["timestamp"]) == (time, time, time)


@pytest.mark.parametrize("sent", ["0001-01-02T00:00:00Z", "9999-12-30T00:00:00Z"])
def test_a_clock_that_is_millennia_off_still_gives_a_time_that_can_be_read(
    house: House, sent: str
) -> None:
    original = "9999-12-31T00:00:00Z" if sent < "1" else "0001-01-01T00:00:00Z"
    house.receive(track("a", timestamp=original), received_at=AT, sentAt=sent)
    house.load()
    time = house.value("SELECT timestamp FROM analytics.bought")
    assert time == datetime.fromisoformat(original).replace(tzinfo=None)


def test_a_trait_set_to_null_is_forgotten_and_an_empty_text_is_a_value(house: House) -> None:
    for id_, traits in (
        ("a", {"plan": "pro", "city": "Rome", "age": 5}),
        ("b", {"plan": None, "city": "", "age": ""}),
    ):
        house.receive(
            {"type": "identify", "userId": "alice", "messageId": id_, "traits": traits},
            received_at=f"2026-03-04T10:20:3{'ab'.index(id_)}.000Z",
        )
        house.load()
    assert house.row("SELECT plan, city, age FROM analytics.users") == {
        "plan": None,
        "city": "",
        "age": 5,
    }


keys = st.sampled_from(["a", "A", "a b", "a_b", "aB", "ab", "", "é", "0", "order", "id"])
values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**65), 2**65)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.sampled_from(["", "5", "true", "x", "2026-03-04", "2026-03-04T10:00:00+01:00"]),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(keys, inner, max_size=3),
    max_leaves=6,
)


@given(st.lists(st.dictionaries(keys, values, max_size=5), min_size=1, max_size=8))
@settings(
    max_examples=12,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
    phases=[
        Phase.explicit,
        Phase.reuse,
        Phase.generate,
    ],  # each example is a house: too slow to shrink
)
def test_every_value_is_in_its_column_or_rescued(
    tmp_path_factory: pytest.TempPathFactory, sent: list[dict[str, Any]]
) -> None:
    house = House(tmp_path_factory.mktemp("any"))
    try:
        for half in (range(0, len(sent), 2), range(1, len(sent), 2)):
            house.receive(*[track(str(number), sent[number]) for number in half])
            if half:
                assert house.load().stored == len(half)
        for row in house.rows("SELECT * FROM analytics.bought"):
            assert lost(sent[int(row["id"])], row) == []
    finally:
        house.loader.close()
        house.warehouse.close()


def lost(properties: dict[str, Any], row: dict[str, Any]) -> list[Any]:
    """The values of an event that are neither in their column nor rescued."""
    rescued = json.loads(row["_rescued"] or "{}")
    return [
        (path, value)
        for path, value in leaves(properties, ())
        if not is_kept(value, row.get(naming.property_column(path)))
        and rescued.get(".".join(path), ...) != value
    ]


def leaves(value: Any, path: tuple[str, ...]) -> list[tuple[tuple[str, ...], Any]]:
    if isinstance(value, dict):
        return [found for key, inner in value.items() for found in leaves(inner, (*path, key))]
    return [(path, value)]


def is_kept(value: Any, stored: Any) -> bool:
    if value is None or value == "":
        return True
    if isinstance(stored, datetime):
        return isinstance(value, str) and time_of(value) == stored
    if isinstance(stored, str) and not isinstance(value, str):
        return spelled(stored) == json.dumps(value)
    if type(stored) is float and type(value) is int:
        return stored == value
    return type(stored) is type(value) and bool(stored == value)


def spelled(text: str) -> str:
    """JSON text as Python writes it; engines write the same floats differently."""
    try:
        return json.dumps(json.loads(text))
    except ValueError:
        return ""


def time_of(text: str) -> datetime:
    time = datetime.fromisoformat(text)
    return time.astimezone(UTC).replace(tzinfo=None) if time.tzinfo else time
