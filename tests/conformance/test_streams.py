"""Whatever tables there are, whatever happens to them and to us: copies are what was committed.

An example per mode here; `python -m tests.conformance.streams 200` plays so many, with crashes
of the server among them.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from psycopg import sql

from tests.conformance.streams.campaign import Campaign, Copier, prepare
from tests.conformance.streams.changes import FAILURES, Batch, batches
from tests.conformance.streams.tables import KEYS, Table, tables
from tests.conformance.test_sources import POSTGRES
from turnout.demo.cluster import Cluster
from turnout.sync.postgres.slot import PAGE_BYTES, read_slot, write_out

EXAMPLES = int(os.environ.get("TURNOUT_TEST_STREAMS", "1"))
IS_LONG = "TURNOUT_TEST_STREAMS" in os.environ
DATABASE = "streams"
MODES = ("full", "cursor", "xmin", "log")
FROM_FOLLOWERS = ("full", "xmin")
BRIEF = settings(
    max_examples=EXAMPLES,
    deadline=None,
    # To make a failing example smaller would take many minutes.
    phases=(Phase.explicit, Phase.reuse, Phase.generate),
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


@pytest.fixture(scope="module")
def database(cluster: Cluster) -> Iterator[str]:
    prepare(cluster, DATABASE)
    yield DATABASE
    with cluster.connect("postgres") as connection:
        connection.execute(f"DROP DATABASE {DATABASE} WITH (FORCE)")


@pytest.fixture(scope="module")
def copier() -> Iterator[Copier]:
    copier = Copier()
    yield copier
    copier.close()


@pytest.mark.parametrize("mode", MODES)
@BRIEF
@given(data=st.data())
def test_copies_are_what_was_committed(
    *,
    cluster: Cluster,
    database: str,
    copier: Copier,
    tmp_path: Path,
    mode: str,
    data: st.DataObject,
) -> None:
    made = data.draw(tables())
    happening = data.draw(
        batches(failures=(*FAILURES, "crash"), count_max=8) if IS_LONG else batches()
    )
    # What others have begun to write, and the log without a slot of its own, only a leader shows.
    from_follower = mode in FROM_FOLLOWERS and data.draw(st.booleans())
    campaign = Campaign(cluster, database, copier, tmp_path, mode, from_follower=from_follower)
    campaign.play(made, happening)


def test_every_type_survives_a_crash_of_the_server_while_its_changes_are_captured(
    cluster: Cluster, database: str, copier: Copier, tmp_path: Path
) -> None:
    columns = tuple((f"column {number}", kind) for number, kind in enumerate(POSTGRES))
    table = Table("public", "every type", (("id", KEYS[0]),), columns)
    happening = [
        Batch((1, 2, 3), is_left_open=False, failure="none", step=0),
        Batch((4, 5, 6), is_left_open=False, failure="crash", step=1),
        Batch((7, 8), is_left_open=True, failure="kill", step=2),
    ]
    Campaign(cluster, database, copier, tmp_path, "log").play([table], happening)


def test_the_log_is_written_to_the_end_of_a_record_before_it_is_read(
    cluster: Cluster, database: str
) -> None:
    """Else whoever reads it waits for a transaction that wrote over the end of a page."""
    flushed = sql.SQL("SELECT pg_current_wal_flush_lsn() - '0/0'::pg_lsn")
    deadline = time.monotonic() + 60
    with cluster.connect(database) as connection, cluster.connect(database) as other:
        other.execute("CREATE TABLE written (text text)")
        with other.transaction():
            while (position := int(connection.execute(flushed).fetchall()[0][0])) % PAGE_BYTES:
                # What is not committed is written page by page, a moment later.
                other.execute("INSERT INTO written VALUES (repeat('x', 1900))")
                assert time.monotonic() < deadline
            now = replace(read_slot(connection, "none"), flushed=position)
            write_out(connection, now)
            # The server itself does so every 15 seconds.
            deadline = time.monotonic() + 5
            while int(connection.execute(flushed).fetchall()[0][0]) == position:
                assert time.monotonic() < deadline
        other.execute("DROP TABLE written")
