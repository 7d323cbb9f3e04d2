"""From a real server to the disk: treated on the way, and the forgotten do not come back."""

from __future__ import annotations

import base64
import hmac
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from turnout import sync
from turnout.access.secret import PRIVACY_FILE_NAME, secret_key
from turnout.clips.follower import Follower
from turnout.config import Config, Source, TableSelection
from turnout.errors import SourceRefused, TurnoutError
from turnout.events.loading.load import Loader
from turnout.jobs.desk import Desk
from turnout.sync.privacy.keyed import Keyed
from turnout.sync.privacy.suppressed import Suppressed
from turnout.warehouse import Warehouse
from turnout.warehouse.duckdb import DuckDB

SECRET = b"s" * 32
ALICE, BOB, CHARLIE = (f"00000000-0000-4000-8000-00000000000{number}" for number in (1, 2, 3))
TABLES = f"""
CREATE TABLE staff (
    uuid uuid PRIMARY KEY, email text, phone varchar(40), born date, seen_at timestamptz,
    salary numeric, bonus numeric(10, 2), seats int, memo text, changed_at timestamptz
);
INSERT INTO staff VALUES
    ('{ALICE}', ' Alice@ACME.example', '+1 (555) 0100', '1990-04-17', '2026-11-01 23:59:59+00',
     48250.50, 17.99, -3, 'q7Zp-alice', '2026-01-01'),
    ('{BOB}', NULL, '', NULL, NULL, NULL, NULL, NULL, NULL, '2026-01-02'),
    ('{CHARLIE}', 'alice@acme.example', '15550100', '1990-04-01', '2026-11-30', 48999, 99.99, 99,
     'fine', '2026-01-03');
"""
COLUMNS = [
    "uuid", "email", "phone", "born", "seen_at", "salary", "bonus", "seats", "memo", "changed_at",
]  # fmt: skip
TREAT = {
    "uuid": "hash",
    "email": "hash:email",
    "phone": "hash:phone",
    "born": "bucket:month",
    "seen_at": "bucket:year",
    "salary": "bucket:1000",
    "bonus": "bucket:50",
    "seats": "bucket:10",
    "memo": "mask",
}


@pytest.fixture
def staff(company: Any) -> Any:
    company.run(TABLES)
    company.run(f"GRANT SELECT ON staff TO {company.reader}")
    return company


def source_of(staff: Any, columns: list[str], **said: Any) -> Source:
    selection = TableSelection(columns, **said)
    url = staff.follower_url(staff.reader)
    return Source(url=url, tables={"staff": selection}, retries=0)


def hashed(value: str) -> str:
    digest = hmac.new(SECRET, value.encode(), "sha256").digest()
    return f"k{Keyed(SECRET).id}:{base64.b64encode(digest).decode()}"


def test_what_lands_is_treated_and_nothing_else_is_on_the_disk(staff: Any, tmp_path: Path) -> None:
    warehouse = DuckDB(tmp_path / "w.duckdb", memory_bytes_max=512 * 1024**2, threads=2)
    source = source_of(staff, COLUMNS[:-1], treat=TREAT)
    sync.copy("app", source, warehouse, secret=SECRET)
    rows = warehouse.query("SELECT * FROM userdata.staff").to_pylist()
    found = {row["uuid"]: row for row in rows}
    assert set(found) == {hashed(ALICE), hashed(BOB), hashed(CHARLIE)}
    alice, charlie = found[hashed(ALICE)], found[hashed(CHARLIE)]
    assert alice["email"] == charlie["email"] == hashed("alice@acme.example")
    assert alice["phone"] == charlie["phone"] == hashed("15550100")
    assert alice["born"] == charlie["born"] == date(1990, 4, 1)
    assert alice["seen_at"] == date(2026, 1, 1)
    assert (alice["salary"], alice["bonus"], alice["seats"]) == (48000, 0, -10)
    assert (charlie["salary"], charlie["bonus"], charlie["seats"]) == (48000, 50, 90)
    assert alice["memo"] == "q•••"
    assert set(list(found[hashed(BOB)].values())[1:]) == {None}
    warehouse.close()
    kept = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
    assert hashed(ALICE).encode() in kept
    for value in (ALICE, "Alice@ACME", "alice@acme", "555) 0100", "15550100", "q7Zp-alice"):
        assert value.encode() not in kept


