from __future__ import annotations

import asyncio
import fcntl
import json
import os
import subprocess
import sys
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from turnout.errors import JournalUnavailable
from turnout.events.journal import journal, segment, segment_file
from turnout.events.journal.journal import (
    Journal,
    Pending,
    backlog_bytes,
    backlog_seconds,
    blocks_of_closed,
    pending,
    retire,
)

EVERYTHING = 2**30
LATER = datetime.now(UTC) + timedelta(days=1)


def write(folder: Path, *groups: list[bytes], bytes_max: int = EVERYTHING) -> None:
    async def run() -> None:
        written = Journal(folder, segment_bytes_max=bytes_max, name="test")
        for group in groups:
            await written.append(group)
        await written.close()

    asyncio.run(run())


def lines(*numbers: int) -> list[bytes]:
    return [b'{"id":"%d"}\n' % number for number in numbers]


def text(found: Pending) -> bytes:
    return b"".join(found.blocks)


def test_what_was_appended_can_be_read_in_order(tmp_path: Path) -> None:
    write(tmp_path, lines(1, 2), lines(3))
    found = pending(tmp_path, {}, bytes_max=EVERYTHING)
    assert text(found) == b"".join(lines(1, 2, 3))
    assert found.damaged_bytes == 0
    assert not pending(tmp_path, found.positions, bytes_max=EVERYTHING).positions


def test_requests_that_wait_together_are_written_together(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    writes: list[int] = []
    write_durably = segment_file.write_durably

    def counted(file: int, block: bytes) -> None:
        writes.append(len(block))
        write_durably(file, block)

    monkeypatch.setattr(segment_file, "write_durably", counted)

    async def run() -> None:
        written = Journal(tmp_path, segment_bytes_max=EVERYTHING, name="test")
        await asyncio.gather(*[written.append(lines(number)) for number in range(100)])
        await written.close()

    asyncio.run(run())
    assert len(writes) <= 2
    assert text(pending(tmp_path, {}, bytes_max=EVERYTHING)) == b"".join(lines(*range(100)))


def test_the_file_is_opened_so_that_every_write_reaches_the_disk(tmp_path: Path) -> None:
    async def run() -> int:
        written = Journal(tmp_path, segment_bytes_max=EVERYTHING, name="test")
        await written.append(lines(1))
        file = written._files._file
        assert file is not None
        flags = fcntl.fcntl(file, fcntl.F_GETFL)
        await written.close()
        return flags

    assert asyncio.run(run()) & os.O_DSYNC


def test_a_write_that_fails_midway_is_taken_back_and_not_acknowledged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(file: int, block: bytes) -> None:
        os.write(file, block)
        raise OSError(5, "Input/output error")

    async def run() -> None:
        written = Journal(tmp_path, segment_bytes_max=EVERYTHING, name="test")
        await written.append(lines(1))
        with monkeypatch.context() as broken:
            broken.setattr(segment_file, "write_durably", fail)
            with pytest.raises(JournalUnavailable, match="Input/output"):
                await written.append(lines(2))
        await written.append(lines(3))
        await written.close()

    asyncio.run(run())
    assert len(segment.segments(tmp_path)) == 2
    assert text(pending(tmp_path, {}, bytes_max=EVERYTHING)) == b"".join(lines(1, 3))


FULL_DISK = """
import asyncio, resource, sys
from pathlib import Path
from turnout.errors import JournalUnavailable
from turnout.events.journal.journal import Journal

async def main():
    journal = Journal(Path(sys.argv[1]), segment_bytes_max=2**30, name="test")
    await journal.append([b'{"id":"kept"}\\n'])
    hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, hard))
    for _ in range(3):
        try:
            await journal.append([b'{"id":"refused"}\\n' * 20])
        except JournalUnavailable as error:
            print("refused", error.message)
    resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
    await journal.append([b'{"id":"healed"}\\n'])
    await journal.close()

asyncio.run(main())
"""


def test_a_disk_that_takes_no_more_refuses_and_heals_by_itself(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", FULL_DISK, str(tmp_path)], capture_output=True, text=True, check=True
    )
    assert done.stdout.count("refused") == 3
    assert text(pending(tmp_path, {}, bytes_max=EVERYTHING)) == (
        b'{"id":"kept"}\n{"id":"healed"}\n'
    )
    assert len(segment.segments(tmp_path)) == 2, "refused files leave nothing behind"


def test_an_overfull_queue_refuses_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journal, "WAITING_BYTES_MAX", 30)

    async def run() -> list[BaseException | None]:
        written = Journal(tmp_path, segment_bytes_max=EVERYTHING, name="test")
        appends = [written.append(lines(number)) for number in range(10)]
        outcomes = await asyncio.gather(*appends, return_exceptions=True)
        await written.close()
        return outcomes

    outcomes = asyncio.run(run())
    assert outcomes[0] is None
    assert isinstance(outcomes[-1], JournalUnavailable)


