"""Who sent what, what of it was acknowledged, and what the warehouse must say in the end."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from turnout.config import Config
from turnout.events.journal import journal
from turnout.events.loading.load import Loader
from turnout.warehouse import Warehouse, open_warehouse

TABLE = "analytics.flowed"
EVERYTHING = 2**40


@dataclass
class Ledger:
    """Ids of good events; of those that must be refused only how many were acknowledged."""

    sent: set[str] = field(default_factory=set)
    acknowledged: set[str] = field(default_factory=set)
    refused: int = 0
    retries: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def note_sent(self, ids: Iterable[str]) -> None:
        with self._lock:
            self.sent.update(ids)

    def note_acknowledged(self, ids: Iterable[str], refused: int) -> None:
        with self._lock:
            self.acknowledged.update(ids)
            self.refused += refused

    def note_retry(self) -> None:
        with self._lock:
            self.retries += 1


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of a ledger. All is well when the four last are nothing."""

    acknowledged: int
    received: int
    duplicates: int
    rejected: int
    lost: int
    doubled: int
    invented: int
    unbalanced: str = ""

    @property
    def is_good(self) -> bool:
        return not (self.lost or self.doubled or self.invented or self.unbalanced)


def settle(config: Config, ledger: Ledger) -> Verdict:
    """Load what the journal still holds, with nothing else running, and compare."""
    warehouse = open_warehouse(config)
    try:
        loader = Loader(config.journal_folder, warehouse)
        try:
            while journal.backlog_bytes(config.journal_folder, loader.positions):
                loader.load()
        finally:
            loader.close()
        return compare(warehouse, ledger)
    finally:
        warehouse.close()


def compare(warehouse: Warehouse, ledger: Ledger) -> Verdict:
    """The ledger against the tables and the books."""
    rows = _values(warehouse, f"SELECT id FROM {TABLE}")
    stored = set(rows)
    received, kept, duplicates, rejected = _sums(warehouse)
    return Verdict(
        acknowledged=len(ledger.acknowledged),
        received=received,
        duplicates=duplicates,
        rejected=rejected,
        lost=len(ledger.acknowledged - stored),
        doubled=len(rows) - len(stored),
        invented=len(stored - ledger.sent),
        unbalanced=_unbalanced(warehouse, ledger, (received, kept, duplicates, rejected), rows),
    )


def _unbalanced(
    warehouse: Warehouse, ledger: Ledger, sums: tuple[int, ...], rows: list[str]
) -> str:
    """The first thing in the books that does not add up."""
    received, stored, duplicates, rejected = sums
    if received != stored + duplicates + rejected:
        return f"received {received} = {stored} + {duplicates} + {rejected}"
    if stored != len(rows):
        return f"{stored} stored in the books, {len(rows)} in the table"
    [written] = _values(warehouse, "SELECT count(*) FROM _turnout.rejected_events")
    if rejected != written or rejected < ledger.refused:
        return f"{rejected} rejected in the books, {written} kept, {ledger.refused} acknowledged"
    [tracks] = _values(warehouse, "SELECT count(*) FROM analytics.tracks")
    return "" if tracks == len(rows) else f"{tracks} tracks, {len(rows)} in the event's own table"


def _sums(warehouse: Warehouse) -> tuple[int, ...]:
    names = ("received", "stored", "duplicates", "rejected")
    found = warehouse.query(
        f"SELECT {', '.join(f'CAST(coalesce(sum({n}), 0) AS BIGINT) AS {n}' for n in names)} "
        "FROM _turnout.source_counts"
    ).to_pylist()[0]
    return tuple(found[name] for name in names)


def _values(warehouse: Warehouse, sql: str) -> list[Any]:
    [column] = warehouse.query(sql).columns
    return list(column.to_pylist())
