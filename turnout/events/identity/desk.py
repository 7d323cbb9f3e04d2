"""What all of learning works with: one open write, the shaping engine, and the stored events."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

import pyarrow as pa

from turnout.events.engine import Engine
from turnout.events.identity.calls import Calls, calls_sql
from turnout.warehouse import Dialect, Table, Transaction

Values: TypeAlias = pa.Array | pa.ChunkedArray

# One array is bound, not a placeholder for each value: PostgreSQL and DuckDB both read this.
AMONG = "IN (SELECT unnest(CAST(? AS text[])))"


@dataclass(frozen=True, slots=True)
class Desk:
    """One open write. `bases` are the base tables of all schemas that hold events."""

    transaction: Transaction
    dialect: Dialect
    engine: Engine
    bases: Sequence[Table]

    def all(self, table: Table) -> pa.Table:
        """Every row of a small table."""
        return self.transaction.execute(self._select(table))

    def among(self, table: Table, column: str, values: Values) -> pa.Table:
        """The rows of `table` whose `column` is among `values`."""
        return self.transaction.find(replace(table, key=(column,)), pa.table({column: values}))

    def delete(self, table: Table, column: str, values: Values) -> None:
        """Delete the rows of `table` whose `column` is among `values`."""
        self.transaction.delete(replace(table, key=(column,)), pa.table({column: values}))

    def remembered(self, columns: Sequence[str], values: Values) -> Calls:
        """All stored calls in which one of the ids in `columns` is among `values`."""
        found = []
        for table in self.bases:
            there = [column for column in columns if table.column(column) is not None]
            among = " OR ".join(f"{column} {AMONG}" for column in there)
            sql = f"{self.stored(table)} WHERE {among}"
            found.append(self.transaction.execute(sql, [values.to_pylist()] * len(there)))
        return Calls(self.engine, pa.concat_tables(found))

    def stored(self, table: Table) -> str:
        """The SELECT of a base table's rows in the form of calls."""
        columns = [column.name for column in table.columns]
        return calls_sql(self.dialect, table.name, columns, self.name(table))

    def name(self, table: Table) -> str:
        """As SQL writes it."""
        return self.dialect.table(table.schema, table.name)

    def _select(self, table: Table) -> str:
        return f"SELECT {', '.join(each.name for each in table.columns)} FROM {self.name(table)}"