def test_a_new_file_begins_at_every_start_and_at_its_size(tmp_path: Path) -> None:
    write(tmp_path, lines(1), lines(2), lines(3), bytes_max=30)
    write(tmp_path, lines(4))
    assert len(segment.segments(tmp_path)) == 4
    assert text(pending(tmp_path, {}, bytes_max=EVERYTHING)) == b"".join(lines(1, 2, 3, 4))


def test_reading_stops_near_its_limit_and_goes_on_from_there(tmp_path: Path) -> None:
    write(tmp_path, *[lines(number) for number in range(20)], bytes_max=200)
    positions: dict[str, int] = {}
    seen = b""
    for _ in range(100):
        found = pending(tmp_path, positions, bytes_max=70)
        positions |= found.positions
        seen += text(found)
        if not found.positions:
            break
    assert seen == b"".join(lines(*range(20)))


def test_a_block_larger_than_the_limit_is_still_read(tmp_path: Path) -> None:
    write(tmp_path, lines(*range(1_000)))
    assert text(pending(tmp_path, {}, bytes_max=10)) == b"".join(lines(*range(1_000)))


def test_only_closed_and_loaded_files_are_retired(tmp_path: Path) -> None:
    write(tmp_path, lines(1))
    write(tmp_path, lines(2))
    first, second = segment.segments(tmp_path)

    async def run() -> None:
        open_one = Journal(tmp_path, segment_bytes_max=EVERYTHING, name="test")
        await open_one.append(lines(3))
        positions = {first.name: first.stat().st_size, segment.segments(tmp_path)[-1].name: 10**6}
        assert retire(tmp_path, positions, before=LATER - timedelta(days=2)) == 0
        assert retire(tmp_path, positions, before=LATER) == 1
        await open_one.close()

    asyncio.run(run())
    left = segment.segments(tmp_path)
    assert first not in left
    assert second in left
    assert len(left) == 2


def test_a_quiet_file_is_closed_after_its_time_so_that_it_can_be_retired(tmp_path: Path) -> None:
    async def run() -> None:
        quiet = Journal(tmp_path, segment_bytes_max=EVERYTHING, name="test", segment_age_max_s=0)
        await quiet.append(lines(1))
        [path] = segment.segments(tmp_path)
        positions = {path.name: path.stat().st_size}
        assert retire(tmp_path, positions, before=LATER) == 0
        await quiet.tend()
        assert retire(tmp_path, positions, before=LATER) == 1
        await quiet.append(lines(2))
        await quiet.close()

    asyncio.run(run())
    assert text(pending(tmp_path, {}, bytes_max=EVERYTHING)) == b"".join(lines(2))


