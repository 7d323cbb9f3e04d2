from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

import pytest

from turnout.events.journal import segment
from turnout.events.journal.checkpoint import FILE_NAME, Checkpoint
from turnout.events.journal.journal import Journal
from turnout.events.journal.seen import Seen

SECRET = bytes(32)
LONG_AGO = (1_000_000_000, 1_000_000_000)


class Door:
    """One collector's journal and index, as a process has them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.seen = Seen(folder / "seen", SECRET)
        self.checkpoint = Checkpoint(folder / "seen", folder)

    def take(self, *ids: str, add: bool = True) -> None:
        """Into the journal, and into the index unless the process ends in between."""

        async def run() -> None:
            seen = self.seen if add else None
            journal = Journal(self.folder, segment_bytes_max=2**20, name="test", seen=seen)
            lines = [
                b'{"id":"%b","type":"track","source":"web","schema":"analytics"}\n' % id_.encode()
                for id_ in ids
            ]
            await journal.append(
                lines, [self.seen.fingerprint("analytics/web", id_) for id_ in ids]
            )
            await journal.close()

        asyncio.run(run())

    def note(self) -> None:
        self.checkpoint.take(self.seen)
        self.checkpoint.take(self.seen)

    def knows(self, ids: Iterable[str]) -> list[bool]:
        return [self.seen.has(self.seen.fingerprint("analytics/web", id_)) for id_ in ids]


def test_an_event_is_remembered_once_it_is_in_the_journal(tmp_path: Path) -> None:
    door = Door(tmp_path)
    door.take("1", "2")
    assert door.knows("123") == [True, True, False]


def test_what_a_crash_left_out_of_the_index_is_read_again_from_the_journal(tmp_path: Path) -> None:
    Door(tmp_path).take("1", add=False)
    again = Door(tmp_path)
    assert again.checkpoint.recover(again.seen) == 1
    assert again.knows("12") == [True, False]


def test_only_what_came_after_the_note_is_read(tmp_path: Path) -> None:
    door = Door(tmp_path)
    door.take("1", "2")
    door.note()
    door.take("3", add=False)
    again = Door(tmp_path)
    assert again.checkpoint.recover(again.seen) == 1
    assert again.knows("1234") == [True, True, True, False]


def test_files_that_are_older_than_the_note_are_not_opened(tmp_path: Path) -> None:
    door = Door(tmp_path)
    door.take("1", add=False)
    [old] = segment.segments(tmp_path)
    os.utime(old, LONG_AGO)
    door.take("2")
    door.note()
    again = Door(tmp_path)
    assert again.checkpoint.recover(again.seen) == 0
    assert again.knows("12") == [False, True]


def test_a_note_speaks_of_what_was_there_a_call_ago(tmp_path: Path) -> None:
    """Another process may have written, and not yet added, what is there right now."""
    door = Door(tmp_path)
    door.take("1", add=False)
    door.checkpoint.take(door.seen)
    assert not (tmp_path / "seen" / FILE_NAME).exists()


@pytest.mark.parametrize("note", [b"", b"{", b"[]", b'{"since_s":"x"}', b"\xff"])
def test_a_damaged_note_means_that_all_is_read(tmp_path: Path, note: bytes) -> None:
    door = Door(tmp_path)
    door.take("1", add=False)
    (tmp_path / "seen" / FILE_NAME).write_bytes(note)
    assert door.checkpoint.recover(door.seen) == 1
    assert door.knows("1") == [True]


def test_after_a_damaged_table_all_is_read_although_there_is_a_note(tmp_path: Path) -> None:
    door = Door(tmp_path)
    door.take("1", "2")
    door.note()
    [table] = (tmp_path / "seen").glob("*.seen")
    table.write_bytes(b"nothing useful")
    again = Door(tmp_path)
    assert again.checkpoint.recover(again.seen) == 2
    assert again.knows("12") == [True, True]


def test_refused_and_foreign_lines_are_passed_over(tmp_path: Path) -> None:
    async def run() -> None:
        journal = Journal(tmp_path, segment_bytes_max=2**20, name="test")
        await journal.append(
            [
                b'{"id":"1","source":"web","schema":"analytics","reason":"too_large","head":""}\n',
                b"not ours\n",
                b'{"id":"2","source":"web","schema":"analytics","duplicate":true}\n',
            ]
        )
        await journal.close()

    asyncio.run(run())
    door = Door(tmp_path)
    door.checkpoint.recover(door.seen)
    assert door.knows("12") == [False, True]


def test_what_is_torn_or_still_being_written_is_not_believed(tmp_path: Path) -> None:
    """It may not be durable, and an index that knows more than the journal would lose an event."""

    async def run() -> list[bool]:
        journal = Journal(tmp_path, segment_bytes_max=2**20, name="test")
        await journal.append([b'{"id":"open","source":"web","schema":"analytics"}\n'])
        door = Door(tmp_path)
        door.checkpoint.recover(door.seen)
        known = door.knows(["open"])
        await journal.close()
        return known

    assert asyncio.run(run()) == [False]
    [path] = segment.segments(tmp_path)
    with path.open("ab") as file:
        file.write(b'{"id":"torn","source":"web","schema":"analytics"}\n')
    door = Door(tmp_path)
    door.checkpoint.recover(door.seen)
    assert door.knows(["open", "torn"]) == [True, False]


KILLED = """
import asyncio, os, signal, sys
from pathlib import Path
from turnout.events.journal.journal import Journal
from turnout.events.journal.seen import Seen

class DiesFirst(Seen):
    def add(self, fingerprints):
        os.kill(os.getpid(), signal.SIGKILL)

async def main():
    folder = Path(sys.argv[1])
    seen = DiesFirst(folder / "seen", bytes(32))
    journal = Journal(folder, segment_bytes_max=2**20, name="test", seen=seen)
    line = b'{"id":"1","source":"web","schema":"analytics"}\\n'
    await journal.append([line], [seen.fingerprint("analytics/web", "1")])

asyncio.run(main())
"""


def test_a_process_killed_between_journal_and_index_leaves_nothing_out(tmp_path: Path) -> None:
    ended = subprocess.run([sys.executable, "-c", KILLED, str(tmp_path)], check=False)
    assert ended.returncode == -9
    door = Door(tmp_path)
    assert door.knows("1") == [False]
    door.checkpoint.recover(door.seen)
    assert door.knows("1") == [True]
