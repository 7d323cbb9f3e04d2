"""Answers: the newest result of each clip, kept on disk, run again only when that can change it.

An answer is right as long as the follower's snapshot is the one it was computed on. Past its
fresh time and on a newer snapshot it is served once more while a new run goes on behind, and
when that run fails, the last good answer stays, marked, for a day.
"""

from __future__ import annotations

import asyncio
import functools
import hashlib
import uuid
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from time import monotonic

import structlog

from turnout import config
from turnout.clips.follower import Follower, Snapshot
from turnout.clips.parameters import Question, Values
from turnout.clips.reads import Change, changes, schemas_read
from turnout.clips.result import Result
from turnout.clips.runner import Ran, Runner
from turnout.clips.shelf import Entry, Label, clear, load, open_result, store, sweep, tidy
from turnout.errors import Busy, NoSnapshot, TurnoutError

log = structlog.get_logger()

# A last good answer stands in for failing runs this long.
STAND_IN_S = 86_400
# After a failure nothing is tried for this many times as long as failing took.
PAUSE_PER_FAILURE, PAUSE_MIN_S = 2.0, 1.0
FAILURES_MAX = 10_000
# Answers whose files stay mapped, and what all files together may take on disk.
OPEN_MAX = 512
DISK_BYTES_MAX = 2 * 1024**3
SWEEP_EVERY_BYTES = 64 * 1024**2


@dataclass(frozen=True, slots=True)
class _Failure:
    """The last run of a key failed."""

    error: TurnoutError
    until: float  # on the monotonic clock: no new try before


class Answers:
    """The one way to a clip's answer."""

    def __init__(
        self, runner: Runner, follower: Follower, folder: Path, settings: config.Clips
    ) -> None:
        """Results are kept in `folder`; leftovers of a crash are removed from it now."""
        folder.mkdir(parents=True, exist_ok=True)
        self._runner = runner
        self._follower = follower
        self._folder = folder
        self._fresh_for_s = settings.fresh_for_s
        self._entries: OrderedDict[str, Entry] = OrderedDict()
        self._flights: dict[str, asyncio.Task[Entry]] = {}
        self._failures: dict[str, _Failure] = {}
        self._unswept_bytes = 0
        tidy(folder)

    async def answer(self, question: Question | str, *, key: str, wait_s: float = 0.0) -> Result:
        """The answer to `question`, kept under `key` (the clip's id and version) and its values.

        When a newer answer could be had, the kept one is given at once and the run goes on
        behind; with `wait_s`, it is waited for that long first. Without a kept answer the
        first run is waited for, and its error raised.
        """
        asked = Question(question) if isinstance(question, str) else question
        name = _name(key, asked)
        entry = await self._find(name)
        snapshot = self._snapshot()
        if entry is None or _age_s(entry) > STAND_IN_S:
            return _face(await self._first(name, asked), self._snapshot(), None)
        if not self._is_right(entry, snapshot):
            entry = await self._renew(name, asked, entry, wait_s)
            snapshot = self._snapshot()
        return _face(entry, snapshot, self._failures.get(name))

    async def draft(self, question: Question | str) -> Result:
        """Run `question` now; its result is kept by nobody but the caller."""
        asked = Question(question) if isinstance(question, str) else question
        into = self._folder / f"draft-{uuid.uuid4().hex}.arrow"
        try:
            with self._follower.hold() as snapshot:
                ran = await self._runner.run(asked, snapshot, into)
                schemas = _schemas(asked.sql)
            label = _label(ran, into, snapshot, schemas, etag=into.stem.removeprefix("draft-"))
            # The mapping outlives the name.
            return await asyncio.to_thread(open_result, self._folder, label)
        finally:
            into.unlink(missing_ok=True)

    async def forget(self) -> int:
        """Drop every kept answer, also from the disk; how many files there were.

        A run on an older snapshot that is under way ends first, so that nothing of it stays.
        """
        await asyncio.gather(*self._flights.values(), return_exceptions=True)
        self._entries.clear()
        return await asyncio.to_thread(clear, self._folder)

    async def close(self) -> None:
        """Wait for no run any more."""
        flights = list(self._flights.values())
        for flight in flights:
            flight.cancel()
        await asyncio.gather(*flights, return_exceptions=True)

    async def _find(self, name: str) -> Entry | None:
        entry = self._entries.get(name)
        if entry is None:
            entry = await asyncio.to_thread(load, self._folder, name)
            if entry is not None:
                self._remember(name, entry)
        else:
            self._entries.move_to_end(name)
        return entry

    def _is_right(self, entry: Entry, snapshot: Snapshot | None) -> bool:
        """Whether a run now could not, or need not yet, give another answer."""
        if _age_s(entry) < self._fresh_for_s:
            return True
        if snapshot is None or snapshot.number != entry.result.snapshot:
            return False
        moment = _moment(entry.changes, datetime.now(UTC))
        return moment == _moment(entry.changes, entry.result.ran_at)

    async def _first(self, name: str, asked: Question) -> Entry:
        failure = self._failures.get(name)
        if failure and monotonic() < failure.until:
            raise type(failure.error)(failure.error.message, hint=failure.error.hint)
        return await asyncio.shield(self._fly(name, asked))

    async def _renew(self, name: str, asked: Question, entry: Entry, wait_s: float) -> Entry:
        """Let a new run begin behind; the entry to serve meanwhile."""
        failure = self._failures.get(name)
        if failure and monotonic() < failure.until:
            return entry
        flight = self._fly(name, asked)
        if wait_s > 0:
            await asyncio.wait([flight], timeout=wait_s)
        return self._entries.get(name, entry)

    def _fly(self, name: str, asked: Question) -> asyncio.Task[Entry]:
        """The one run of this name that may be under way."""
        flight = self._flights.get(name)
        if flight is None:
            flight = asyncio.create_task(self._run(name, asked))
            self._flights[name] = flight
            flight.add_done_callback(lambda done: self._land(name, done))
        return flight

    def _land(self, name: str, flight: asyncio.Task[Entry]) -> None:
        self._flights.pop(name, None)
        if not flight.cancelled():
            flight.exception()  # seen: whoever waits gets it, and if nobody does, it is recorded

    async def _run(self, name: str, asked: Question) -> Entry:
        began = monotonic()
        try:
            entry = await self._run_now(name, asked)
        except (Busy, NoSnapshot):
            raise  # says nothing about the query
        except TurnoutError as error:
            pause_s = max(PAUSE_MIN_S, PAUSE_PER_FAILURE * (monotonic() - began))
            if len(self._failures) >= FAILURES_MAX:
                self._failures.clear()
            self._failures[name] = _Failure(error, monotonic() + pause_s)
            log.info("clip_failed", answer=name, problem=type(error).__name__)
            raise
        self._failures.pop(name, None)
        self._remember(name, entry)
        return entry

    async def _run_now(self, name: str, asked: Question) -> Entry:
        with self._follower.hold() as snapshot:
            into = self._folder / f"{name}-{snapshot.number}-{uuid.uuid4().hex[:8]}.arrow"
            ran = await self._runner.run(asked, snapshot, into)
        schemas = await asyncio.to_thread(_schemas, asked.sql)
        change = changes(asked.sql)
        etag = _hash(name, str(snapshot.number), _moment(change, ran.ran_at))[:24]
        label = _label(ran, into, snapshot, schemas, etag=etag, change=change)
        entry = await asyncio.to_thread(store, self._folder, name, label)
        self._unswept_bytes += ran.bytes
        if self._unswept_bytes > SWEEP_EVERY_BYTES:
            self._unswept_bytes = 0
            await asyncio.to_thread(sweep, self._folder, DISK_BYTES_MAX)
        return entry

    def _remember(self, name: str, entry: Entry) -> None:
        self._entries[name] = entry
        self._entries.move_to_end(name)
        while len(self._entries) > OPEN_MAX:
            self._entries.popitem(last=False)

    def _snapshot(self) -> Snapshot | None:
        try:
            return self._follower.current()
        except NoSnapshot:
            return None


