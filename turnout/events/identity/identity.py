"""What each load teaches about persons and accounts, in the load's own transaction."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pyarrow as pa

from turnout.config import Membership
from turnout.events import layout
from turnout.events.engine import Engine
from turnout.events.identity import tables
from turnout.events.identity.aliases import note_aliases
from turnout.events.identity.calls import Calls, calls_of
from turnout.events.identity.desk import Desk
from turnout.events.identity.identities import note_identities
from turnout.events.identity.memberships import note_groups, note_memberships
from turnout.events.identity.views import CONTEXT_GROUP, definitions
from turnout.warehouse import Column, Dialect, Table, Transaction, Type, Warehouse

# Rows read at a time when everything is learned again.
SLICE_ROWS = 500_000
BASES = tuple(layout.BASES.values())

# Schema → name → table.
Catalog = Mapping[str, Mapping[str, Table]]


class Identity:
    """Keeps the derived tables and the views over them. One load at a time."""

    schema = tables.SCHEMA

    def __init__(self, dialect: Dialect, membership: Membership | None = None) -> None:
        """`membership` names the table that decides who belongs to which account, if one does."""
        self._dialect = dialect
        self._membership = membership or Membership()
        self._bases: dict[str, dict[str, Table]] = {}

    @property
    def reads_tables(self) -> bool:
        """Whether a copied table says who belongs to which account."""
        return bool(self._membership.table)

    def learn(self, catalog: Catalog) -> None:
        """Which schemas hold events, and what their base tables are."""
        self._bases = {
            schema: {name: catalog[schema][name] for name in BASES}
            for schema in layout.event_schemas(catalog)
        }

    def open(self, warehouse: Warehouse, engine: Engine, catalog: Catalog) -> None:
        """Create what is missing: tables and views, and what events stored before them say."""
        self.learn(catalog)
        wanted = [*tables.TABLES, *self._declared()]
        missing = [table for table in wanted if not _is_there(table, catalog)]
        if not missing and self._are_defined(warehouse.query(self._defined())):
            return
        with warehouse.transaction() as transaction:
            for table in missing:
                transaction.prepare(table)
            if tables.IDENTITY_RUNS in missing:
                self.rebuild(transaction, engine)
            self._define(transaction)

    def note(self, transaction: Transaction, engine: Engine, table: Table, rows: pa.Table) -> None:
        """Learn from `rows`, which are new in the base `table` in this `transaction`."""
        self._know(transaction, table)
        if rows.num_rows:
            self._learn_from(self._desk(transaction, engine), calls_of(table.name, rows))

    def rebuild(self, transaction: Transaction, engine: Engine) -> None:
        """Forget everything, and learn it again from the events that are stored."""
        desk = self._desk(transaction, engine)
        for table in tables.LEARNED:
            transaction.execute(f"DELETE FROM {desk.name(table)}")
        for table in desk.bases:
            for loads in _slices(desk, table):
                rows = transaction.execute(
                    f"{desk.stored(table)} WHERE uuid_ts BETWEEN ? AND ?", loads
                )
                self._learn_from(desk, rows)

    def _learn_from(self, desk: Desk, rows: pa.Table) -> None:
        """Each kind of history, where some call has what it is made of."""
        calls = Calls(desk.engine, rows)
        if len(calls.illegal_ids):
            desk.transaction.append(tables.ILLEGAL_IDS, pa.table({"id": calls.illegal_ids}))
        if calls.has("previous_id"):
            note_aliases(desk, calls)
        if calls.has("previous_id") or (calls.has("user_id") and calls.has("anonymous_id")):
            note_identities(desk, calls)
        if calls.has("context_id") or calls.has("group_id") or calls.has("company_id"):
            note_memberships(desk, calls)
        if calls.has("group_id"):
            note_groups(desk, calls)

    def _desk(self, transaction: Transaction, engine: Engine) -> Desk:
        bases = [table for there in self._bases.values() for table in there.values()]
        return Desk(transaction, self._dialect, engine, bases)

    def _know(self, transaction: Transaction, table: Table) -> None:
        """Views follow when a schema is new, or a column that they read."""
        there = self._bases.get(table.schema)
        if there is None:
            core = {each.name: each for each in layout.core_tables(table.schema)}
            there = self._bases[table.schema] = {name: core[name] for name in BASES}
        elif _reads_alike(there[table.name], table):
            there[table.name] = table
            return
        there[table.name] = table
        self._define(transaction)

    def _define(self, transaction: Transaction) -> None:
        """Create the views, unless they are as they should be."""
        if self._are_defined(transaction.execute(self._defined())):
            return
        wanted = definitions(self._dialect, self._bases, self._membership)
        for name, select in wanted.items():
            transaction.execute(f"CREATE OR REPLACE VIEW {name} AS {select}")
        rows = pa.table({"name": [*wanted], "definition": [*wanted.values()]})
        transaction.replace(tables.DEFINITIONS, rows)

    def _are_defined(self, rows: pa.Table) -> bool:
        there = dict(zip(rows["name"].to_pylist(), rows["definition"].to_pylist(), strict=True))
        return there == definitions(self._dialect, self._bases, self._membership)

    def _defined(self) -> str:
        table = tables.DEFINITIONS
        return f"SELECT name, definition FROM {self._dialect.table(table.schema, table.name)}"

    def _declared(self) -> list[Table]:
        """The declared table, as far as the views read it: it may not have been copied yet."""
        declared = self._membership
        if not declared.table:
            return []
        schema, _, name = declared.table.partition(".")
        named = (declared.account, declared.user, declared.since, declared.until)
        columns = tuple(Column(column, Type.TEXT) for column in named if column)
        return [Table(schema, name, columns)]


def _reads_alike(before: Table, now: Table) -> bool:
    """Whether the views say the same of both."""
    return (before.column(CONTEXT_GROUP) is None) == (now.column(CONTEXT_GROUP) is None)


def _is_there(table: Table, catalog: Catalog) -> bool:
    there = catalog.get(table.schema, {}).get(table.name)
    return there is not None and all(there.column(column.name) for column in table.columns)


def _slices(desk: Desk, table: Table) -> list[tuple[Any, ...]]:
    """A base table's loads, first and last of stretches that have about `SLICE_ROWS` rows."""
    loads = desk.transaction.execute(
        f"SELECT uuid_ts, count(*) AS events FROM {desk.name(table)} GROUP BY uuid_ts"
    )
    return desk.engine.rows(
        "SELECT min(uuid_ts), max(uuid_ts) FROM (SELECT uuid_ts, "
        f"sum(events) OVER (ORDER BY uuid_ts) // {SLICE_ROWS} AS slice FROM loads) "
        "GROUP BY slice ORDER BY slice",
        loads=loads,
    )