def test_beyond_the_total_size_the_oldest_loaded_files_are_retired(tmp_path: Path) -> None:
    for number in range(4):
        write(tmp_path, lines(number))
    first, second, third, last = segment.segments(tmp_path)
    sizes = [path.stat().st_size for path in segment.segments(tmp_path)]
    loaded = {path.name: path.stat().st_size for path in (second, third, last)}
    long_ago = LATER - timedelta(days=9)
    assert retire(tmp_path, loaded, before=long_ago, bytes_max=sum(sizes)) == 0
    assert retire(tmp_path, loaded, before=long_ago, bytes_max=sum(sizes) - 1) == 1
    assert segment.segments(tmp_path) == [first, third, last], "the first is not loaded yet"
    assert retire(tmp_path, loaded, before=long_ago, bytes_max=0) == 2
    assert segment.segments(tmp_path) == [first]


def test_the_backlog_is_said_in_bytes_and_in_seconds(tmp_path: Path) -> None:
    def line(second: int) -> bytes:
        return b'{"id":"1","received_at":"2026-11-21T10:00:%02d.000Z","event":{}}\n' % second

    now = datetime(2026, 11, 21, 10, 1, tzinfo=UTC)
    assert backlog_bytes(tmp_path, {}) == 0
    assert backlog_seconds(tmp_path, {}, now=now) == 0
    write(tmp_path, [line(10)], [line(20)])
    write(tmp_path, [line(30)])
    found = pending(tmp_path, {}, bytes_max=1)
    assert backlog_seconds(tmp_path, {}, now=now) == 50
    assert backlog_seconds(tmp_path, found.positions, now=now) == 40
    first, second = segment.segments(tmp_path)
    rest = second.stat().st_size
    assert backlog_bytes(tmp_path, {first.name: first.stat().st_size}) == rest
    assert backlog_seconds(tmp_path, {first.name: first.stat().st_size}, now=now) == 30


def test_what_was_collected_side_by_side_is_read_together(tmp_path: Path) -> None:
    async def run() -> None:
        both = [Journal(tmp_path, segment_bytes_max=100, name=name) for name in ("a", "b")]
        for number in range(20):
            await asyncio.gather(*(each.append(lines(number)) for each in both))
        for each in both:
            await each.close()

    asyncio.run(run())
    found = text(pending(tmp_path, {}, bytes_max=EVERYTHING)).splitlines(keepends=True)
    assert sorted(found) == sorted(lines(*range(20)) * 2)


class Stuck:
    """A disk that takes its time."""

    def __init__(self) -> None:
        self.is_writing = threading.Event()
        self.go_on = threading.Event()

    def __call__(self, file: int, block: bytes) -> None:
        self.is_writing.set()
        self.go_on.wait(20)
        os.write(file, block)


def test_whoever_waits_too_long_for_the_disk_is_told_to_come_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stuck = Stuck()
    monkeypatch.setattr(segment_file, "write_durably", stuck)
    monkeypatch.setattr(journal, "WAIT_MAX_S", 0)

    async def run() -> list[BaseException | None]:
        written = Journal(tmp_path, segment_bytes_max=EVERYTHING, name="test")
        written._write_s = 1  # a slow disk: its writes have a thread
        first = asyncio.create_task(written.append(lines(1)))
        await asyncio.to_thread(stuck.is_writing.wait, 20)
        second = asyncio.create_task(written.append(lines(2)))
        await asyncio.sleep(0.01)
        await written.tend()
        outcomes = list(await asyncio.gather(first, second, return_exceptions=True))
        stuck.go_on.set()
        await written.append(lines(3))
        await written.close()
        return outcomes

    outcomes = asyncio.run(run())
    assert [type(each) for each in outcomes] == [JournalUnavailable, JournalUnavailable]
    # The first was on its way: it is there although its sender will send it again.
    assert text(pending(tmp_path, {}, bytes_max=EVERYTHING)) == b"".join(lines(1, 3))


@pytest.mark.parametrize("write_s", [0.0, 1.0])
def test_a_fast_disk_is_written_in_place_and_a_slow_one_in_a_thread(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, write_s: float
) -> None:
    threads: list[str] = []
    write_durably = segment_file.write_durably

    def noted(file: int, block: bytes) -> None:
        threads.append(threading.current_thread().name)
        write_durably(file, block)

    monkeypatch.setattr(segment_file, "write_durably", noted)

    async def run() -> None:
        written = Journal(tmp_path, segment_bytes_max=EVERYTHING, name="test")
        written._write_s = write_s
        await written.append(lines(1))
        await written.close()

    asyncio.run(run())
    assert [name.startswith("journal") for name in threads] == [write_s > 0]


