"""Making the index of known ids agree with the warehouse, whatever has happened to either."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta

import pyarrow as pa
import structlog

from turnout.events import layout
from turnout.events.engine import Engine
from turnout.events.loading.known import Known
from turnout.warehouse import Table, Warehouse
from turnout.warehouse.duckdb import DIALECT

log = structlog.get_logger()

# Rows read at a time.
SLICE_ROWS = 500_000
EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001 -- the warehouse keeps UTC without saying so
MICROSECOND = timedelta(microseconds=1)


def recall(
    known: Known,
    warehouse: Warehouse,
    engine: Engine,
    catalog: Mapping[str, Mapping[str, Table]],
) -> None:
    """Open the index, believe it if it counts as many rows as there are, and add what it lacks."""
    known.open()
    bases = [
        table
        for tables in catalog.values()
        for name, table in tables.items()
        if name in layout.BASES.values() and table.column("_source") and table.column("uuid_ts")
    ]
    asking = Asking(warehouse, engine, bases)
    if known.entries != asking.rows(known.through_us):
        log.info("index of known ids is made again", entries=known.entries)
        known.clear()
    for first, last in asking.slices(known.through_us):
        known.add(asking.pairs(first, last), (last - EPOCH) // MICROSECOND)


class Asking:
    """Questions to the base tables about the loads that filled them."""

    def __init__(self, warehouse: Warehouse, engine: Engine, bases: list[Table]) -> None:
        self._warehouse = warehouse
        self._engine = engine
        self._bases = bases

    def rows(self, through_us: int) -> int:
        """How many rows were loaded up to then."""
        through = EPOCH + through_us * MICROSECOND
        answers = [
            self._warehouse.query(
                f"SELECT count(*) AS n FROM {self._name(table)} WHERE uuid_ts <= ?", [through]
            )
            for table in self._bases
        ]
        return sum(answer["n"][0].as_py() for answer in answers)

    def slices(self, through_us: int) -> Iterator[tuple[datetime, datetime]]:
        """First and last of stretches of the later loads that have about `SLICE_ROWS` rows."""
        through = EPOCH + through_us * MICROSECOND
        loads = [
            self._warehouse.query(
                f"SELECT uuid_ts, count(*) AS events FROM {self._name(table)} "
                "WHERE uuid_ts > ? GROUP BY uuid_ts",
                [through],
            )
            for table in self._bases
        ]
        if loads:
            yield from self._engine.rows(
                "SELECT min(uuid_ts), max(uuid_ts) FROM (SELECT uuid_ts, sum(sum(events)) "
                f"OVER (ORDER BY uuid_ts) // {SLICE_ROWS} AS slice FROM loads GROUP BY uuid_ts) "
                "GROUP BY slice ORDER BY slice",
                loads=pa.concat_tables(loads),
            )

    def pairs(self, first: datetime, last: datetime) -> pa.Table:
        """`key` and `second` of the rows of these loads."""
        return pa.concat_tables([self._pairs(table, first, last) for table in self._bases])

    def _pairs(self, table: Table, first: datetime, last: datetime) -> pa.Table:
        rows = self._warehouse.query(
            f"SELECT id, uuid_ts FROM {self._name(table)} WHERE uuid_ts BETWEEN ? AND ?",
            [first, last],
        )
        place = ", ".join(map(DIALECT.literal, (table.schema, table.name)))
        return self._engine.table(
            f"SELECT hash({place}, id) AS key, "
            "CAST(epoch_us(uuid_ts) // 1000000 AS UINTEGER) AS second FROM given",
            given=rows,
        )

    def _name(self, table: Table) -> str:
        return self._warehouse.dialect.table(table.schema, table.name)
