"""The report tells what leaves, why and since when, and what stays, without asking the source."""

from __future__ import annotations

import csv
import hashlib
import io
import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from turnout.config import Config, Source, TableSelection
from turnout.sync.privacy.scan import Finding, record
from turnout.sync.privacy.suppressed import suppress
from turnout.sync.report import Report, as_csv, as_json, make_report
from turnout.sync.selection import selected_tables
from turnout.sync.source import Shape
from turnout.sync.state import TableState, write_states
from turnout.warehouse import Warehouse

AT = datetime(2026, 11, 1, 10, tzinfo=UTC)
NOW = datetime(2026, 11, 2, 12, 30, tzinfo=UTC)
PERSON = TableSelection(
    ["uuid", "email", "phone", "=memo"],
    person="uuid",
    history=True,
    where="country = 'DE'",
    treat={"phone": "hash:phone"},
    personal={"email": "support answers by it"},
)
SOURCE = Source(
    url="postgresql://reader:hunter2@db.example:5433/app",
    tables={"person": PERSON, "billing.invoice": TableSelection(["id"])},
)


@pytest.fixture
def config(tmp_path: Path) -> Config:
    (tmp_path / "turnout.toml").write_text("# said here\n")
    return Config(home=tmp_path, sources={"app": SOURCE})


@pytest.fixture
def report(config: Config, warehouse: Warehouse) -> Report:
    """After one copy of `person`; `billing.invoice` was never copied."""
    selected, _ = selected_tables("app", SOURCE)
    shape = Shape(
        "1", ("uuid",), {name: (n, "text", True) for n, name in enumerate(PERSON.columns)},
        ("password_hash", "notes"),
    )  # fmt: skip
    state = TableState(
        "app", "userdata", "person", "public", "full", shape=shape, rows=3, as_of=AT,
        copied_whole_at=AT,
    )  # fmt: skip
    with warehouse.transaction() as transaction:
        write_states(transaction, [state])
        found = [Finding("person", "=memo", "email", 0.25)]
        record(transaction, "app", selected, found, AT, whole=True)
    suppress(config.data_folder, ["somebody"])
    return make_report(config, warehouse, now=NOW)


def test_every_column_that_leaves_has_its_way_its_reason_and_its_day(report: Report) -> None:
    (source,) = report.sources
    person, invoice = source.tables
    assert [(c.column, c.treatment, c.reason, c.since) for c in person.leaving] == [
        ("uuid", "keep", None, AT),
        ("email", "keep", "support answers by it", AT),
        ("phone", "hash:phone", None, AT),
        ("=memo", "keep", None, AT),
    ]
    assert [column.looks for column in person.leaving][:2] == [None, "an e-mail address"]
    assert [(f.kind, f.share) for f in person.leaving[3].found] == [("e-mail addresses", 0.25)]
    assert (person.rows, person.where, person.person) == (3, "country = 'DE'", "uuid")
    assert invoice.leaving[0].since is None


def test_every_column_that_stays_is_named_once_a_copy_has_seen_it(report: Report) -> None:
    person, invoice = report.sources[0].tables
    assert person.staying == ("password_hash", "notes")
    assert invoice.staying is None


def test_it_says_when_it_was_made_and_from_what(report: Report, config: Config) -> None:
    assert report.made_at == NOW
    content = (config.home / "turnout.toml").read_bytes()
    assert report.origin.sha256 == hashlib.sha256(content).hexdigest()
    assert report.columns == 5
    assert report.sources[0].forgotten == 1


def test_the_rights_it_names_are_those_of_the_selection(report: Report) -> None:
    said = " ".join(report.sources[0].grants)
    assert '"email"' in said
    assert "reader" in said
    assert "password_hash" not in said


def test_no_face_of_it_holds_a_password(report: Report) -> None:
    assert report.sources[0].place == "postgresql://db.example:5433/app"
    for face in (as_json(report).decode(), as_csv(report)):
        assert "hunter2" not in face


def test_a_source_that_is_filled_from_files_needs_no_rights(
    config: Config, warehouse: Warehouse
) -> None:
    source = Source(url="file:", tables={"company": TableSelection(["uuid"])})
    told = make_report(Config(home=config.home, sources={"old": source}), warehouse, now=NOW)
    assert (told.sources[0].place, told.sources[0].grants) == ("files", ())


def test_json_holds_all_of_it(report: Report) -> None:
    said = json.loads(as_json(report))
    assert said["made_at"] == "2026-11-02T12:30:00Z"
    assert said["sources"][0]["tables"][0]["staying"] == ["password_hash", "notes"]


def test_csv_has_a_line_for_each_column_and_no_formula(report: Report) -> None:
    lines = list(csv.DictReader(io.StringIO(as_csv(report))))
    assert [(line["table"], line["column"], line["leaves"]) for line in lines] == [
        ("person", "uuid", "yes"),
        ("person", "email", "yes"),
        ("person", "phone", "yes"),
        ("person", "'=memo", "yes"),
        ("person", "password_hash", "no"),
        ("person", "notes", "no"),
        ("billing.invoice", "id", "yes"),
    ]
    assert lines[3]["findings"] == "25.0% look like e-mail addresses"
    assert lines[1]["reason"] == "support answers by it"
    assert {line["settings_sha256"] for line in lines} == {report.origin.sha256}


def test_before_the_first_copy_it_is_told_all_the_same(
    config: Config, warehouse: Warehouse
) -> None:
    report = make_report(config, warehouse, now=NOW)
    assert report.columns == 5
    assert make_report(config, warehouse, now=NOW, only="other").sources == ()


def test_a_column_taken_out_of_the_selection_stays_from_then_on(
    report: Report, config: Config, warehouse: Warehouse
) -> None:
    without = TableSelection(["uuid", "email", "phone"], treat=PERSON.treat)
    source = Source(url=SOURCE.url, tables={"person": without})
    later = make_report(Config(home=config.home, sources={"app": source}), warehouse, now=NOW)
    (person,) = later.sources[0].tables
    assert person.staying == ("password_hash", "notes", "=memo")
    assert person.leaving[1].since is None  # the reason it left for is gone
