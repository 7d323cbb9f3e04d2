"""Rows made again from their journal lines, in place of those that came of the same lines.

A row belongs to a line when id and arrival agree: of several lines with one id the first one has
won, and stays the winner, also when the journal no longer has it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime

import pyarrow as pa

from turnout.events import layout
from turnout.events.family import Family, Shaped
from turnout.events.identity import Identity
from turnout.events.shape import Shaper
from turnout.events.sieve import NOT_LOADABLE
from turnout.events.writing import Tools, Writing
from turnout.warehouse import Dialect, Table, Transaction

LINE_KEY = ("id", "received_at")
DISCARD_KEY = ("table_name", "row_id", "received_at")
REJECTED_KEY = ("id", "received_at", "reason")


class Rebuilding:
    """Rebuilds rows within one open transaction. `catalog` becomes what the tables are then."""

    def __init__(
        self,
        transaction: Transaction,
        dialect: Dialect,
        shaper: Shaper,
        identity: Identity,
        catalog: Mapping[str, Mapping[str, Table]],
    ) -> None:
        self.catalog = catalog
        self._transaction = transaction
        self._dialect = dialect
        self._shaper = shaper
        self._identity = identity

    def rebuild(self, lines: bytes, loaded_at: datetime) -> int:
        """Make the rows of `lines` again; how many events that were.

        `loaded_at` must be new: it tells these rows from all others.
        """
        unit = self._shaper.shape(lines, self.catalog, loaded_at)
        for family in unit.families:
            self._delete(family)
        tools = Tools(self._dialect, self._shaper.engine, self._identity, None)
        writing = Writing(tools, self._transaction, self.catalog, loaded_at)
        stored = writing.write(unit)
        self.catalog = writing.catalog
        return stored

    def _delete(self, family: Family) -> None:
        for shaped in (family.base, *family.details):
            table = shaped.plan.table
            if table.name in self.catalog.get(table.schema, {}):
                keys = shaped.rows.select(list(LINE_KEY))
                self._transaction.delete(replace(table, key=LINE_KEY), keys)
                self._delete_discards(table, shaped)
        self._delete_rejected(family.base)

    def _delete_discards(self, table: Table, shaped: Shaped) -> None:
        name = pa.scalar(f"{table.schema}.{table.name}")
        keys = pa.table(
            {
                "table_name": pa.repeat(name, shaped.rows.num_rows),
                "row_id": shaped.rows["id"],
                "received_at": shaped.rows["received_at"],
            }
        )
        self._transaction.delete(replace(layout.DISCARDS, key=DISCARD_KEY), keys)

    def _delete_rejected(self, base: Shaped) -> None:
        """What could not be loaded then, and can be now."""
        reason = pa.repeat(pa.scalar(NOT_LOADABLE), base.rows.num_rows)
        keys = base.rows.select(list(LINE_KEY)).append_column("reason", reason)
        self._transaction.delete(replace(layout.REJECTED, key=REJECTED_KEY), keys)
