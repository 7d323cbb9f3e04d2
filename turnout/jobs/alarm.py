"""Who is told when the copies of a source fail or grow old: what is said, and when again.

Nothing here knows a value of any row: messages name sources, tables and columns.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

import msgspec

from turnout.config import Alarm

VERSION = 1
FAILED, STALE, SLOT_LOST, FINDINGS, RECOVERED = (
    "failed", "stale", "slot_lost", "findings", "recovered",
)  # fmt: skip
# These last until they are over; the others happen, and each is told once.
LASTING = (FAILED, STALE)


@dataclass(frozen=True, slots=True)
class Trouble:
    """Something that is wrong with a source since a time."""

    kind: str
    text: str
    since: datetime
    tables: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Message:
    """What is sent. Its keys and their meaning stay the same within a version."""

    kind: str
    source: str
    text: str
    since: datetime
    at: datetime
    tables: tuple[str, ...] = ()
    page: str = ""
    # Of a recovery, what is over.
    of: str = ""
    version: int = VERSION

    def body(self) -> bytes:
        """As JSON."""
        fields = {name: getattr(self, name) for name in self.__slots__}
        return msgspec.json.encode({name: fields[name] for name in sorted(fields)})


class Told(msgspec.Struct, frozen=True):
    """The last message of a kind: when it was sent, and since when it was so."""

    at: datetime
    since: datetime


@dataclass
class Bell:
    """The alarm of one source. What was told is kept in a file, so that a restart rings nobody."""

    source: str
    settings: Alarm
    place: Path
    page: str
    _told: dict[str, Told] = field(default_factory=dict)
    _is_read: bool = False

    def due(
        self, troubles: Sequence[Trouble], now: datetime, *, over: Iterable[str] = LASTING
    ) -> Iterator[Message]:
        """What has to be told now. `over` are kinds known to be over unless `troubles` has them."""
        told = self._known()
        for trouble in troubles:
            if self._is_due(trouble, told.get(trouble.kind), now):
                yield self._message(trouble.kind, trouble.text, trouble.since, now, trouble.tables)
        lasting = {trouble.kind for trouble in troubles}
        for kind in over:
            if kind in told and kind not in lasting:
                text = f"{self.source} is copied again." if kind == FAILED else self._fresh()
                yield self._message(RECOVERED, text, told[kind].since, now, of=kind)

    def told(self, message: Message) -> None:
        """It was sent: it is not told again too soon."""
        known = dict(self._known())
        if message.kind == RECOVERED:
            known.pop(message.of, None)
        else:
            known[message.kind] = Told(message.at, message.since)
        self._told = known
        self.place.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        beside = self.place.with_suffix(".new")
        beside.write_bytes(msgspec.json.encode(known))
        beside.replace(self.place)

    def _is_due(self, trouble: Trouble, told: Told | None, now: datetime) -> bool:
        if told is None:
            return True
        if trouble.kind not in LASTING and trouble.since <= told.since:
            return False
        return now - told.at >= timedelta(seconds=self.settings.again_after_s)

    def _message(  # noqa: PLR0913, PLR0917 - what a message has
        self,
        kind: str,
        text: str,
        since: datetime,
        now: datetime,
        tables: tuple[str, ...] = (),
        of: str = "",
    ) -> Message:
        return Message(kind, self.source, text, since, now, tables, self.page, of)

    def _fresh(self) -> str:
        return f"The copy of {self.source} is fresh again."

    def _known(self) -> Mapping[str, Told]:
        if not self._is_read:
            self._is_read = True
            self._told = _read(self.place)
        return self._told


def _read(place: Path) -> dict[str, Told]:
    try:
        return msgspec.json.decode(place.read_bytes(), type=dict[str, Told])
    except (OSError, msgspec.MsgspecError):  # none yet, or of another version: told once more
        return {}
