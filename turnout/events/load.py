"""Journal → warehouse, exactly once in effect: rows and offsets commit in one transaction.

A load takes what is proven in the journal after the stored offsets, shapes it and writes it.
Cut anywhere, it has done nothing; run again, it does the same. A message already stored is a
duplicate and is left out of every table.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import structlog

from turnout.events import journal, layout
from turnout.events.shape import Shaper, Unit
from turnout.events.writing import Writing
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


class Loader:
    """Loads the journal in `journal_folder` into `warehouse`; the only one who does."""

    def __init__(self, journal_folder: Path, warehouse: Warehouse) -> None:
        """Creates the books and the default source's tables, so that queries on them work."""
        self._folder = journal_folder
        self._warehouse = warehouse
        self._shaper = Shaper()
        self._catalog: dict[str, dict[str, Table]] = {}
        self._positions: dict[str, int] = {}
        self._loaded_at = datetime.min.replace(tzinfo=UTC)
        self._refresh()
        self._create_first_tables()

    @property
    def positions(self) -> Mapping[str, int]:
        """How far each journal file is loaded: what `journal.retire` asks for."""
        return self._positions

    def load(self, *, bytes_max: int = UNIT_BYTES_MAX) -> Load | None:
        """One unit in one transaction; None when the journal holds nothing new.

        Raises `LoadFailed` when a table could not be written; then nothing was.
        """
        started = time.perf_counter()
        found = journal.pending(self._folder, self._positions, bytes_max=bytes_max)
        if not found.positions:
            return None
        if found.damaged_bytes:
            # Never acknowledged (a process was killed while writing), or a damaged disk.
            log.warning("journal bytes passed over", bytes=found.damaged_bytes)
        loaded_at = self._next_loaded_at()
        unit = self._shaper.shape(b"".join(found.blocks), self._catalog, loaded_at)
        try:
            with self._warehouse.transaction() as transaction:
                writing = Writing(
                    transaction, self._warehouse.dialect, self._shaper, self._catalog, loaded_at
                )
                stored = writing.write(unit)
                load = _summary(unit, stored, found.size, time.perf_counter() - started)
                _record(transaction, load, found.positions, loaded_at)
        except BaseException:
            self._refresh()
            raise
        self._catalog = writing.catalog
        self._positions |= found.positions
        return load if unit.received else None

    def backlog_bytes(self) -> int:
        """Bytes in the journal that are not loaded yet."""
        return journal.backlog_bytes(self._folder, self._positions)

    def close(self) -> None:
        """Let go of the shaping engine; the warehouse belongs to whoever opened it."""
        self._shaper.close()

    def _next_loaded_at(self) -> datetime:
        """Now, and never twice the same: it tells the rows of one load from all others."""
        self._loaded_at = max(datetime.now(UTC), self._loaded_at + RESOLUTION)
        return self._loaded_at

    def _create_first_tables(self) -> None:
        tables = [*layout.BOOK_TABLES, *layout.core_tables(layout.DEFAULT_SCHEMA)]
        if all(table.name in self._catalog.get(table.schema, {}) for table in tables):
            return
        with self._warehouse.transaction() as transaction:
            for table in tables:
                transaction.prepare(table)
        self._refresh()

    def _refresh(self) -> None:
        """Learn tables and positions from the warehouse: at the start, and after a failure."""
        self._catalog = {}
        for table in self._warehouse.tables():
            self._catalog.setdefault(table.schema, {})[table.name] = table
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


def _summary(unit: Unit, stored: int, size: int, duration_s: float) -> Load:
    rejected = unit.rejected.num_rows
    duplicates = unit.received - rejected - stored
    return Load(unit.received, stored, duplicates, rejected, size, duration_s)


def _record(
    transaction: Transaction, load: Load, positions: Mapping[str, int], loaded_at: datetime
) -> None:
    """The books: how far the journal is loaded, and what this load did."""
    at = loaded_at.replace(tzinfo=None)
    offsets = [
        {"segment": segment, "position": position, "updated_at": at}
        for segment, position in positions.items()
    ]
    transaction.merge(layout.OFFSETS, pa.Table.from_pylist(offsets))
    if load.received:
        transaction.append(layout.LOADS, pa.Table.from_pylist([{"loaded_at": at, **asdict(load)}]))