def test_another_treatment_and_another_key_leave_nothing_of_before(
    staff: Any, warehouse: Warehouse
) -> None:
    said: dict[str, Any] = {"mode": "cursor", "cursor": "changed_at", "history": True}
    columns = ["uuid", "memo", "changed_at"]
    for treat, secret in [({}, SECRET), ({"memo": "hash"}, SECRET), ({"memo": "hash"}, bytes(32))]:
        source = source_of(staff, columns, treat=treat, **said)
        sync.copy("app", source, warehouse, secret=secret)
        for table in ("staff", "staff_history"):
            memos = warehouse.query(f"SELECT memo FROM userdata.{table}")["memo"].to_pylist()
            known = {memo for memo in memos if memo is not None}
            id_ = f"k{Keyed(secret).id}:"
            assert all(memo.startswith(id_) == bool(treat) for memo in known), table


def test_a_column_that_is_not_selected_any_more_leaves_the_history_too(
    staff: Any, warehouse: Warehouse
) -> None:
    for columns in (["uuid", "memo", "seats"], ["uuid", "seats"]):
        source = source_of(staff, columns, history=True)
        sync.copy("app", source, warehouse, secret=SECRET)
    for table in warehouse.tables("userdata"):
        assert table.column("memo") is None, table.name


def test_what_looks_personal_after_all_is_told_and_can_be_stopped(
    staff: Any, warehouse: Warehouse
) -> None:
    source = source_of(staff, ["uuid", "memo"])
    sync.copy("app", source, warehouse, secret=SECRET)
    staff.run("UPDATE staff SET memo = 'write to bob@acme.example'")
    stopping = source_of(staff, ["uuid", "memo"], on_found="stop")
    with pytest.raises(SourceRefused) as refused:
        sync.copy("app", stopping, warehouse, secret=SECRET)
    assert "staff.memo look like: e-mail addresses" in str(refused.value)
    assert "bob@" not in str(refused.value)
    memos = warehouse.query("SELECT memo FROM userdata.staff WHERE memo = 'fine'")
    assert memos.num_rows == 1
    sync.copy("app", source, warehouse, secret=SECRET)
    (found,) = warehouse.query("SELECT * FROM _turnout.sync_findings").to_pylist()
    assert (found["column_name"], found["kind"], found["share"]) == ("memo", "email", 1.0)
    staff.run("UPDATE staff SET memo = ''")
    sync.copy("app", source, warehouse, secret=SECRET)
    assert warehouse.query("SELECT * FROM _turnout.sync_findings").num_rows == 0


@pytest.mark.parametrize(
    "said",
    [
        {"treat": {"memo": "bucket:100"}},
        {"treat": {"memo": "bucket:month"}},
        {"where": "memo::int > 3"},
        {"where": "1 / length(memo) > 0 OR memo::uuid IS NULL"},
    ],
)
def test_errors_and_state_tell_no_value(
    staff: Any, warehouse: Warehouse, said: dict[str, Any]
) -> None:
    with pytest.raises(TurnoutError) as refused:
        sync.copy("app", source_of(staff, ["uuid", "memo"], **said), warehouse, secret=SECRET)
    rows = [
        warehouse.query(f"SELECT * FROM _turnout.{table.name}").to_pylist()
        for table in warehouse.tables("_turnout")
    ]
    told = f"{refused.value} {rows}"
    assert "staff" in told
    assert "q7Zp" not in told
    assert ALICE not in told


def test_a_look_says_beforehand_what_would_be_refused(staff: Any) -> None:
    said = sync.check("app", source_of(staff, ["uuid", "seats"], treat={"seats": "mask"}))
    assert any("staff.seats" in sentence for sentence in said)
    said = sync.check("app", source_of(staff, ["uuid", "email"]))
    assert any("staff.email looks personal" in sentence for sentence in said)
    assert not any("personal" in one for one in sync.check("app", source_of(staff, ["uuid"])))


