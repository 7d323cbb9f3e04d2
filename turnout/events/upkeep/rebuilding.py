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
from turnout.events.identity import Identity
from turnout.events.loading.family import Exact, Family, Shaped
from turnout.events.loading.shape import Shaper
from turnout.events.loading.sieve import NOT_LOADABLE
from turnout.events.loading.writing import Tools, Writing
from turnout.warehouse import Dialect, Table, Transaction

LINE_KEY = ("id", "received_at")
DISCARD_KEY = ("table_name", "row_id", "received_at")
REJECTED_KEY = ("id", "received_at", "reason")


class Rebuilding:
    """Rebuilds rows within one open transaction. `catalog` becomes what the tables are then."""

    def __init__(  # noqa: PLR0913 - what rows are made with, and made into
        self,
        transaction: Transaction,
        dialect: Dialect,
        shaper: Shaper,
        identity: Identity,
        catalog: Mapping[str, Mapping[str, Table]],
        *,
        exact: Exact,
    ) -> None:
        """`exact` are the columns of whole numbers that must stay what they are."""
        self.catalog = catalog
        self._transaction = transaction
        self._shaper = shaper
        self._exact = exact
        # The index of known ids is made anew afterwards.
        self._tools = Tools(dialect, shaper.engine, identity, known=None)

    def rebuild(self, lines: bytes, loaded_at: datetime) -> int:
        """Make the rows of `lines` again; how many events that were.

        `loaded_at` must be new: it tells these rows from all others. Raises `LosesDigits` for a
        column that must be among the exact ones; the transaction is then to be given up.
        """
        unit = self._shaper.shape(lines, self.catalog, loaded_at, self._exact)
        for family in unit.families:
            self._delete(family)
        writing = Writing(self._tools, self._transaction, self.catalog, loaded_at)
        writing.write(unit)
        self.catalog = writing.catalog
        repeats = sum(rows.num_rows for rows in writing.repeats)
        return int(sum(family.base.rows.num_rows for family in unit.families) - repeats)

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
