from __future__ import annotations

import asyncio
import fcntl
import json
import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from turnout.errors import JournalUnavailable
from turnout.events import journal, segment
from turnout.events.journal import Journal, Pending, pending, retire

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
    write_durably = journal.write_durably

    def counted(file: int, block: bytes) -> None:
        writes.append(len(block))
        write_durably(file, block)

    monkeypatch.setattr(journal, "write_durably", counted)

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
            broken.setattr(journal, "write_durably", fail)
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
from turnout.events.journal import Journal

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
