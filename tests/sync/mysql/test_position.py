from __future__ import annotations

from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st
from pymysqlreplication.gtid import GtidSet

from turnout.sync.mysql.position import MariaDone, MySQLDone, Place, Position, count_of, done
from turnout.sync.source import Instant

SERVERS = [
    "3e11fa47-71ca-11e1-9e33-c80aa9429562",
    "3e11fa47-71ca-11e1-9e33-c80aa9429563",
]
numbers = st.lists(st.tuples(st.sampled_from(SERVERS), st.integers(1, 30)), max_size=60)


@given(numbers)
def test_transactions_of_mysql_are_a_set(added: list[tuple[str, int]]) -> None:
    made = MySQLDone("")
    for server, number in added:
        made.add(f"{server}:{number}")
    assert made.count == len(set(added))
    for server in SERVERS:
        for number in range(32):
            assert (f"{server}:{number}" in made) == ((server, number) in added)
    # As another library that speaks to servers has it.
    theirs = GtidSet(made.gtids)
    assert sorted(str(gtid) for gtid in theirs.gtids) == sorted(filter(None, made.gtids.split(",")))
    assert made.encoded == theirs.encoded()
    again = done(made.position, is_mariadb=False)
    assert (again.gtids, again.count) == (made.gtids, made.count)


@given(numbers, st.tuples(st.sampled_from(SERVERS), st.integers(31, 60)))
def test_a_position_grows_with_every_transaction(
    added: list[tuple[str, int]], last: tuple[str, int]
) -> None:
    made = MySQLDone("")
    for server, number in added:
        made.add(f"{server}:{number}")
    before = made.position
    made.add(f"{last[0]}:{last[1]}")
    assert made.position > before
    assert count_of(made.position) == count_of(before) + 1


def test_the_same_transactions_are_the_same_text() -> None:
    one = MySQLDone(f"{SERVERS[1].upper()}:1-3:5,\n{SERVERS[0]}:7")
    other = MySQLDone(f"{SERVERS[0]}:7,{SERVERS[1]}:5:1:2:3")
    assert one.position == other.position


def test_mariadb_has_the_last_of_each_domain() -> None:
    made = MariaDone("0-1-42,7-2-9")
    assert made.count == 51
    assert "0-3-42" in made
    assert "0-1-43" not in made
    assert "8-1-1" not in made
    made.add("0-3-43")
    assert made.gtids == "0-3-43,7-2-9"
    assert done(made.position, is_mariadb=True).gtids == made.gtids
    assert MariaDone("").position == f"{'0' * 20}@"


def test_a_place_in_a_file_holds_on_its_own_server_only() -> None:
    text = f"{42:020}@0-1-42@1a2b3c4d@bin.000007:1234"
    assert Position.parse(text, "1a2b3c4d") == Position("0-1-42", "bin.000007", 1234, "1a2b3c4d")
    assert Position.parse(text, "another") == Position("0-1-42")
    assert count_of(text) == 42
    assert text > f"{42:020}@0-1-42"


def test_only_a_position_of_the_same_history_is_before_another() -> None:
    later = Instant("mariadb/0/1", f"{43:020}@0-1-43", datetime.now(UTC))
    assert Place("mariadb/0/1", f"{42:020}@0-1-42").is_before(later)
    assert not Place("mariadb/0/2", f"{42:020}@0-1-42").is_before(later)
    assert not Place("mariadb/0/1", f"{43:020}@0-1-43@x@bin.1:4").is_before(later)
    assert not Place("mariadb/0/1", f"{42:020}@0-1-42").is_before(None)
