"""History from files into the journal, judged as at the door; then loaded and counted.

An import writes a journal file of its own, beside the collectors. Its events carry one
`received_at` that no other event has, which is how they are counted, and found again. Run again
after any end, it repeats the ids it gave, and what is there already is a duplicate.
"""

from __future__ import annotations

import hashlib
import os
from collections import Counter, OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec

from turnout.errors import BadRequest, JournalUnavailable
from turnout.events import layout
from turnout.events.door import message
from turnout.events.door.event import Event
from turnout.events.door.line import Arrival, Sender, encode
from turnout.events.door.message import Judged, Limits
from turnout.events.journal import segment
from turnout.events.journal.segment_file import SegmentFile
from turnout.events.upkeep.file import Entry, EventFile
from turnout.events.upkeep.upkeep import Report, Upkeep

# So many lines are synced to the disk together.
BLOCK_BYTES = 1024 * 1024
# Of each reason the first places are named.
PLACES_MAX = 3
# Equal events without an id are told apart when no more than this many others lie between them.
REMEMBERED_MAX = 100_000
ID_CHARS = 32


class Times(msgspec.Struct, rename="camel"):
    """What an export says about when; anything but text is as good as absent."""

    timestamp: Any = None
    original_timestamp: Any = None
    sent_at: Any = None
    received_at: Any = None


_times = msgspec.json.Decoder(Times).decode


@dataclass(slots=True)
class Tally:
    """What was read: how much, what was refused and why, and where the first of each stand."""

    received: int = 0
    refused: Counter[str] = field(default_factory=Counter)
    places: dict[str, list[str]] = field(default_factory=dict)

    def refuse(self, reason: str, place: str) -> None:
        self.refused[reason] += 1
        places = self.places.setdefault(reason, [])
        if len(places) < PLACES_MAX:
            places.append(place)


class Importer:
    """Writes events of files into the journal, as sent by `source`."""

    def __init__(  # noqa: PLR0913 - where from, where to, and two limits
        self,
        journal_folder: Path,
        source: str,
        schema: str,
        *,
        ip: str,
        event_bytes_max: int,
        segment_bytes_max: int,
    ) -> None:
        """`ip` is what becomes of addresses, as with a write key: keep, truncate or drop."""
        self.source, self.schema = source, schema
        self.received_at = _unlike_any_other(datetime.now(UTC))
        self.tally = Tally()
        self._folder = journal_folder
        self._name = f"import{os.getpid()}"
        self._journal = SegmentFile(
            journal_folder, bytes_max=segment_bytes_max, age_max_s=float("inf"), name=self._name
        )
        text = self.received_at.replace(tzinfo=None).isoformat(timespec="microseconds") + "Z"
        ms = int(self.received_at.timestamp() * 1000)
        self._arrival = Arrival(Sender("", source, schema, ip=ip), ms, text.encode())
        self._limits = Limits(event_bytes_max, 1)
        self._lines: list[bytes] = []
        self._size = 0

    def take(self, file: EventFile, tell: Callable[[int], None]) -> None:
        """All of `file`; `tell` hears how many of its bytes are read.

        Raises `FileUnreadable` or `JournalUnavailable`; what was read before is kept.
        """
        repeats = Repeats(self.source)
        try:
            for entry in file.entries():
                self._keep(entry, file.name, repeats)
                if self._size >= BLOCK_BYTES:
                    self._write()
                    tell(file.bytes_read)
        finally:
            self._write()
        tell(file.bytes_read)

    def close(self) -> list[str]:
        """Let go of the journal; the names of the files written."""
        self._journal.close()
        mark = f"-{self._name}{segment.SUFFIX}"
        return [path.name for path in segment.segments(self._folder) if path.name.endswith(mark)]

    def _keep(self, entry: Entry, file: str, repeats: Repeats) -> None:
        judged = Judged(self._arrival, self._limits, None)
        try:
            line = _judge(entry, judged, repeats)
        except BadRequest:
            judged.refuse(entry.text, repeats.id_of(entry.text), "not_json")
            [line] = judged.lines
        self.tally.received += 1
        for _, _, reason in judged.refused:
            self.tally.refuse(reason, f"{file}:{entry.number}")
        self._lines.append(line)
        self._size += len(line)

    def _write(self) -> None:
        """Make what was gathered durable."""
        if not self._lines:
            return
        try:
            self._journal.write(segment.seal(self._lines))
        except OSError as error:
            raise JournalUnavailable(
                f"The journal cannot be written: {error.strerror}.",
                hint="Run the same command again later: what is there already is not doubled.",
            ) from None
        self._lines, self._size = [], 0


