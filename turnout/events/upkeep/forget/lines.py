"""The journal without somebody's lines: each closed file that has some is written anew.

The new file takes the old one's place in one step. It is shorter, so a position after its end
means the same as before: loaded whole.
"""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa

from turnout.errors import JournalUnavailable
from turnout.events.engine import Engine
from turnout.events.journal import segment
from turnout.events.journal.segment_file import sync_folder
from turnout.events.loading.head import split_lines
from turnout.events.upkeep import past
from turnout.events.upkeep.forget.mention import mention_pattern
from turnout.events.upkeep.forget.subjects import Subjects
from turnout.events.upkeep.past import Piece
from turnout.events.upkeep.upkeep import Tell

# A file being written anew; only one cut off stays behind.
PART = ".part"
PIECE_BYTES = 16 * 1024 * 1024
# A collector looks every second whether it is asked to begin a new file.
CLOSED_WITHIN_S = 20.0
POINTERS = (
    *("/event/userId", "/event/anonymousId", "/event/previousId", "/event/groupId"),
    *("/event/context/groupId", "/head", "/id", "/duplicate"),
)


@dataclass(slots=True)
class Erased:
    """What was found, or erased: lines, files, and the files' new lengths."""

    lines: int = 0
    files: int = 0
    lengths: dict[str, int] = field(default_factory=dict)


def close_all(folder: Path) -> None:
    """Have every file that is being written to let go of; the writers go on with new ones.

    Raises `JournalUnavailable` when one of them does not.
    """
    paths = segment.segments(folder)
    segment.ask_for_new_files(folder)
    deadline = time.monotonic() + CLOSED_WITHIN_S
    while any(not _is_done(path) for path in paths):
        if time.monotonic() > deadline:
            raise JournalUnavailable(
                "A journal file is still being written to.",
                hint="Is a collector of an older version running? Restart it and try again.",
            )
        time.sleep(0.05)


class LineEraser:
    """Finds lines that name somebody, and erases them."""

    def __init__(self, folder: Path, subjects: Subjects, message_ids: pa.Array) -> None:
        """`message_ids` are those of their events, by which repeats of them are known."""
        self._folder = folder
        self._engine = Engine()
        self._named = {
            "users": _as_rows(subjects.users),
            "devices": _as_rows(subjects.anonymous),
            "persons": _as_rows(subjects.persons),
            "accounts": _as_rows(subjects.accounts),
            "messages": pa.table({"id": message_ids.cast(pa.string())}),
        }
        self._pattern = mention_pattern(subjects.persons + subjects.accounts)

    def close(self) -> None:
        self._engine.close()

    def count(self, positions: Mapping[str, int], tell: Tell) -> Erased:
        """How many lines there are, in how many files."""
        found = Erased()
        files: set[str] = set()
        for piece in past.pieces(self._folder, positions, bytes_max=PIECE_BYTES):
            tell("Looking through the journal", 0, 0)
            kept = self._kept(piece)
            gone = piece.text.count(b"\n") - kept.count(b"\n")
            found.lines += gone
            files |= {piece.file} if gone else set()
        found.files = len(files)
        return found

    def erase(self, positions: Mapping[str, int], since_s: float, tell: Tell) -> Erased:
        """Erase them from every file written to after `since_s` (seconds since 1970).

        Only from files that are closed and loaded to their end, by `positions`. One that was begun
        meanwhile may be neither: written anew, it would lose what its writer adds, or what the
        loader has not read.
        """
        for left_over in self._folder.glob(f"*{segment.SUFFIX}{PART}"):
            left_over.unlink()
        paths = [
            path
            for path in segment.segments(self._folder)
            if _is_loaded(path, positions) and path.stat().st_mtime >= since_s
        ]
        found = Erased()
        for number, path in enumerate(paths):
            tell("Erasing from the journal", number, len(paths))
            self._erase_from(path, found)
        return found

    def _erase_from(self, path: Path, found: Erased) -> None:
        size = path.stat().st_size
        pieces = past.pieces_of(path, size, bytes_max=PIECE_BYTES)
        if not any(self._has_some(piece) for piece in pieces):
            return
        part = path.with_name(f"{path.name}{PART}")
        length = 0
        with part.open("wb") as file:
            os.fchmod(file.fileno(), 0o600)
            for piece in past.pieces_of(path, size, bytes_max=PIECE_BYTES):
                kept = self._kept(piece)
                found.lines += piece.text.count(b"\n") - kept.count(b"\n")
                if kept:
                    length += file.write(segment.seal([kept]))
            file.flush()
            os.fsync(file.fileno())
        # Its age decides how long it is kept, and has not changed.
        status = path.stat()
        os.utime(part, ns=(status.st_atime_ns, status.st_mtime_ns))
        if length:
            part.replace(path)
        else:
            path.unlink()
            part.unlink()
        sync_folder(self._folder)
        found.files += 1
        found.lengths[path.name] = length

    def _has_some(self, piece: Piece) -> bool:
        return len(self._kept(piece)) < len(piece.text)

    def _kept(self, piece: Piece) -> bytes:
        """The lines of a piece that name nobody to be forgotten."""
        pointers = ", ".join(f"'{pointer}'" for pointer in POINTERS)
        rows = self._engine.table(
            f"SELECT line FROM (SELECT line, CASE WHEN json_valid(line) "
            f"THEN json_extract_string(line, [{pointers}]) END AS h FROM lines) "
            f"WHERE ({_names_somebody()}) IS NOT TRUE",
            [self._pattern],
            lines=split_lines(piece.text),
            **self._named,
        )
        return past.joined(rows["line"])


def _names_somebody() -> str:
    """Over `h`, the values at `POINTERS`."""
    places = {1: "users", 2: "devices", 3: "persons", 4: "accounts", 5: "accounts"}
    named = [f"trim(h[{place}]) IN (SELECT id FROM {ids})" for place, ids in places.items()]
    repeat = "(h[8] = 'true' AND h[7] IN (SELECT id FROM messages))"
    return " OR ".join([*named, "regexp_matches(h[6], ?)", repeat])


def _as_rows(ids: tuple[str, ...]) -> pa.Table:
    return pa.table({"id": pa.array(ids, pa.string())})


def _is_loaded(path: Path, positions: Mapping[str, int]) -> bool:
    with path.open("rb") as file:
        size = os.fstat(file.fileno()).st_size
        return segment.is_closed(file.fileno()) and positions.get(path.name, 0) >= size


def _is_done(path: Path) -> bool:
    """Whether nobody writes to it any more; what is gone is done too."""
    try:
        file = os.open(path, os.O_RDONLY)
    except FileNotFoundError:
        return True
    try:
        return segment.is_closed(file) or os.fstat(file).st_size == 0
    finally:
        os.close(file)