def test_a_closed_file_is_read_block_by_block_and_an_open_one_not_at_all(tmp_path: Path) -> None:
    write(tmp_path, *[lines(number) for number in range(20)])
    [path] = segment.segments(tmp_path)
    everything = b"".join(lines(*range(20)))
    assert b"".join(blocks_of_closed(path, 0, bytes_max=50)) == everything
    size = len(segment.seal(lines(1)))
    assert b"".join(blocks_of_closed(path, size, bytes_max=50)) == everything[len(lines(0)[0]) :]
    with path.open("ab") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        assert list(blocks_of_closed(path, 0, bytes_max=50)) == []
    assert list(blocks_of_closed(tmp_path / "gone", 0, bytes_max=50)) == []


def test_a_torn_tail_counts_as_read_once_its_writer_is_gone(tmp_path: Path) -> None:
    write(tmp_path, lines(1))
    [path] = segment.segments(tmp_path)
    with path.open("ab") as file:
        file.write(b'{"id":"torn')
    found = pending(tmp_path, {}, bytes_max=EVERYTHING)
    assert text(found) == b"".join(lines(1))
    found = pending(tmp_path, found.positions, bytes_max=EVERYTHING)
    assert found.positions == {path.name: path.stat().st_size}
    assert found.damaged_bytes == 11


groups = st.lists(st.lists(st.integers(0, 99), min_size=1, max_size=5), min_size=1, max_size=8)


@given(groups, st.data())
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_cut_anywhere_keeps_every_whole_block_and_invents_nothing(
    groups: list[list[int]], data: st.DataObject
) -> None:
    blocks = [segment.seal(lines(*group)) for group in groups]
    whole = b"".join(blocks)
    cut = data.draw(st.integers(0, len(whole)))
    survivors = [b"".join(lines(*group)) for group in groups]
    ends = [sum(map(len, blocks[: number + 1])) for number in range(len(blocks))]
    torn = whole[:cut]
    read = [torn[start:end] for start, end, _ in segment.whole_blocks(torn)]
    assert read == [text for text, end in zip(survivors, ends, strict=True) if end <= cut]