class Repeats:
    """Ids for events that have none: from what they say, and which of several equal ones it is.

    So the same file gives the same ids each time, and a file that says something twice means it.
    """

    def __init__(self, source: str) -> None:
        self._seed = source.encode() + b"\0"
        self._counts: OrderedDict[bytes, int] = OrderedDict()

    def id_of(self, text: bytes) -> str:
        digest = hashlib.sha256(self._seed + text).digest()
        count = self._counts.get(digest, 0) + 1
        self._counts[digest] = count
        self._counts.move_to_end(digest)
        if len(self._counts) > REMEMBERED_MAX:
            self._counts.popitem(last=False)
        numbered = hashlib.sha256(digest + b"%d" % count).hexdigest()
        return f"import-{numbered[:ID_CHARS]}"


def load_imported(work: Upkeep, parameters: Mapping[str, Any]) -> Report:
    """Load the journal as far as an import wrote it; how many of its events are new.

    Parameters: what `Importer` has: `segments`, `received_at`, `source`, `schema`, `received`.
    """
    ends = {
        name: (work.journal_folder / name).stat().st_size
        for name in parameters["segments"]
        if (work.journal_folder / name).exists()
    }
    while (left := _bytes_left(ends, work.loader.positions)) > 0:
        work.tell("Loading", sum(ends.values()) - left, sum(ends.values()))
        if work.loader.load() is None and _bytes_left(ends, work.loader.positions) == left:
            break
    counts = _counted(work, parameters)
    return Report("Imported.", counts, changed=True)


def _judge(entry: Entry, judged: Judged, repeats: Repeats) -> bytes:
    """The journal line of an entry."""
    if entry.is_cut:
        judged.refuse(entry.text, repeats.id_of(entry.text), "too_large")
        return judged.lines[0]
    raw, event = message.parse_single(entry.text)
    if not _has_id(event):
        event.message_id = repeats.id_of(entry.text)
    if event.write_key is not None:
        # An export's key is another system's, and nobody's business here.
        members = msgspec.json.decode(raw, type=dict[str, msgspec.Raw])
        del members["writeKey"]
        raw, event.write_key = encode(members), None
    judged.take(raw, event, (event.type or "").lower())
    line = judged.lines[0]
    told = None if judged.refused else _told_time(raw)
    return line if told is None else b'%b,"happened_at":%b}\n' % (line[:-2], encode(told))


def _has_id(event: Event) -> bool:
    return event.message_id is not None and bool(str(event.message_id).strip())


def _told_time(raw: bytes) -> str | None:
    """When an exported event happened, where the rule for live events would move it to today.

    An export's `timestamp` is corrected already; without one, its own times correct it.
    """
    times = _times(raw)
    if not isinstance(times.sent_at, str) and not isinstance(times.original_timestamp, str):
        return None
    if isinstance(times.timestamp, str):
        return times.timestamp
    moments = [_moment(each) for each in (times.received_at, times.sent_at)]
    called = _moment(times.original_timestamp)
    if called is None or None in moments:
        return times.original_timestamp if isinstance(times.original_timestamp, str) else None
    received, sent = moments
    assert received is not None and sent is not None  # noqa: PT018, S101 - said to the type checker
    return (received - (sent - called)).isoformat()


def _moment(text: Any) -> datetime | None:
    if not isinstance(text, str):
        return None
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        return None
    return at if at.tzinfo else at.replace(tzinfo=UTC)


def _unlike_any_other(now: datetime) -> datetime:
    """`now` with microseconds: what comes through the door has milliseconds."""
    return now if now.microsecond % 1000 else now.replace(microsecond=now.microsecond + 1)


def _bytes_left(ends: Mapping[str, int], positions: Mapping[str, int]) -> int:
    return sum(max(0, end - positions.get(name, 0)) for name, end in ends.items())


def _counted(work: Upkeep, parameters: Mapping[str, Any]) -> dict[str, int]:
    """Over the events of one import: received = stored + duplicates + rejected."""
    warehouse = work.warehouse
    at = datetime.fromisoformat(parameters["received_at"]).replace(tzinfo=None)
    values = [at, parameters["source"]]

    def count(schema: str, table: str, source: str) -> int:
        name = warehouse.dialect.table(schema, table)
        sql = f"SELECT count(*) AS n FROM {name} WHERE received_at = ? AND {source} = ?"
        return int(warehouse.query(sql, values)["n"][0].as_py())

    there = {table.name for table in warehouse.tables(parameters["schema"])}
    bases = [table for table in layout.BASES.values() if table in there]
    stored = sum(count(parameters["schema"], table, "_source") for table in bases)
    rejected = count(layout.BOOKS, layout.REJECTED.name, "source")
    received = int(parameters["received"])
    return {
        "received": received,
        "stored": stored,
        "duplicates": received - stored - rejected,
        "rejected": rejected,
    }
