"""Rebuilding rows from the raw journal, as far as it reaches; older rows stay as they are.

Piece by piece, each in one transaction: cut anywhere, every row is whole, and the next run does
the same again. Users and accounts are then made anew from the calls that are stored.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from turnout.errors import BadRequest
from turnout.events import layout
from turnout.events.engine import Engine
from turnout.events.loading.shape import Shaper
from turnout.events.loading.sieve import sift
from turnout.events.loading.writing import LosesDigits
from turnout.events.upkeep import past
from turnout.events.upkeep.newest import rebuild_newest
from turnout.events.upkeep.past import Piece, Selection
from turnout.events.upkeep.rebuilding import Rebuilding
from turnout.events.upkeep.upkeep import Report, Upkeep, find_table, now_utc
from turnout.warehouse import Table

PIECE_BYTES = 16 * 1024 * 1024
# The table that each derived one follows from.
CALLS_OF = {newest: calls for calls, (newest, _) in layout.LATEST.items()}


def replay(work: Upkeep, parameters: Mapping[str, Any]) -> Report:
    """Rebuild what `parameters` choose: `table`, `source`, `since`, `until`; all may be absent.

    With `is_plan` only says what it would do.
    """
    wanted = _selection(work, parameters)
    if parameters.get("is_plan"):
        return _plan(work, wanted)
    if wanted.table in CALLS_OF and wanted.schema is not None:
        _rebuild_newest(work, wanted.schema, CALLS_OF[wanted.table])
        table = f"{wanted.schema}.{wanted.table}"
        return Report(f"{table} was made anew from its calls.", {}, changed=True)
    replayer = _Replayer(work, wanted)
    try:
        replayer.run()
    finally:
        replayer.close()
        work.loader.refresh()
    return Report(replayer.sentence, {"rebuilt": replayer.rebuilt}, changed=True)


class _Replayer:
    """One run over the journal."""

    def __init__(self, work: Upkeep, wanted: Selection) -> None:
        self.rebuilt = 0
        self.unable = 0
        self._work = work
        self._wanted = wanted
        self._engine = Engine()
        self._shaper = Shaper()
        self._identity = work.identity()
        self._catalog: Mapping[str, Mapping[str, Table]] = work.catalog()
        self._exact = work.exact()
        self._loaded_at = now_utc()

    @property
    def sentence(self) -> str:
        said = f"Rebuilt {self.rebuilt:,} events from the journal."
        if self.unable:
            said += f" {self.unable:,} could not be rebuilt: their rows stay as they were."
        return said

    def close(self) -> None:
        self._engine.close()
        self._shaper.close()

    def run(self) -> None:
        work = self._work
        folder, positions = work.journal_folder, dict(work.loader.positions)
        total, done = past.loaded_bytes(folder, positions), 0
        files: dict[str, int] = {}
        for piece in past.pieces(folder, positions, bytes_max=PIECE_BYTES):
            work.tell("Rebuilding", done, total)
            self._rebuild(piece)
            done += piece.end - files.get(piece.file, 0)
            files[piece.file] = piece.end
        for schema in layout.event_schemas(self._catalog):
            if self._wanted.schema in (None, schema):
                for calls in self._calls():
                    _rebuild_newest(work, schema, calls)

    def _calls(self) -> list[str]:
        """The tables whose users or accounts may have changed."""
        wanted = self._wanted.table
        return [calls for calls in layout.LATEST if wanted in (None, calls)]

    def _rebuild(self, piece: Piece) -> None:
        lines = past.picked(self._engine, piece.text, self._wanted)
        if not lines:
            return
        counts, bad = sift(lines.removesuffix(b"\n").split(b"\n"), self._rebuild_lines)
        self.rebuilt += sum(counts)
        self.unable += len(bad)

    def _rebuild_lines(self, lines: bytes) -> int:
        self._loaded_at = now_utc(self._loaded_at)
        warehouse = self._work.warehouse
        try:
            with warehouse.transaction() as transaction:
                rebuilding = Rebuilding(
                    transaction,
                    warehouse.dialect,
                    self._shaper,
                    self._identity,
                    self._catalog,
                    exact=self._exact,
                )
                count = rebuilding.rebuild(lines, self._loaded_at)
        except LosesDigits as refusal:
            self._exact |= {refusal.column}
            return self._rebuild_lines(lines)
        except Exception:
            # The engine may be of no use any more, and what it knew of the tables is wrong.
            self._shaper.close()
            self._shaper = Shaper()
            raise
        self._catalog = rebuilding.catalog
        return count


def _rebuild_newest(work: Upkeep, schema: str, calls: str) -> None:
    with work.warehouse.transaction() as transaction:
        rebuild_newest(transaction, work.warehouse.dialect, work.catalog()[schema][calls])


def _selection(work: Upkeep, parameters: Mapping[str, Any]) -> Selection:
    schema = table = None
    if parameters.get("table"):
        found = find_table(work.catalog(), str(parameters["table"]))
        schema, table = found.schema, found.name
    since, until = (_moment(parameters.get(name)) for name in ("since", "until"))
    if since is not None and until is not None and since >= until:
        raise BadRequest("The range ends before it begins.", hint="--since comes before --until.")
    return Selection(schema, table, parameters.get("source"), since, until)


def _moment(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text).astimezone(UTC)


def _plan(work: Upkeep, wanted: Selection) -> Report:
    """How many rows lie within the journal's reach, and how many do not."""
    reach = past.reach(work.journal_folder)
    if wanted.table in CALLS_OF:
        name = f"{wanted.schema}.{wanted.table}"
        calls = f"{wanted.schema}.{CALLS_OF[wanted.table or '']}"
        return Report(f"{name} will be made anew from all rows of {calls}.", {"rows": 1})
    if reach is None:
        return Report("The journal is empty: there is nothing to rebuild from.", {"rows": 0})
    within, before = _counted(work, wanted, reach)
    what = f"{wanted.schema}.{wanted.table}" if wanted.table else "all tables of events"
    said = (
        f"The journal reaches back to {reach:%Y-%m-%d %H:%M:%S} UTC. "
        f"{within:,} events of {what} since then will be rebuilt; "
    )
    said += f"{before:,} older ones stay as they are." if before else "there are no older ones."
    return Report(said, {"rows": within, "older": before})


def _counted(work: Upkeep, wanted: Selection, reach: datetime) -> tuple[int, int]:
    """Rows of the chosen events received since `reach`, and before."""
    catalog = work.catalog()
    schemas = [wanted.schema] if wanted.schema else layout.event_schemas(catalog)
    tables = [wanted.table] if wanted.table else list(layout.BASES.values())
    conditions = ["true"]
    values: list[Any] = [reach.replace(tzinfo=None)]
    for condition, value in (
        ("_source = ?", wanted.source),
        ("received_at >= ?", wanted.since and wanted.since.replace(tzinfo=None)),
        ("received_at < ?", wanted.until and wanted.until.replace(tzinfo=None)),
    ):
        if value is not None:
            conditions.append(condition)
            values.append(value)
    rows = 0, 0
    for schema in schemas:
        for table in tables:
            name = work.warehouse.dialect.table(schema, table)
            found = work.warehouse.query(
                "SELECT count(*) FILTER (received_at >= ?) AS within, count(*) AS rows "
                f"FROM {name} WHERE {' AND '.join(conditions)}",
                values,
            )
            within, all_rows = found["within"][0].as_py(), found["rows"][0].as_py()
            rows = rows[0] + within, rows[1] + all_rows - within
    return rows
