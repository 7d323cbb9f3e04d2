"""The part of the journal that is loaded already, and what of it is wanted again."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from turnout.events import layout, naming
from turnout.events.engine import Engine
from turnout.events.journal import journal, segment
from turnout.events.loading.head import split_lines
from turnout.warehouse.duckdb import DIALECT

TYPES = {table: type_ for type_, table in layout.BASES.items()}


@dataclass(frozen=True, slots=True)
class Piece:
    """Lines of whole blocks of one file, and where in it the last of them ends."""

    file: str
    text: bytes
    end: int


@dataclass(frozen=True, slots=True)
class Selection:
    """Which events: those of a table, of a source, received at or after, and before. None: any."""

    schema: str | None = None
    table: str | None = None
    source: str | None = None
    since: datetime | None = None
    until: datetime | None = None

    @property
    def type(self) -> str | None:
        """The type of call in that table."""
        return None if self.table is None else TYPES.get(self.table, "track")

    @property
    def event_table(self) -> str | None:
        """Its name, when it has the calls of one event only."""
        return None if self.table in TYPES else self.table


def pieces(folder: Path, positions: Mapping[str, int], *, bytes_max: int) -> Iterator[Piece]:
    """All that is loaded, oldest file first, about `bytes_max` at a time."""
    for path in segment.segments(folder):
        yield from pieces_of(path, positions.get(path.name, 0), bytes_max=bytes_max)


def pieces_of(path: Path, limit: int, *, bytes_max: int) -> Iterator[Piece]:
    """The proven blocks of one file before `limit`; none when it was retired meanwhile."""
    try:
        file = os.open(path, os.O_RDONLY)
    except FileNotFoundError:
        return
    try:
        yield from _pieces_of(file, path.name, limit, bytes_max)
    finally:
        os.close(file)


def loaded_bytes(folder: Path, positions: Mapping[str, int]) -> int:
    """How much `pieces` reads."""
    return sum(
        min(path.stat().st_size, positions.get(path.name, 0)) for path in segment.segments(folder)
    )


def reach(folder: Path) -> datetime | None:
    """When the first event still in the journal was received; None for an empty journal."""
    return min(
        (at for path in segment.segments(folder) if (at := _begun_at(path)) is not None),
        default=None,
    )


def picked(engine: Engine, text: bytes, wanted: Selection) -> bytes:
    """The lines of `text` that hold events to be stored and are `wanted`."""
    lines = split_lines(text)
    engine.execute(
        "CREATE OR REPLACE TABLE past AS SELECT line, json_extract_string(line, "
        "['/type', '/schema', '/source', '/received_at', '/event/event']) AS h "
        "FROM (SELECT CASE WHEN json_valid(line) THEN line END AS line FROM lines) "
        "WHERE line IS NOT NULL",
        lines=lines,
    )
    kept = engine.table(f"SELECT line FROM past WHERE {_condition(engine, wanted)}")["line"]
    return joined(kept)


def joined(lines: pa.ChunkedArray) -> bytes:
    """Lines as text, each ending in a line break."""
    if not len(lines):
        return b""
    whole = pa.concat_arrays([chunk.cast(pa.string()) for chunk in lines.chunks])
    listed = pa.ListArray.from_arrays(pa.array([0, len(whole)], pa.int32()), whole)
    return bytes(pc.binary_join(listed, "\n")[0].as_buffer()) + b"\n"


def _pieces_of(file: int, name: str, limit: int, bytes_max: int) -> Iterator[Piece]:
    at, wanted = 0, bytes_max
    while at < limit:
        text = os.pread(file, min(wanted, limit - at), at)
        blocks = list(segment.whole_blocks(text))
        if blocks:
            end = at + blocks[-1][2]
            yield Piece(name, b"".join(text[start:stop] for start, stop, _ in blocks), end)
            at, wanted = end, bytes_max
        elif at + len(text) >= limit or not text:
            return
        else:
            wanted *= 2


def _begun_at(path: Path) -> datetime | None:
    try:
        with path.open("rb") as file:
            found = journal.RECEIVED_AT.search(file.read(journal.HEAD_BYTES))
    except FileNotFoundError:
        return None
    return datetime.fromisoformat(found[1].decode()).astimezone(UTC) if found else None


def _condition(engine: Engine, wanted: Selection) -> str:
    """Places in `h`: type, schema, source, received_at, event."""
    conditions = ["h[1] IS NOT NULL"]
    for place, value in ((1, wanted.type), (2, wanted.schema), (3, wanted.source)):
        if value is not None:
            conditions.append(f"h[{place}] = {DIALECT.literal(value)}")
    for sign, at in ((">=", wanted.since), ("<", wanted.until)):
        if at is not None:
            naive = at.astimezone(UTC).replace(tzinfo=None)
            conditions.append(f"TRY_CAST(h[4] AS TIMESTAMP) {sign} TIMESTAMP '{naive}'")
    if wanted.event_table is not None:
        conditions.append(_of_table(engine, wanted.event_table, " AND ".join(conditions)))
    return " AND ".join(conditions)


def _of_table(engine: Engine, table: str, condition: str) -> str:
    """Names are made by Python, so each different one is looked at once."""
    names = engine.rows(f"SELECT DISTINCT h[5] FROM past WHERE {condition}")
    fitting = [name for (name,) in names if name is not None and naming.event_table(name) == table]
    return f"h[5] IN ({', '.join(map(DIALECT.literal, fitting))})" if fitting else "false"
