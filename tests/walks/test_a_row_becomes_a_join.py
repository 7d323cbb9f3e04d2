"""From a row of the company's database to a join that a stranger reads, while servers die."""

import json
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import psutil
import pytest

from tests.running import Turnout, answer, eventually
from turnout.access.people import People
from turnout.demo.cluster import Cluster

ALICE = "00000000-0000-4000-8000-000000000001"
ACME = "00000000-0000-4000-8000-00000000000a"
TABLES = f"""
CREATE TABLE person (uuid uuid PRIMARY KEY, email text NOT NULL, full_name text NOT NULL);
CREATE TABLE companyperson (person_uuid uuid, company_uuid uuid, role_in_company text);
INSERT INTO person VALUES ('{ALICE}', 'alice@acme.example', 'Alice');
INSERT INTO companyperson VALUES ('{ALICE}', '{ACME}', 'admin');
GRANT SELECT (uuid) ON person TO reader;
GRANT SELECT ON companyperson TO reader;
"""
THE_JOIN = """
SELECT company_uuid
FROM userdata.companyperson AS userdata
INNER JOIN analytics.pressed_big_button AS analytics
ON userdata.person_uuid = analytics.user_id
"""


@pytest.fixture
def own_cluster(tmp_path: Path) -> Iterator[Cluster]:
    """A leader and a follower that a test may kill."""
    with Cluster(tmp_path / "postgres") as cluster:
        cluster.create_role("reader")
        with cluster.connect() as connection:
            connection.execute(TABLES)
        cluster.wait_replayed()
        yield cluster


@pytest.fixture
def turnout(tmp_path: Path, own_cluster: Cluster) -> Iterator[Turnout]:
    toml = f"""
        [sources.app]
        url = "{own_cluster.follower_url("reader")}"
        every_s = 1
        [sources.app.tables.person]
        columns = ["uuid"]
        [sources.app.tables.companyperson]
        columns = ["person_uuid", "company_uuid", "role_in_company"]
    """
    running = Turnout(tmp_path / "home", toml)
    yield running
    running.end()


def press(turnout: Turnout, message_id: str, user_id: str = ALICE) -> None:
    event = turnout.track(message_id, "Pressed Big Button") | {"userId": user_id}
    assert turnout.send([event]) == 200


def sync(turnout: Turnout) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "turnout", "sync", "--home", str(turnout.home)]
    return subprocess.run(command, check=False, capture_output=True, text=True, timeout=60)


def test_the_join_that_began_it_all_runs_as_written_and_reaches_a_stranger(
    turnout: Turnout, own_cluster: Cluster
) -> None:
    turnout.start()
    press(turnout, "first")
    # A user id that is no uuid is nobody's, and must not stop the query for everybody else.
    press(turnout, "second", user_id="visitor-7")
    said = sync(turnout)
    assert said.returncode == 0, said.stderr
    assert "rows of 2 tables" in said.stdout
    turnout.wait_loaded()
    with urllib.request.urlopen(turnout.clip(THE_JOIN) + ".csv") as response:
        assert response.read().decode() == f"company_uuid\r\n{ACME}\r\n"


def test_sync_copies_with_turnout_stopped_too(turnout: Turnout) -> None:
    said = sync(turnout)
    assert said.returncode == 0, said.stderr
    assert "rows of 2 tables" in said.stdout
    turnout.start()
    turnout.wait_loaded()
    assert turnout.rows("SELECT role_in_company FROM userdata.companyperson") == [["admin"]]


def test_what_is_not_selected_is_nowhere_in_the_home(turnout: Turnout) -> None:
    turnout.start()
    assert sync(turnout).returncode == 0
    turnout.wait_loaded()
    assert turnout.rows("SELECT * FROM userdata.person") == [[ALICE]]
    turnout.stop()
    for file in turnout.home.rglob("*"):
        if file.is_file():
            assert b"alice@acme.example" not in file.read_bytes(), file


def test_while_the_follower_is_gone_old_answers_stay_and_say_their_age(
    turnout: Turnout, own_cluster: Cluster
) -> None:
    turnout.start()
    press(turnout, "before")
    assert sync(turnout).returncode == 0
    turnout.wait_loaded()
    address = turnout.clip(THE_JOIN)
    before = json.loads(answer(urllib.request.Request(address + ".json"))[1])
    psutil.Process(own_cluster.follower_pid).kill()
    eventually("the follower is gone", lambda: sync(turnout).returncode == 1)
    press(turnout, "during")
    turnout.wait_loaded()
    assert turnout.rows("SELECT count(*) FROM analytics.pressed_big_button") == [[2]]
    during = eventually("the new press is counted", lambda: joined(address, 2))
    # The answer is as old as its oldest part: the copy made before the follower went.
    assert before["as_of"] <= during["as_of"] < during["ran_at"]
    failed = "SELECT count(*) > 0 FROM _turnout.sync_runs WHERE error IS NOT NULL"
    assert turnout.rows(failed) == [[True]]
    assert "the last try to copy again failed" in home_page(turnout)
    own_cluster.stop_follower()
    own_cluster.start_follower()
    eventually("copying goes on", lambda: sync(turnout).returncode == 0)


def test_a_killed_leader_and_follower_lose_no_event_and_no_row(
    turnout: Turnout, own_cluster: Cluster
) -> None:
    turnout.start()
    assert sync(turnout).returncode == 0
    pids = own_cluster.leader_pid, own_cluster.follower_pid
    for pid in pids:
        psutil.Process(pid).kill()
    for number in range(20):
        press(turnout, f"press-{number}")
    own_cluster.stop()
    own_cluster.start()
    eventually("copying goes on", lambda: sync(turnout).returncode == 0)
    turnout.wait_loaded()
    assert turnout.rows(f"SELECT count(*) FROM ({THE_JOIN})") == [[20]]


def joined(address: str, rows: int) -> dict[str, object] | None:
    body: dict[str, object] = json.loads(answer(urllib.request.Request(address + ".json"))[1])
    return body if body["row_count"] == rows else None


def home_page(turnout: Turnout) -> str:
    """The home page as its owner sees it."""
    people, now = People(turnout.state), datetime.now(UTC)
    owner = people.owner() or people.add("Alice", "owner", "a long enough password", now=now)
    cookie = f"turnout_session={people.open_session(owner, now=now)}"
    request = urllib.request.Request(f"{turnout.config.web.url}/", headers={"Cookie": cookie})
    return answer(request)[1].decode()
