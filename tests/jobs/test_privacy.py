"""Forgetting reaches copied tables, events, snapshots and answers, and no byte stays."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from tests.events.house import House
from turnout.access.secret import PRIVACY_FILE_NAME, secret_key
from turnout.clips.follower import Follower
from turnout.clips.shelf import clear
from turnout.config import Config, Source, TableSelection
from turnout.errors import NotFound
from turnout.jobs.desk import Desk
from turnout.sync.privacy.keyed import Keyed
from turnout.sync.privacy.suppressed import Suppressed
from turnout.warehouse import Column, Table, Type

ALICE, BOB = "alice-q7Zp-9fK2xW", "bob-5hT1"
# Other values of her rows: they go with them.
TOWN, ROLE = "Zzyzx-on-Sea", "queen of the q7Zp"


@dataclass
class Office:
    """A home folder whose warehouse holds a copied person and their events."""

    home: Path
    house: House
    desk: Desk
    config: Config

    def ask(self, **parameters: Any) -> Any:
        return self.desk.do("source forget", parameters, lambda *_: None)

    def close(self) -> None:
        self.house.loader.close()
        self.house.warehouse.close()

    def holding(self, *values: str) -> list[tuple[str, str]]:
        """The files of the home in which one of `values` stands."""
        return [
            (path.name, value)
            for path in self.home.rglob("*")
            if path.is_file()
            for value in values
            if value.encode() in path.read_bytes()
        ]


@pytest.fixture
def office(tmp_path: Path) -> Iterator[Office]:
    person = TableSelection(
        ["uuid", "city"], person="uuid", history=True, personal={"city": "known to everybody"}
    )
    membership = TableSelection(
        ["person_uuid", "role"], person="person_uuid", treat={"person_uuid": "hash"}
    )
    url = "postgresql://reader@127.0.0.1:1/app"
    sources = {
        "app": Source(url=url, tables={"person": person}),
        "crm": Source(url=url, tables={"membership": membership}, schema="crm"),
    }
    config = Config(home=tmp_path, sources=sources)
    house = House(config.data_folder)
    follower = Follower(config.follower_folder, house.warehouse)
    desk = Desk(config, house.warehouse, house.loader, follower, {})
    config.cache_folder.mkdir()
    desk.forget_answers = lambda: clear(config.cache_folder)
    office = Office(tmp_path, house, desk, config)
    fill(office)
    yield office
    office.close()


def fill(office: Office) -> None:
    keyed = Keyed(secret_key(office.config.data_folder, PRIVACY_FILE_NAME))
    rows = {
        ("userdata", "person"): {"uuid": [ALICE, BOB], "city": [TOWN, "York"]},
        ("userdata", "person_history"): {"uuid": [ALICE, BOB], "city": [TOWN, "Leeds"]},
        ("crm", "membership"): {
            "person_uuid": [keyed.named(ALICE), keyed.named(BOB)],
            "role": [ROLE, "admin"],
        },
    }
    with office.house.warehouse.transaction() as transaction:
        for (schema, name), columns in rows.items():
            table = Table(schema, name, tuple(Column(column, Type.TEXT) for column in columns))
            transaction.replace(table, pa.table(columns))
    track = {"type": "track", "event": "Pressed", "messageId": "m1"}
    office.house.receive(track | {"userId": ALICE}, track | {"userId": BOB, "messageId": "m2"})
    office.house.load()
    office.desk._follower.publish(now=datetime.now(UTC))
    (office.config.cache_folder / "answer.arrow").write_text(TOWN)


def test_no_byte_of_the_person_stays_in_the_home(office: Office) -> None:
    hashed = Keyed(secret_key(office.config.data_folder, PRIVACY_FILE_NAME)).named(ALICE)
    before = {name for name, _ in office.holding(ALICE, hashed, TOWN, ROLE)}
    assert {"warehouse.duckdb", "answer.arrow"} <= before
    report = office.ask(people=[ALICE])
    receipt = report.result["receipt"]
    assert receipt["warehouse"]["userdata.person"] == 1
    assert receipt["warehouse"]["userdata.person_history"] == 1
    assert receipt["warehouse"]["crm.membership"] == 1
    assert receipt["warehouse"]["analytics.tracks"] == 1
    assert receipt["journal"]["lines"] == 1
    assert receipt["left"] == {}
    assert json.loads(Path(report.result["path"]).read_text()) == receipt
    assert "No copy brings them back" in report.sentence
    office.close()
    assert office.holding(ALICE, hashed, TOWN, ROLE) == []
    assert {name for name, _ in office.holding(BOB)} >= {"warehouse.duckdb"}


def test_who_is_forgotten_is_on_the_list_of_every_source(office: Office) -> None:
    office.ask(people=[ALICE])
    for source in ("app", "crm", "one that comes later"):
        held = Suppressed(office.config.data_folder, source).holds(pa.array([ALICE, BOB]))
        assert held is not None
        assert held.to_pylist() == [True, False]


def test_in_one_source_only_its_tables_and_its_copies_change(office: Office) -> None:
    report = office.ask(people=[ALICE], source="crm")
    assert report.result["receipt"]["warehouse"] == {"crm.membership": 1}
    assert report.result["receipt"]["kept_out_of"] == "crm"
    assert "events were not looked at" in report.sentence
    assert Suppressed(office.config.data_folder, "app").holds(pa.array([ALICE])) is None
    assert office.house.value("SELECT count(*) FROM analytics.tracks") == 2
    with pytest.raises(NotFound, match="no source 'billing'"):
        office.ask(people=[ALICE], source="billing")


def test_a_plan_counts_and_changes_nothing(office: Office) -> None:
    plan = office.ask(people=[ALICE], is_plan=True)
    assert plan.result["warehouse"]["crm.membership"] == 1
    assert plan.result["journal"]["lines"] == 1
    assert not plan.changed
    assert office.house.value("SELECT count(*) FROM userdata.person") == 2
    assert Suppressed(office.config.data_folder, "app").holds(pa.array([ALICE])) is None


def test_done_again_it_erases_nothing_more_and_still_ends_well(office: Office) -> None:
    office.ask(people=[ALICE])
    again = office.ask(people=[ALICE])
    assert again.result["receipt"]["warehouse"] == {}
    assert again.erased
