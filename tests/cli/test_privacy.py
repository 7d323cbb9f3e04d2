"""`turnout source forget` and `turnout source report`, as somebody types and reads them."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pyarrow as pa
import pytest
from typer.testing import CliRunner, Result

from turnout.cli import app
from turnout.config import load_config
from turnout.errors import NotFound
from turnout.warehouse import Column, Table, Type, open_warehouse

ALICE, BOB = "alice-q7Zp-9fK2xW", "bob-5hT1"
SETTINGS = """
[sources.app]
url = "postgresql://reader@127.0.0.1:1/app"
[sources.app.tables.person]
columns = ["uuid", "city"]
person = "uuid"
personal = { city = "known to everybody" }
[sources.app.tables.invoice]
columns = ["payer"]
treat = { payer = "keep" }
"""


def turnout(*words: str, home: Path, said: str = "") -> Result:
    """As typed, but in this process: starting one takes longer than all the work."""
    return CliRunner().invoke(app, ["source", *words, "--home", str(home)], input=said)


@pytest.fixture
def home(tmp_path: Path) -> Path:
    (tmp_path / "turnout.toml").write_text(SETTINGS)
    (tmp_path / "data").mkdir()
    tables = {"person": {"uuid": [ALICE, BOB], "city": ["York"] * 2}, "invoice": {"payer": [ALICE]}}
    warehouse = open_warehouse(load_config(tmp_path, {}))
    with warehouse.transaction() as transaction:
        for name, columns in tables.items():
            table = Table("userdata", name, tuple(Column(one, Type.TEXT) for one in columns))
            transaction.replace(table, pa.table(columns))
    warehouse.close()
    return tmp_path


def test_a_person_is_erased_and_where_they_still_stand_is_told(home: Path) -> None:
    planned = turnout("forget", ALICE, "--dry-run", home=home)
    assert planned.exit_code == 0, planned.stderr
    assert "1 rows of 1 copied tables" in planned.stdout
    assert "userdata.invoice.payer names them in 1 rows that would stay" in planned.stderr
    assert "name nobody by the selection: userdata.invoice" in planned.stdout
    done = turnout("forget", "-", "--yes", home=home, said=f"{ALICE}\n")
    assert done.exit_code == 1  # something is left
    assert "are erased. No copy brings them back" in done.stdout
    (home / "turnout.toml").write_text(SETTINGS.replace('treat = { payer = "keep" }', ""))
    settings = (home / "turnout.toml").read_text()
    (home / "turnout.toml").write_text(f'{settings}person = "payer"\n')
    again = turnout("forget", ALICE, "--yes", home=home)
    assert again.exit_code == 0, again.stderr
    for path in home.rglob("*"):
        assert not path.is_file() or ALICE.encode() not in path.read_bytes(), path


def test_forgetting_asks_first_and_knows_its_sources(home: Path) -> None:
    refused = turnout("forget", ALICE, home=home, said="n\n")
    assert refused.exit_code == 1  # `main` makes it 130
    assert "would be erased" in refused.stdout
    unknown = turnout("forget", ALICE, "--source", "billing", "--yes", home=home)
    assert isinstance(unknown.exception, NotFound)
    assert "no source 'billing'" in str(unknown.exception)


def test_the_report_is_read_or_handed_over(home: Path) -> None:
    text = turnout("report", home=home)
    assert text.exit_code == 0, text.stderr
    for said in ("person → userdata.person", "known to everybody", "GRANT SELECT", "not yet"):
        assert said in text.stdout
    lines = list(csv.DictReader(io.StringIO(turnout("report", "--format=csv", home=home).stdout)))
    assert [line["column"] for line in lines] == ["uuid", "city", "payer"]
    said = json.loads(turnout("report", "--format=json", "--source=app", home=home).stdout)
    assert said["sources"][0]["tables"][0]["leaving"][1]["reason"] == "known to everybody"