@given(groups, st.data())
def test_a_flipped_bit_costs_its_own_block_and_no_other(
    groups: list[list[int]], data: st.DataObject
) -> None:
    blocks = [segment.seal(lines(*group)) for group in groups]
    hit = data.draw(st.integers(0, len(blocks) - 1))
    damaged = bytearray(blocks[hit])
    damaged[data.draw(st.integers(0, len(damaged) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    whole = b"".join([*blocks[:hit], bytes(damaged), *blocks[hit + 1 :]])
    read = [whole[start:end] for start, end, _ in segment.whole_blocks(whole)]
    expected = [b"".join(lines(*group)) for group in groups]
    assert read == [text for number, text in enumerate(expected) if number != hit]


damages = st.one_of(
    st.tuples(st.just("cut"), st.integers(0, 2000), st.just(b"")),
    st.tuples(st.just("flip"), st.integers(0, 2000), st.integers(1, 255).map(lambda n: bytes([n]))),
    st.tuples(st.just("put"), st.integers(0, 2000), st.binary(min_size=1, max_size=40)),
    st.tuples(st.just("over"), st.integers(0, 2000), st.binary(min_size=1, max_size=40)),
    st.tuples(st.just("zeros"), st.integers(0, 2000), st.integers(1, 300).map(bytes)),
)


def damaged(content: bytes, kind: str, place: int, noise: bytes) -> bytes:
    place %= len(content) + 1
    if kind == "cut":
        return content[:place]
    if kind == "put":
        return content[:place] + noise + content[place:]
    if kind == "flip" and place < len(content):
        noise = bytes([content[place] ^ noise[0]])
    return content[:place] + noise + content[place + len(noise) :]


@given(groups, st.lists(damages, min_size=1, max_size=4), st.integers(1, 400))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_whatever_happens_to_a_file_whole_blocks_are_read_the_rest_is_said_nothing_is_invented(
    tmp_path_factory: pytest.TempPathFactory,
    groups: list[list[int]],
    damages: list[tuple[str, int, bytes]],
    bytes_max: int,
) -> None:
    blocks = [segment.seal(lines(*group)) for group in groups]
    content = b"".join(blocks)
    for kind, place, noise in damages:
        content = damaged(content, kind, place, noise)
    folder = tmp_path_factory.mktemp("journal")
    (folder / "1.ndjson").write_bytes(content)
    found, read = read_all(folder, bytes_max)
    # Nothing but blocks that were written, in their order, and every one still whole.
    written = [b"".join(lines(*group)) for group in groups]
    assert is_part_in_order(read, written)
    for block, text in zip(blocks, written, strict=True):
        assert content.count(block) <= read.count(text)
    # Every byte is accounted for: a block that was read, or damage that was reported.
    sealed = sum(len(segment.seal([text])) for text in read)
    assert sealed + found.damaged_bytes == len(content)


def read_all(folder: Path, bytes_max: int) -> tuple[Pending, list[bytes]]:
    """Everything in steps, as the loader does; the sum, and the blocks."""
    whole = Pending()
    while (found := pending(folder, whole.positions, bytes_max=bytes_max)).positions:
        whole.positions |= found.positions
        whole.blocks += found.blocks
        whole.damaged_bytes += found.damaged_bytes
    return whole, [bytes(block) for block in whole.blocks]


def is_part_in_order(read: list[bytes], written: list[bytes]) -> bool:
    left = iter(written)
    return all(block in left for block in read)


@given(st.binary(max_size=200))
def test_noise_is_never_taken_for_events(noise: bytes) -> None:
    before, after = segment.seal(lines(1)), segment.seal(lines(2))
    whole = before + noise + b"\n" + after
    read = [whole[start:end] for start, end, _ in segment.whole_blocks(whole)]
    assert read == [b"".join(lines(1)), b"".join(lines(2))]


def test_a_commit_line_inside_an_event_is_only_text() -> None:
    event = json.dumps({"id": '\n{"commit":{"bytes":1,"crc":1}}\n'}).encode() + b"\n"
    sealed = segment.seal([event])
    assert [sealed[a:b] for a, b, _ in segment.whole_blocks(sealed)] == [event]


def test_a_clock_that_was_set_back_does_not_make_a_file_of_every_block(tmp_path: Path) -> None:
    segment.ask_for_new_files(tmp_path)
    tomorrow_ns = int(LATER.timestamp() * 1e9)
    os.utime(tmp_path / segment.NEW_FILES_MARK, ns=(tomorrow_ns, tomorrow_ns))
    write(tmp_path, lines(1), lines(2), lines(3))
    assert len(segment.segments(tmp_path)) == 1


def test_a_file_is_let_go_of_also_when_the_clock_was_set_back_before_it_was_asked(
    tmp_path: Path,
) -> None:
    async def run() -> None:
        written = Journal(tmp_path, segment_bytes_max=EVERYTHING, name="test")
        await written.append(lines(1))
        segment.ask_for_new_files(tmp_path)
        os.utime(tmp_path / segment.NEW_FILES_MARK, (1, 1))
        await written.append(lines(2))
        await written.close()

    asyncio.run(run())
    assert len(segment.segments(tmp_path)) == 2


def test_a_file_that_cannot_be_begun_is_not_left_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_folder: Path) -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(segment_file, "sync_folder", fail)
    with pytest.raises(JournalUnavailable):
        write(tmp_path, lines(1))
    assert not segment.segments(tmp_path)