def _face(entry: Entry, snapshot: Snapshot | None, failure: _Failure | None) -> Result:
    """The entry as it is shown now: with the newest knowledge of its age, and its mark."""
    result = entry.result
    if snapshot is not None and snapshot.number == result.snapshot:
        as_of = _as_of(entry.schemas, snapshot)
        return result if as_of == result.as_of else replace(result, as_of=as_of)
    if failure is not None:
        return replace(result, is_stale=True, problem=str(failure.error))
    return result


def _as_of(schemas: list[str] | None, snapshot: Snapshot) -> datetime:
    """When the oldest of these schemas' data left its source; of all where that is not known."""
    if schemas is not None and not schemas:
        return snapshot.published_at
    known = snapshot.as_of
    is_known = schemas is not None and all(schema in known for schema in schemas)
    wanted = schemas if schemas is not None and is_known else known
    return min((known[schema] for schema in wanted), default=snapshot.published_at)


def _moment(change: Change, at: datetime) -> str:
    """What besides the data an answer run at that time depends on."""
    if change == "never":
        return ""
    return at.date().isoformat() if change == "daily" else at.isoformat()


def _schemas(sql: str) -> list[str] | None:
    schemas = schemas_read(sql)
    return None if schemas is None else sorted(schemas)


def _label(  # noqa: PLR0913 - one place where a run becomes what is remembered of it
    ran: Ran,
    into: Path,
    snapshot: Snapshot,
    schemas: list[str] | None,
    *,
    etag: str,
    change: Change = "always",
) -> Label:
    return Label(
        rows_file=into.name,
        fields=ran.fields,
        types=ran.types,
        row_count=ran.row_count,
        truncated=ran.truncated,
        bytes=ran.bytes,
        as_of=_as_of(schemas, snapshot),
        ran_at=ran.ran_at,
        duration_ms=ran.duration_ms,
        snapshot=snapshot.number,
        schemas=schemas,
        changes=change,
        etag=etag,
    )


@functools.lru_cache(maxsize=512)
def _name(key: str, asked: Question) -> str:
    """The name under which this answer is kept. The text is part of it: a key is not trusted."""
    return _hash(key, asked.sql, *_flat(asked.values))[:32]


def _flat(values: Values) -> Iterator[str]:
    """The values as texts, none of which can be taken for two."""
    for name, (type_, text) in values:
        yield from (name, type_, text) if isinstance(text, str) else (name, str(len(text)), *text)


def _hash(*parts: str) -> str:
    digest = hashlib.sha256()
    for part in parts:
        digest.update(part.encode("utf-8", "surrogatepass") + b"\0")
    return digest.hexdigest()


def _age_s(entry: Entry) -> float:
    return (datetime.now(UTC) - entry.result.ran_at).total_seconds()
