"""The writing half of a load: shaped rows into the warehouse, inside one open transaction.

Which messages are new is decided once, by the ids in the base table; what belongs to a message
that was there already is left out of the event tables, of `discards`, and of users and accounts.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import pyarrow as pa
import pyarrow.compute as pc

from turnout.errors import LoadFailed, WarehouseUnavailable
from turnout.events import layout
from turnout.events.engine import Engine
from turnout.events.identity import Identity
from turnout.events.identity.tables import IDENTITY_RUNS
from turnout.events.loading.family import KEY, Family, Shaped
from turnout.events.loading.known import Hits, Known
from turnout.events.loading.latest import latest_rows, latest_table
from turnout.events.loading.plan import EXACT_MAX
from turnout.events.loading.shape import Unit
from turnout.warehouse import Column, Dialect, Table, Transaction

NO_PAIRS = pa.table({"key": pa.array([], pa.uint64()), "second": pa.array([], pa.uint32())})
NOTHING_DISCARDED = pa.table({"source": pa.array([], pa.string())})
EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001 -- the warehouse keeps UTC without saying so
RESOLUTION = timedelta(microseconds=1)
REPEAT = ("id", "source", "schema_name", "received_at", "loaded_at")
TIME = pa.timestamp("us")
NO_REPEATS = pa.schema(
    list(zip(REPEAT, (pa.string(), pa.string(), pa.string(), TIME, TIME), strict=True))
).empty_table()


@dataclass(frozen=True, slots=True)
class Tools:
    """What writing works with.

    `known` is asked which ids may be there, and told of new ones only after the commit; without it
    the warehouse is asked for every one.
    """

    dialect: Dialect
    engine: Engine
    identity: Identity
    known: Known | None


class LosesDigits(Exception):
    """A column of whole numbers cannot become one of floats: it holds some too large for that."""

    def __init__(self, table: Table, column: Column) -> None:
        self.column = (table.schema, table.name, column.name)
        super().__init__(column.name)


class Writing:
    """One unit on its way into the warehouse.

    Afterwards `catalog` is what the tables are, `pairs` what `known` is to be told, `repeats` the
    messages that were there already, as rows of `duplicate_events`.
    """

    def __init__(
        self,
        tools: Tools,
        transaction: Transaction,
        catalog: Mapping[str, Mapping[str, Table]],
        loaded_at: datetime,
    ) -> None:
        self.catalog = {schema: dict(tables) for schema, tables in catalog.items()}
        self.pairs: list[pa.Table] = [NO_PAIRS]
        self.repeats: list[pa.Table] = []
        self._discarded: list[pa.Table] = [NOTHING_DISCARDED]
        self._tools = tools
        self._transaction = transaction
        self._loaded_at = loaded_at.replace(tzinfo=None)
        self._second = pa.scalar(int(loaded_at.timestamp()), pa.uint32())

    @property
    def loaded_us(self) -> int:
        """When, in microseconds since 1970."""
        return (self._loaded_at - EPOCH) // RESOLUTION

    @property
    def discarded(self) -> pa.Table:
        """Whose values did not fit: `source` of each."""
        return pa.concat_tables(self._discarded)

    def write(self, unit: Unit) -> int:
        """Write all but what was rejected; how many messages were new.

        Raises `LoadFailed`, naming the table that could not be written, or `LosesDigits`.
        """
        return sum(self._write_family(family) for family in unit.families)

    def _write_family(self, family: Family) -> int:
        base = family.base
        self._prepare_core(base.plan.table.schema)
        self._prepare(base)
        with failing_in(base.plan.wanted):
            repeated = self._append_new(base)
        fresh = base if repeated is None else base.without(repeated)
        self._remember(base, fresh)
        for detail in family.details:
            self._write_detail(detail if repeated is None else detail.without(repeated))
        self._discard(fresh)
        if base.plan.table.name in layout.LATEST:
            self._write_latest(fresh)
        with failing_in(IDENTITY_RUNS):
            self._tools.identity.note(
                self._transaction, self._tools.engine, base.plan.wanted, _stored(fresh.rows)
            )
        return int(fresh.rows.num_rows)

    def _write_detail(self, shaped: Shaped) -> None:
        self._prepare(shaped)
        self._append(shaped.plan.wanted, shaped.rows)
        self._discard(shaped)

    def _discard(self, shaped: Shaped) -> None:
        if shaped.discards.num_rows:
            self._append(layout.DISCARDS, shaped.discards)
            self._discarded.append(shaped.discards.select(["source"]))

    def _append_new(self, base: Shaped) -> pa.Array | None:
        """Append what is not there yet; the ids of the others, None when there are none."""
        table, rows = base.plan.wanted, base.rows
        doubtful, among = rows, ""
        if self._tools.known is not None:
            hits = self._tools.known.find(rows[KEY].combine_chunks())
            if hits is None:
                self._append(table, _stored(rows))
                return None
            self._append(table, _stored(rows.filter(pc.invert(hits.may_be_known))))
            doubtful, among = rows.filter(hits.may_be_known), _loaded_between(hits)
        added = self._transaction.append(table, _stored(doubtful), among=among)
        if added == doubtful.num_rows:
            return None
        ids = doubtful["id"].combine_chunks()
        return ids.filter(pc.invert(pc.is_in(ids, value_set=self._new_ids(table))))

    def _new_ids(self, table: Table) -> pa.Array:
        """The ids this load has added: its rows alone carry its time."""
        name = self._tools.dialect.table(table.schema, table.name)
        found = self._transaction.execute(
            f"SELECT id FROM {name} WHERE uuid_ts = ?", [self._loaded_at]
        )
        return found["id"].combine_chunks()

    def _remember(self, base: Shaped, fresh: Shaped) -> None:
        """Which messages are new, for the index; which are not, for the books."""
        keys = fresh.rows[KEY]
        self.pairs.append(pa.table({"key": keys, "second": pa.repeat(self._second, len(keys))}))
        if fresh is base:
            return
        rows = base.rows.filter(pc.invert(pc.is_in(base.rows["id"], value_set=_ids(fresh.rows))))
        schema = pa.repeat(pa.scalar(base.plan.table.schema), rows.num_rows)
        columns = (rows["id"], rows["_source"], schema, rows["received_at"], rows["loaded_at"])
        self.repeats.append(pa.table(dict(zip(REPEAT, columns, strict=True))))

    def _write_latest(self, calls: Shaped) -> None:
        """Users after identifies, accounts after groups."""
        table = latest_table(calls.plan.wanted)
        with failing_in(table):
            self._prepare_table(table)
            for column in calls.plan.widened:
                self._transaction.widen(table, column)
            rows = latest_rows(
                self._tools.engine,
                self._transaction,
                self._tools.dialect,
                calls.plan.wanted,
                _stored(calls.rows),
            )
            if rows is not None:
                self._transaction.merge(table, rows)

    def _append(self, table: Table, rows: pa.Table) -> None:
        if rows.num_rows:
            with failing_in(table):
                self._transaction.append(replace(table, key=()), rows)

    def _prepare_core(self, schema: str) -> None:
        known = self.catalog.setdefault(schema, {})
        for table in layout.core_tables(schema):
            if table.name not in known:
                self._prepare_table(table)

    def _prepare(self, shaped: Shaped) -> None:
        with failing_in(shaped.plan.wanted):
            self._prepare_table(shaped.plan.wanted)
            for column in shaped.plan.widened:
                self._widen(shaped.plan.wanted, column)

    def _prepare_table(self, table: Table) -> None:
        """Ask the warehouse only when something is new."""
        known = self.catalog[table.schema].get(table.name)
        there = {column.name for column in known.columns} if known else set()
        if known is None or any(column.name not in there for column in table.columns):
            self._transaction.prepare(table)
        self.catalog[table.schema][table.name] = table

    def _widen(self, table: Table, column: Column) -> None:
        """Raises `LosesDigits` where some value would."""
        name, value = (
            self._tools.dialect.table(table.schema, table.name),
            self._tools.dialect.identifier(column.name),
        )
        too_large = self._transaction.execute(
            f"SELECT {value} FROM {name} "
            f"WHERE {value} > {EXACT_MAX} OR {value} < {-EXACT_MAX} LIMIT 1"
        )
        if too_large.num_rows:
            raise LosesDigits(table, column)
        self._transaction.widen(table, column)


@contextmanager
def failing_in(table: Table) -> Iterator[None]:
    """Any failure becomes one that says which table it met, but the warehouse's being away."""
    try:
        yield
    except (WarehouseUnavailable, LosesDigits):
        raise
    except Exception as error:
        raise LoadFailed(
            f"Events could not be loaded into {table.schema}.{table.name}: {error}",
            hint="They stay in the journal, and loading is tried again.",
        ) from error


def _stored(rows: pa.Table) -> pa.Table:
    """As the table has them."""
    return rows.drop_columns(KEY)


def _ids(rows: pa.Table) -> pa.Array:
    return rows["id"].combine_chunks()


def _loaded_between(hits: Hits) -> str:
    """A condition on rows: those loaded in the seconds of these hits."""
    first, end = (
        f"TIMESTAMP '{datetime.fromtimestamp(second, UTC):%Y-%m-%d %H:%M:%S}'"
        for second in (hits.first_s, hits.last_s + 1)
    )
    return f"uuid_ts >= {first} AND uuid_ts < {end}"