class Office:
    """A home folder with its desk, which copies one real source."""

    def __init__(self, home: Path, source: Source) -> None:
        self.config = Config(home=home, sources={"app": source})
        path = self.config.warehouse_file
        self.warehouse = DuckDB(path, memory_bytes_max=512 * 1024**2, threads=2)
        self.config.journal_folder.mkdir(parents=True)
        self.loader = Loader(self.config.journal_folder, self.warehouse)
        follower = Follower(self.config.follower_folder, self.warehouse)
        self.desk = Desk(self.config, self.warehouse, self.loader, follower, {})
        self.secret = secret_key(self.config.data_folder, PRIVACY_FILE_NAME)

    def copy(self, **said: Any) -> sync.Run:
        source = self.config.sources["app"]
        listed = Suppressed(self.config.data_folder, "app")
        return sync.copy(
            "app", source, self.warehouse, secret=self.secret, suppressed=listed, **said
        )

    def forget(self, person: str) -> dict[str, Any]:
        report = self.desk.do("source forget", {"people": [person]}, lambda *_: None)
        return dict(report.result["receipt"])

    def people(self, table: str) -> list[str]:
        sql = f"SELECT DISTINCT uuid FROM userdata.{table} ORDER BY uuid"
        return [str(value) for value in self.warehouse.query(sql)["uuid"].to_pylist()]

    def close(self) -> None:
        self.loader.close()
        self.warehouse.close()


BY_CURSOR: dict[str, Any] = {"mode": "cursor", "cursor": "changed_at", "deletes": "keys"}
MODES: dict[str, dict[str, Any]] = {
    "full": {"mode": "full"},
    "by cursor, hashed": BY_CURSOR | {"treat": {"uuid": "hash"}},
}


@pytest.fixture(params=MODES)
def office(staff: Any, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Office]:
    said = {"person": "uuid", "history": True, "shrink": True} | MODES[request.param]
    source = source_of(staff, ["uuid", "memo", "changed_at"], **said)
    office = Office(tmp_path / "home", source)
    yield office
    office.close()


def test_no_later_copy_brings_the_forgotten_back(office: Office, staff: Any) -> None:
    office.copy()
    receipt = office.forget(ALICE)
    assert receipt["warehouse"] == {"userdata.staff": 1, "userdata.staff_history": 1}
    others = office.people("staff")
    assert len(others) == 2
    staff.run(f"UPDATE staff SET memo = 'q7Zp again', changed_at = now() WHERE uuid = '{ALICE}'")
    for said in ({}, {"whole": True}):
        office.copy(**said)
        assert office.people("staff") == office.people("staff_history") == others
    staff.run(f"DELETE FROM staff WHERE uuid = '{BOB}'")
    office.copy()
    assert len(office.people("staff")) == 1
    hashed = Keyed(office.secret).named(ALICE)
    office.close()
    files = [path for path in office.config.home.rglob("*") if path.is_file()]
    assert files
    for path in files:
        content = path.read_bytes()
        for value in (ALICE, hashed, "q7Zp-alice", "q7Zp again"):
            assert value.encode() not in content, path


def test_versions_of_a_row_deleted_at_the_source_are_kept_or_erased_as_asked(
    staff: Any, tmp_path: Path
) -> None:
    for word in ("keep", "erase"):
        said = {"history": True, "deleted_history": word, "shrink": True}
        office = Office(tmp_path / word, source_of(staff, ["uuid", "memo"], **said))
        office.copy()
        staff.run(f"DELETE FROM staff WHERE uuid = '{BOB}'")
        office.copy()
        assert BOB not in office.people("staff")
        assert (BOB in office.people("staff_history")) == (word == "keep")
        staff.run(f"INSERT INTO staff (uuid) VALUES ('{BOB}')")
        office.close()
