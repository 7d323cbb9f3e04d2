from __future__ import annotations

import itertools
import resource
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from turnout.events.journal import seen as seen_module
from turnout.events.journal import slots
from turnout.events.journal.seen import DAY_MS, Seen
from turnout.events.journal.slots import Damaged, Slots

SECRET = bytes(32)
NOW_MS = 1_795_000_000_000


@pytest.fixture(autouse=True)
def small_tables(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(seen_module, "SLOTS_MIN", 1 << 12)


def open_seen(folder: Path, *, keep_days: int = 30) -> Seen:
    seen = Seen(folder, SECRET, keep_days=keep_days)
    seen.tend(NOW_MS)
    return seen


def prints(seen: Seen, *numbers: int) -> list[int]:
    return [seen.fingerprint("web", str(number)) for number in numbers]


def test_what_was_added_is_known_and_nothing_else(tmp_path: Path) -> None:
    seen = open_seen(tmp_path)
    seen.add(prints(seen, *range(1_000)))
    assert all(map(seen.has, prints(seen, *range(1_000))))
    assert not any(map(seen.has, prints(seen, *range(1_000, 11_000))))


def test_an_id_belongs_to_its_source(tmp_path: Path) -> None:
    seen = open_seen(tmp_path)
    seen.add([seen.fingerprint("web", "1")])
    assert not seen.has(seen.fingerprint("app", "1"))
    assert seen.fingerprint("a", "b1") != seen.fingerprint("ab", "1")


def test_fingerprints_depend_on_the_secret_so_that_nobody_can_aim(tmp_path: Path) -> None:
    ours, theirs = Seen(tmp_path / "a", SECRET), Seen(tmp_path / "b", b"x" * 32)
    assert ours.fingerprint("web", "1") != theirs.fingerprint("web", "1")


values = st.integers(0, 2**128 - 1)
# A few places and few values: runs, repeats and zero all happen.
crowded = st.builds(
    lambda tag, place: place << 64 | tag, st.sampled_from([0, 1, 2, 2**64 - 1]), st.integers(0, 3)
)


@given(st.lists(values | crowded, max_size=60), st.lists(values | crowded, max_size=20))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_table_is_a_set(
    tmp_path_factory: pytest.TempPathFactory, added: list[int], asked: list[int]
) -> None:
    table = Slots.create(tmp_path_factory.mktemp("table") / "1.seen", 8, NOW_MS)
    model = {(value & slots.TAG or 1, (value >> 64) % 8) for value in added}
    for value in added:
        table.add([value])
    for value in added:
        assert slots.has([(table.slots, table.count)], value)
    # Neighbours may share a run; another tag is never taken for one of them.
    tags = {tag for tag, _ in model}
    for value in asked:
        if (value & slots.TAG or 1) not in tags:
            assert not slots.has([(table.slots, table.count)], value)


def test_a_full_table_neither_hangs_nor_invents(tmp_path: Path) -> None:
    table = Slots.create(tmp_path / "1.seen", 100, NOW_MS)
    for value in range(1_000):
        table.add([value << 64 | (value + 1)])
    asked = [(table.slots, table.count)]
    kept = sum(slots.has(asked, value << 64 | (value + 1)) for value in range(1_000))
    assert 100 <= kept <= 100 + slots.REACH
    assert not any(slots.has(asked, value << 64 | (value + 5_000)) for value in range(1_000))
    assert table.fill() > 0.95


def test_it_is_there_again_after_the_process_ended(tmp_path: Path) -> None:
    first = open_seen(tmp_path)
    first.add(prints(first, 1, 2))
    del first
    again = open_seen(tmp_path)
    assert all(map(again.has, prints(again, 1, 2)))
    assert not again.has_gaps


def test_two_processes_know_what_either_took_in(tmp_path: Path) -> None:
    seen = open_seen(tmp_path)
    other = (
        "import sys; from pathlib import Path; from turnout.events.journal.seen import Seen\n"
        "seen = Seen(Path(sys.argv[1]), bytes(32))\n"
        "assert seen.has(seen.fingerprint('web', 'ours'))\n"
        "seen.add([seen.fingerprint('web', 'theirs')])\n"
    )
    seen.add([seen.fingerprint("web", "ours")])
    subprocess.run([sys.executable, "-c", other, str(tmp_path)], check=True)
    assert seen.has(seen.fingerprint("web", "theirs"))


def test_a_table_that_another_process_began_is_noticed(tmp_path: Path) -> None:
    ours, theirs = open_seen(tmp_path), open_seen(tmp_path)
    theirs.add(prints(theirs, *range(3_000)))
    theirs.tend(NOW_MS + 1_000)
    theirs.add(prints(theirs, 5_000))
    assert not ours.has(*prints(ours, 5_000))
    ours.tend(NOW_MS + 1_000)
    assert ours.has(*prints(ours, 5_000))
    assert len(list(tmp_path.glob("*.seen"))) == 2


def test_it_grows_and_forgets_nothing_on_the_way(tmp_path: Path) -> None:
    seen = open_seen(tmp_path)
    for step in range(40):
        seen.add(prints(seen, *range(step * 1_000, (step + 1) * 1_000)))
        seen.tend(NOW_MS + step)
    missing = [n for n in range(40_000) if not seen.has(*prints(seen, n))]
    assert missing == []
    assert len(list(tmp_path.glob("*.seen"))) < 6


def test_at_a_steady_pace_an_event_costs_less_than_sixteen_bytes(tmp_path: Path) -> None:
    seen = open_seen(tmp_path)
    numbers = itertools.count()
    taken = 0
    for hour in range(0, 30 * 24, 4):
        batch = list(itertools.islice(numbers, 1_000))
        seen.add(prints(seen, *batch))
        taken += len(batch)
        seen.tend(NOW_MS + hour * 3_600_000)
    assert taken == 180_000
    # The newest table has room for what is still to come.
    sealed = sum(table.count * 8 for table in seen._tables[1:])
    held = sum(table.fill() * table.count for table in seen._tables[1:])
    assert sealed / held < 16


def test_entries_are_forgotten_after_their_time_and_not_before(tmp_path: Path) -> None:
    seen = open_seen(tmp_path, keep_days=30)
    seen.add(prints(seen, 1))
    for day in range(0, 30, 5):
        seen.tend(NOW_MS + day * DAY_MS)
        assert seen.has(*prints(seen, 1)), f"day {day}"
    for day in range(30, 80, 5):
        seen.tend(NOW_MS + day * DAY_MS)
    assert not seen.has(*prints(seen, 1))
    assert len(list(tmp_path.glob("*.seen"))) <= 5, "files of what is forgotten are gone"


def test_a_clock_that_jumps_stops_nothing(tmp_path: Path) -> None:
    seen = open_seen(tmp_path)
    for now_ms in (NOW_MS + 400 * DAY_MS, NOW_MS - 400 * DAY_MS, 0, NOW_MS):
        seen.tend(now_ms)
        seen.add(prints(seen, now_ms))
        assert seen.has(*prints(seen, now_ms))


def damage(path: Path, kind: str) -> None:
    content = bytearray(path.read_bytes())
    if kind == "empty":
        path.write_bytes(b"")
    elif kind == "cut":
        path.write_bytes(content[: len(content) // 2])
    elif kind == "longer":
        path.write_bytes(content + b"x" * 8)
    else:
        content[int(kind)] ^= 0xFF
        path.write_bytes(content)


@pytest.mark.parametrize("kind", ["empty", "cut", "longer", "0", "9", "17", "25"])
def test_a_damaged_table_is_begun_anew_and_never_stops_the_start(tmp_path: Path, kind: str) -> None:
    open_seen(tmp_path)
    [path] = tmp_path.glob("*.seen")
    damage(path, kind)
    with pytest.raises(Damaged):
        Slots(path)
    seen = open_seen(tmp_path)
    assert seen.has_gaps
    seen.add(prints(seen, 1))
    assert seen.has(*prints(seen, 1))


def test_without_a_folder_to_write_to_nobody_is_stopped(tmp_path: Path) -> None:
    (tmp_path / "seen").write_text("a file where a folder belongs")
    seen = Seen(tmp_path / "seen", SECRET)
    seen.add(prints(seen, 1))
    assert not seen.has(*prints(seen, 1))


FULL_DISK = """
import resource, sys
from pathlib import Path
from turnout.events.journal.seen import Seen

seen = Seen(Path(sys.argv[1]), bytes(32))
known = [seen.fingerprint("web", str(n)) for n in range(200_000)]
hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
resource.setrlimit(resource.RLIMIT_FSIZE, (100, hard))
for start in range(0, 200_000, 20_000):
    seen.add(known[start : start + 20_000])
    seen.tend()
assert not any(path.name.count(".") > 1 for path in Path(sys.argv[1]).iterdir()), "leftovers"
print("known", sum(map(seen.has, known)))
resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
seen.tend()
seen.add(known)
print("known", sum(map(seen.has, known)), len(list(Path(sys.argv[1]).glob("*.seen"))))
"""


def test_a_disk_without_room_leaves_the_index_as_it_is_until_there_is_room(tmp_path: Path) -> None:
    said = subprocess.run(
        [sys.executable, "-c", FULL_DISK, str(tmp_path)], capture_output=True, text=True, check=True
    )
    before, after = [line for line in said.stdout.splitlines() if line.startswith("known")]
    assert 100_000 < int(before.split()[1]) < 131_072
    assert after == "known 200000 2"
    assert said.stdout.count("cannot grow") == 1


def test_a_table_has_its_whole_place_on_the_disk_from_the_beginning(tmp_path: Path) -> None:
    table = Slots.create(tmp_path / "1.seen", 100_000, NOW_MS)
    status = table.path.stat()
    assert status.st_blocks * 512 >= status.st_size


def test_closed_tables_leave_no_file_open(tmp_path: Path) -> None:
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (200, limit[1]))
    try:
        for _ in range(300):
            Slots.create(tmp_path / "1.seen", 10, NOW_MS)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limit)
