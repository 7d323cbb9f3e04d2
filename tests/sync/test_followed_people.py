"""While changes are followed: they are treated, the forgotten stay away, and findings are told."""

from __future__ import annotations

from typing import Any

import pytest

from tests.sync.followed import SECRET, Followed
from turnout import sync
from turnout.config import TableSelection
from turnout.demo.cluster import Cluster
from turnout.sync.forget import Forgetting
from turnout.sync.privacy.keyed import Keyed
from turnout.sync.privacy.suppressed import Suppressed, suppress
from turnout.warehouse import Warehouse

ALICE, BOB, CHARLIE = "alice-q7Zp", "bob-5hT1", "charlie-x2"
STAFF = TableSelection(
    ["id", "person", "memo", "seats"],
    mode="log",
    person="person",
    history=True,
    treat={"person": "hash", "seats": "bucket:10"},
)


@pytest.fixture
def followed(cluster: Cluster, database: str, company: Any, warehouse: Warehouse) -> Followed:
    """A table about people, prepared and not copied yet."""
    followed = Followed(cluster, database, company.reader, warehouse, {"staff": STAFF})
    followed.run(
        "CREATE TABLE staff (id int PRIMARY KEY, person text, memo text, seats int)",
        f"INSERT INTO staff VALUES (1, '{ALICE}', 'x', 19), (2, '{BOB}', 'y', 21)",
    )
    followed.prepare()
    return followed


def test_changes_are_treated_and_the_forgotten_stay_away(followed: Followed, tmp_path: Any) -> None:
    listed = Suppressed(tmp_path, followed.name)
    capturing = sync.Capturing(
        followed.name, followed.source, followed.warehouse, secret=SECRET, suppressed=listed
    )
    capturing.once()
    named = Keyed(SECRET).named
    suppress(tmp_path, [ALICE])
    sources = {followed.name: followed.source}
    forgetting = Forgetting(sources, followed.warehouse, SECRET, [ALICE])
    with followed.warehouse.transaction() as transaction:
        gone = forgetting.erase(transaction)
    assert gone == {"userdata.staff": 1, "userdata.staff_history": 1}
    followed.run(
        "UPDATE staff SET memo = 'again' WHERE id = 1",
        f"INSERT INTO staff VALUES (3, '{CHARLIE}', 'bob@acme.example', 5), (4, '{ALICE}', '', 1)",
        # What was Bob's is now hers: nobody's any more, here.
        f"UPDATE staff SET person = '{ALICE}' WHERE id = 2",
    )
    capturing.once()
    assert followed.rows("*", "staff") == [
        {"id": 3, "person": named(CHARLIE), "memo": "bob@acme.example", "seats": 0}
    ]
    versions = followed.rows("DISTINCT person", "staff_history")
    assert {row["person"] for row in versions} == {named(BOB), named(CHARLIE)}
    found = followed.warehouse.query("SELECT column_name, kind FROM _turnout.sync_findings")
    assert found.to_pylist() == [{"column_name": "memo", "kind": "email"}]
    capturing.close()
