"""Journal → warehouse, exactly once in effect: rows and offsets commit in one transaction.

A load takes what is proven in the journal after the stored offsets, shapes it and writes it; while
it writes, the next is being read and shaped. Cut anywhere, it has done nothing; run again, it does
the same. A message already stored is a duplicate and is left out of every table; one that makes
loading fail is rejected alone.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import structlog

from turnout.config import Membership
from turnout.errors import WarehouseUnavailable
from turnout.events import layout
from turnout.events.identity import Identity
from turnout.events.journal import journal
from turnout.events.loading import books
from turnout.events.loading.books import Books, Load, Part
from turnout.events.loading.family import Exact
from turnout.events.loading.known import Known
from turnout.events.loading.recall import recall
from turnout.events.loading.retyped import exact_columns
from turnout.events.loading.routing import Catalog
from turnout.events.loading.shape import Shaper, Unit, arrivals_of
from turnout.events.loading.sieve import as_rejected, sift
from turnout.events.loading.writing import (
    NO_REPEATS,
    NOTHING_DISCARDED,
    LosesDigits,
    Tools,
    Writing,
)
from turnout.warehouse import Table, Transaction, Warehouse

__all__ = ["Load", "Loader"]

log = structlog.get_logger()

# Each table costs a few statements a unit, however few rows it gets.
UNIT_BYTES_MAX = 64 * 1024 * 1024
RESOLUTION = timedelta(microseconds=1)
# The index of known ids lies beside the journal.
KNOWN = "known"


@dataclass(frozen=True, slots=True)
class Shaped:
    """Lines from the journal and the rows they became, planned for the tables of `catalog`.

    `unit` is None where shaping failed.
    """

    found: journal.Pending
    text: bytes
    catalog: Catalog
    loaded_at: datetime
    unit: Unit | None


class Loader:
    """Loads the journal in `journal_folder` into `warehouse`; the only one who does."""

    def __init__(
        self, journal_folder: Path, warehouse: Warehouse, membership: Membership | None = None
    ) -> None:
        """Creates the books and the default source's tables, so that queries on them work."""
        self._folder = journal_folder
        self._warehouse = warehouse
        self._shaper = Shaper()
        self._identity = Identity(warehouse.dialect, membership)
        self._known = Known(journal_folder.with_name(KNOWN))
        self._catalog: dict[str, dict[str, Table]] = {}
        self._positions: dict[str, int] = {}
        self._exact: Exact = frozenset()
        self._clock = LoadClock()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="load")
        self._ahead: Future[Shaped | None] | None = None
        self._refresh()
        self._create_first_tables()
        self._identity.open(warehouse, self._shaper.engine, self._catalog)
        recall(self._known, warehouse, self._shaper.engine, self._catalog)

    @property
    def positions(self) -> Mapping[str, int]:
        """How far each journal file is loaded: what `journal.retire` asks for."""
        return self._positions

    @property
    def schemas(self) -> list[str]:
        """The schemas whose rows come from events alone: as new as what was loaded."""
        found = layout.event_schemas(self._catalog)
        return found if self._identity.reads_tables else [*found, self._identity.schema]

    def load(self, *, bytes_max: int = UNIT_BYTES_MAX) -> Load | None:
        """One unit in one transaction; None when the journal holds nothing new.

        A unit that fails is sifted: its good lines are loaded, those that cannot be are rejected.
        Raises `WarehouseUnavailable` or `LoadFailed` when the books cannot be written either.
        """
        started = time.perf_counter()
        shaped = self._next(bytes_max)
        if shaped is None:
            return None
        found = shaped.found
        if found.damaged_bytes:
            # Never acknowledged (a process was killed while writing), or a damaged disk.
            log.warning("journal bytes passed over", bytes=found.damaged_bytes)
        load = self._load_whole(shaped, bytes_max, started)
        if load is None:
            load = self._load_sifted(shaped, started)
        self._positions |= found.positions
        return load if load.received else None

    def backlog_bytes(self) -> int:
        """Bytes in the journal that are not loaded yet."""
        return journal.backlog_bytes(self._folder, self._positions)

    def refresh(self) -> None:
        """Learn everything anew, after something else has changed the warehouse."""
        self._forget_ahead()
        self._refresh()
        recall(self._known, self._warehouse, self._shaper.engine, self._catalog)

    def close(self) -> None:
        """Let go of the shaping engine; the warehouse belongs to whoever opened it."""
        self._forget_ahead()
        self._thread.shutdown()
        self._shaper.close()

    def _next(self, bytes_max: int) -> Shaped | None:
        """What was shaped ahead, if it was, or what the journal has now."""
        if self._ahead is not None:
            ahead, self._ahead = self._ahead.result(), None
            if ahead is not None:
                return ahead
        return self._shape(self._positions, self._catalog, bytes_max)

    def _shape(
        self, positions: Mapping[str, int], catalog: Catalog, bytes_max: int
    ) -> Shaped | None:
        """Read and shape what lies after `positions`, for tables as they are in `catalog`."""
        found = journal.pending(self._folder, positions, bytes_max=bytes_max)
        if not found.positions:
            return None
        text = b"".join(found.blocks)
        loaded_at = self._clock.now()
        try:
            unit = self._shaper.shape(text, catalog, loaded_at, self._exact)
        except Exception:  # noqa: BLE001 -- sifting will find out which lines are to blame
            return Shaped(found, text, catalog, loaded_at, None)
        return Shaped(found, text, catalog, loaded_at, unit)

    def _load_whole(self, shaped: Shaped, bytes_max: int, started: float) -> Load | None:
        """All of it in one transaction; None when that cannot be."""
        try:
            while shaped.unit is not None:
                try:
                    return self._write_whole(shaped, shaped.unit, bytes_max, started)
                except LosesDigits as refusal:
                    self._exact |= {refusal.column}
                    unit = self._shaper.shape(
                        shaped.text, self._catalog, shaped.loaded_at, self._exact
                    )
                    shaped = replace(shaped, catalog=self._catalog, unit=unit)
        except WarehouseUnavailable:
            raise
        except Exception as error:  # noqa: BLE001 -- whatever one event causes must not stop all others
            log.info("a load is sifted", problem=type(error.__cause__ or error).__name__)
        return None

    def _write_whole(self, shaped: Shaped, unit: Unit, bytes_max: int, started: float) -> Load:
        with self._transaction() as transaction:
            if shaped.found.size >= bytes_max // 2:
                self._ahead = self._thread.submit(
                    self._shape,
                    self._positions | shaped.found.positions,
                    unit.catalog_after(shaped.catalog),
                    bytes_max,
                )
            writing = self._writing(transaction, shaped.loaded_at)
            part = _write(writing, unit)
            load, counts = self._conclude(transaction, shaped.found, [part], started)
        self._committed(writing)
        books.count(counts, [part], load.duration_s)
        return load

    def _load_sifted(self, shaped: Shaped, started: float) -> Load:
        """Good lines in transactions of their own; the books follow once all of them are there.

        Cut in between, the next try finds what was stored already as duplicates.
        """
        self._forget_ahead()
        lines = shaped.text.removesuffix(b"\n").split(b"\n")
        parts, bad = sift(lines, self._load_part)
        refused = as_rejected([line for line, _ in bad], self._clock.now())
        with self._transaction() as transaction:
            parts.append(self._refused(refused))
            load, counts = self._conclude(transaction, shaped.found, parts, started)
        books.count(counts, parts, load.duration_s)
        if bad:
            # Kinds only: an engine's sentence may quote a value.
            problems = sorted({type(error.__cause__ or error).__name__ for _, error in bad})
            log.error("events rejected that cannot be loaded", events=len(bad), problems=problems)
        return load

    def _load_part(self, text: bytes) -> Part:
        loaded_at = self._clock.now()
        try:
            with self._transaction() as transaction:
                unit = self._shaper.shape(text, self._catalog, loaded_at, self._exact)
                writing = self._writing(transaction, loaded_at)
                part = _write(writing, unit)
        except LosesDigits as refusal:
            self._exact |= {refusal.column}
            return self._load_part(text)
        self._committed(writing)
        return part

    def _refused(self, rejected: pa.Table) -> Part:
        arrivals = arrivals_of(self._shaper.engine, rejected)
        return Part(arrivals, rejected, NO_REPEATS, NOTHING_DISCARDED)

    @contextmanager
    def _transaction(self) -> Iterator[Transaction]:
        """One of the warehouse's; after a failure all that may be wrong since is made anew."""
        try:
            with self._warehouse.transaction() as transaction:
                yield transaction
        except BaseException:
            self._forget_ahead()
            # An engine that failed gravely does nothing more: the next lines would seem bad too.
            self._shaper.close()
            self._shaper = Shaper()
            self._refresh()
            raise

    def _writing(self, transaction: Transaction, loaded_at: datetime) -> Writing:
        tools = Tools(self._warehouse.dialect, self._shaper.engine, self._identity, self._known)
        return Writing(tools, transaction, self._catalog, loaded_at)

    def _committed(self, writing: Writing) -> None:
        """Only now is what was written true."""
        self._catalog = writing.catalog
        self._known.add(pa.concat_tables(writing.pairs), writing.loaded_us)

    def _conclude(
        self,
        transaction: Transaction,
        found: journal.Pending,
        parts: Sequence[Part],
        started: float,
    ) -> tuple[Load, pa.Table]:
        """The books: what became of each event, how far the journal is loaded."""
        keeping = Books(
            transaction, self._warehouse.dialect, self._shaper.engine, self._clock.now()
        )
        counts = keeping.keep(parts)
        received, stored, duplicates, rejected = (
            pc.sum(counts[name]).as_py() or 0
            for name in ("received", "stored", "duplicates", "rejected")
        )
        ahead = sum(pc.sum(part.arrivals["ahead"]).as_py() or 0 for part in parts)
        duration_s = time.perf_counter() - started
        load = Load(received, stored, duplicates, rejected, found.size, duration_s, ahead)
        keeping.record(load, found.positions)
        return load, counts

    def _forget_ahead(self) -> None:
        """What was shaped ahead was shaped for tables that are not as they should have become."""
        if self._ahead is not None:
            self._ahead.result()
            self._ahead = None

    def _create_first_tables(self) -> None:
        tables = [*layout.BOOK_TABLES, *layout.core_tables(layout.DEFAULT_SCHEMA)]
        if all(self._has(table) for table in tables):
            return
        with self._warehouse.transaction() as transaction:
            for table in tables:
                transaction.prepare(table)
        self._refresh()

    def _has(self, table: Table) -> bool:
        known = self._catalog.get(table.schema, {}).get(table.name)
        return known is not None and all(known.column(column.name) for column in table.columns)

    def _refresh(self) -> None:
        """Learn tables and positions from the warehouse: at the start, and after a failure."""
        self._catalog = {}
        for table in self._warehouse.tables():
            self._catalog.setdefault(table.schema, {})[table.name] = table
        self._identity.learn(self._catalog)
        if layout.RETYPED.name in self._catalog.get(layout.BOOKS, {}):
            self._exact |= exact_columns(self._warehouse)
        self._positions = {}
        if layout.OFFSETS.name not in self._catalog.get(layout.BOOKS, {}):
            return
        offsets = self._warehouse.query(
            f"SELECT segment, position FROM {self._name(layout.OFFSETS)}"
        )
        self._positions = dict(
            zip(offsets["segment"].to_pylist(), offsets["position"].to_pylist(), strict=True)
        )
        last = self._warehouse.query(f"SELECT max(loaded_at) AS at FROM {self._name(layout.LOADS)}")
        if last["at"][0].is_valid:
            self._clock.follow(last["at"][0].as_py().replace(tzinfo=UTC))

    def _name(self, table: Table) -> str:
        return self._warehouse.dialect.table(table.schema, table.name)


class LoadClock:
    """Now, and never twice the same: it tells the rows of one load from all others."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._last = datetime.min.replace(tzinfo=UTC)

    def now(self) -> datetime:
        with self._lock:
            self._last = max(datetime.now(UTC), self._last + RESOLUTION)
            return self._last

    def follow(self, at: datetime) -> None:
        """Be later than `at` from now on."""
        with self._lock:
            self._last = max(self._last, at)


def _write(writing: Writing, unit: Unit) -> Part:
    """All rows of `unit` that are not there yet, and what the books will say."""
    writing.write(unit)
    repeats = pa.concat_tables([unit.repeats, *writing.repeats])
    return Part(unit.arrivals, unit.rejected, repeats, writing.discarded, unit.notices)
