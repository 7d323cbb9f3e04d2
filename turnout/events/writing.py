"""The writing half of a load: shaped rows into the warehouse, inside one open transaction.

Which messages are new is decided once, by the base table's key; what belongs to a message that
was there already is left out of the event tables, of `discards`, and of users and accounts.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime

import pyarrow as pa

from turnout.errors import LoadFailed, WarehouseUnavailable
from turnout.events import layout
from turnout.events.family import Family, Shaped
from turnout.events.latest import latest_rows, latest_table
from turnout.events.shape import Shaper, Unit
from turnout.warehouse import Dialect, Table, Transaction


class Writing:
    """One unit on its way into the warehouse. `catalog` becomes what the tables are afterwards."""

    def __init__(
        self,
        transaction: Transaction,
        dialect: Dialect,
        shaper: Shaper,
        catalog: Mapping[str, Mapping[str, Table]],
        loaded_at: datetime,
    ) -> None:
        self.catalog = {schema: dict(tables) for schema, tables in catalog.items()}
        self._transaction = transaction
        self._dialect = dialect
        self._shaper = shaper
        self._loaded_at = loaded_at

    def write(self, unit: Unit) -> int:
        """Write all but what was rejected; how many messages were new.

        Raises `LoadFailed`, naming the table that could not be written.
        """
        return sum(self._write_family(family) for family in unit.families)

    def _write_family(self, family: Family) -> int:
        base = family.base
        self._prepare_core(base.plan.table.schema)
        self._prepare(base)
        with failing_in(base.plan.wanted):
            stored = self._transaction.append(base.plan.wanted, base.rows)
        new_ids = None if stored == base.rows.num_rows else self._new_ids(base.plan.wanted)
        for shaped in (base, *family.details):
            fresh = shaped if new_ids is None else shaped.only(new_ids)
            if shaped is not base:
                self._prepare(shaped)
                with failing_in(shaped.plan.wanted):
                    self._transaction.append(replace(shaped.plan.wanted, key=()), fresh.rows)
            if fresh.discards.num_rows:
                with failing_in(layout.DISCARDS):
                    self._transaction.append(layout.DISCARDS, fresh.discards)
        if base.plan.table.name in layout.LATEST:
            self._write_latest(base if new_ids is None else base.only(new_ids))
        return stored

    def _write_latest(self, calls: Shaped) -> None:
        """Users after identifies, accounts after groups."""
        table = latest_table(calls.plan.wanted)
        with failing_in(table):
            self._prepare_table(table)
            for column in calls.plan.widened:
                self._transaction.widen(table, column)
            rows = latest_rows(
                self._shaper.engine, self._transaction, self._dialect, calls.plan.wanted, calls.rows
            )
            if rows is not None:
                self._transaction.merge(table, rows)

    def _new_ids(self, table: Table) -> pa.Array:
        """The ids this load has added: its rows alone carry its time."""
        name = self._dialect.table(table.schema, table.name)
        found = self._transaction.execute(
            f"SELECT id FROM {name} WHERE uuid_ts = ?", [self._loaded_at.replace(tzinfo=None)]
        )
        return found["id"].combine_chunks()

    def _prepare_core(self, schema: str) -> None:
        known = self.catalog.setdefault(schema, {})
        for table in layout.core_tables(schema):
            if table.name not in known:
                self._prepare_table(table)

    def _prepare(self, shaped: Shaped) -> None:
        with failing_in(shaped.plan.wanted):
            self._prepare_table(shaped.plan.wanted)
            for column in shaped.plan.widened:
                self._transaction.widen(shaped.plan.wanted, column)

    def _prepare_table(self, table: Table) -> None:
        """Ask the warehouse only when something is new."""
        known = self.catalog[table.schema].get(table.name)
        there = {column.name for column in known.columns} if known else set()
        if known is None or any(column.name not in there for column in table.columns):
            self._transaction.prepare(table)
        self.catalog[table.schema][table.name] = table


@contextmanager
def failing_in(table: Table) -> Iterator[None]:
    """Any failure becomes one that says which table it met, but the warehouse's being away."""
    try:
        yield
    except WarehouseUnavailable:
        raise
    except Exception as error:
        raise LoadFailed(
            f"Events could not be loaded into {table.schema}.{table.name}: {error}",
            hint="They stay in the journal, and loading is tried again.",
        ) from error
