"""Journal → warehouse, exactly once in effect: rows and offsets commit in one transaction.

A load takes what is proven in the journal after the stored offsets, shapes it and writes it.
Cut anywhere, it has done nothing; run again, it does the same. A message already stored is a
duplicate and is left out of every table; one that makes loading fail is rejected alone.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import structlog

from turnout.config import Membership
from turnout.errors import WarehouseUnavailable
from turnout.events import journal, layout
from turnout.events.identity import Identity
from turnout.events.shape import Shaper
from turnout.events.sieve import as_rejected, sift
from turnout.events.writing import Writing, failing_in
from turnout.warehouse import Table, Transaction, Warehouse

log = structlog.get_logger()

UNIT_BYTES_MAX = 32 * 1024 * 1024
RESOLUTION = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class Load:
    """What one load did: received = stored + duplicates + rejected."""

    received: int
    stored: int
    duplicates: int
    rejected: int
    bytes: int
    duration_s: float


@dataclass(frozen=True, slots=True)
class Part:
    """What became of some lines; `rejected` and `repeats` (at the door) are not written yet."""

    received: int
    stored: int
    rejected: pa.Table
    repeats: pa.Table


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
        self._catalog: dict[str, dict[str, Table]] = {}
        self._positions: dict[str, int] = {}
        self._loaded_at = datetime.min.replace(tzinfo=UTC)
        self._refresh()
        self._create_first_tables()
        self._identity.open(warehouse, self._shaper.engine, self._catalog)

    @property
    def positions(self) -> Mapping[str, int]:
        """How far each journal file is loaded: what `journal.retire` asks for."""
        return self._positions

    def load(self, *, bytes_max: int = UNIT_BYTES_MAX) -> Load | None:
        """One unit in one transaction; None when the journal holds nothing new.

        A unit that fails is sifted: its good lines are loaded, those that cannot be are rejected.
        Raises `WarehouseUnavailable` or `LoadFailed` when the books cannot be written either.
        """
        started = time.perf_counter()
        found = journal.pending(self._folder, self._positions, bytes_max=bytes_max)
        if not found.positions:
            return None
        if found.damaged_bytes:
            # Never acknowledged (a process was killed while writing), or a damaged disk.
            log.warning("journal bytes passed over", bytes=found.damaged_bytes)
        text = b"".join(found.blocks)
        try:
            with self._transaction() as transaction:
                part = self._write(transaction, text)
                load = self._conclude(transaction, found, [part], started)
        except WarehouseUnavailable:
            raise
        except Exception:  # noqa: BLE001 -- whatever one event causes must not stop all others
            load = self._load_sifted(text, found, started)
        self._positions |= found.positions
        return load if load.received else None

    def backlog_bytes(self) -> int:
        """Bytes in the journal that are not loaded yet."""
        return journal.backlog_bytes(self._folder, self._positions)

    def refresh(self) -> None:
        """Learn tables and positions anew, after something else has changed them."""
        self._refresh()

    def close(self) -> None:
        """Let go of the shaping engine; the warehouse belongs to whoever opened it."""
        self._shaper.close()

    def _load_sifted(self, text: bytes, found: journal.Pending, started: float) -> Load:
        """Good lines in transactions of their own; the books follow once all of them are there.

        Cut in between, the next try finds what was stored already as duplicates.
        """
        parts, bad = sift(text.removesuffix(b"\n").split(b"\n"), self._load_part)
        refused = as_rejected([line for line, _ in bad])
        with self._transaction() as transaction:
            parts.append(Part(refused.num_rows, 0, refused, refused.slice(0, 0).select(["id"])))
            load = self._conclude(transaction, found, parts, started)
        if bad:
            # Kinds only: an engine's sentence may quote a value.
            problems = sorted({type(error.__cause__ or error).__name__ for _, error in bad})
            log.error("events rejected that cannot be loaded", events=len(bad), problems=problems)
        return load

    def _load_part(self, text: bytes) -> Part:
        with self._transaction() as transaction:
            return self._write(transaction, text)

    @contextmanager
    def _transaction(self) -> Iterator[Transaction]:
        """One of the warehouse's; after a failure all that may be wrong since is made anew."""
        try:
            with self._warehouse.transaction() as transaction:
                yield transaction
        except BaseException:
            # An engine that failed gravely does nothing more: the next lines would seem bad too.
            self._shaper.close()
            self._shaper = Shaper()
            self._refresh()
            raise

    def _write(self, transaction: Transaction, text: bytes) -> Part:
        """The rows of the lines in `text`, all but the rejected ones."""
        loaded_at = self._next_loaded_at()
        unit = self._shaper.shape(text, self._catalog, loaded_at)
        writing = Writing(
            transaction,
            self._warehouse.dialect,
            self._shaper,
            self._catalog,
            loaded_at,
            self._identity,
        )
        stored = writing.write(unit)
        self._catalog = writing.catalog
        return Part(unit.received, stored, unit.rejected, unit.repeats)

    def _conclude(
        self,
        transaction: Transaction,
        found: journal.Pending,
        parts: Sequence[Part],
        started: float,
    ) -> Load:
        """The books: what was rejected, how far the journal is loaded, what this load did."""
        for part in parts:
            for table, rows in (
                (layout.REJECTED, part.rejected),
                (layout.DUPLICATES, part.repeats),
            ):
                with failing_in(table):
                    transaction.append(table, rows)
        received, stored, rejected = (
            sum(part.received for part in parts),
            sum(part.stored for part in parts),
            sum(part.rejected.num_rows for part in parts),
        )
        load = Load(
            received, stored, received - stored - rejected, rejected, found.size,
            time.perf_counter() - started,
        )  # fmt: skip
        _record(transaction, load, found.positions, self._next_loaded_at())
        return load

    def _next_loaded_at(self) -> datetime:
        """Now, and never twice the same: it tells the rows of one load from all others."""
        self._loaded_at = max(datetime.now(UTC), self._loaded_at + RESOLUTION)
        return self._loaded_at

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
            self._loaded_at = max(self._loaded_at, last["at"][0].as_py().replace(tzinfo=UTC))

    def _name(self, table: Table) -> str:
        return self._warehouse.dialect.table(table.schema, table.name)


def _record(
    transaction: Transaction, load: Load, positions: Mapping[str, int], loaded_at: datetime
) -> None:
    """How far the journal is loaded, and what this load did."""
    at = loaded_at.replace(tzinfo=None)
    offsets = [
        {"segment": segment, "position": position, "updated_at": at}
        for segment, position in positions.items()
    ]
    transaction.merge(layout.OFFSETS, pa.Table.from_pylist(offsets))
    if load.received:
        transaction.append(layout.LOADS, pa.Table.from_pylist([{"loaded_at": at, **asdict(load)}]))
