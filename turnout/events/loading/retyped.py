"""The columns whose type somebody has chosen."""

from __future__ import annotations

from turnout.events import layout
from turnout.events.loading.family import Exact
from turnout.warehouse import Type, Warehouse


def exact_columns(warehouse: Warehouse) -> Exact:
    """Those of whole numbers: a fraction is rescued, and does not widen them."""
    name = warehouse.dialect.table(layout.RETYPED.schema, layout.RETYPED.name)
    found = warehouse.query(
        f"SELECT schema_name, table_name, column_name FROM {name} WHERE type = ?",
        [Type.INTEGER.value],
    )
    columns = (found[name].to_pylist() for name in found.schema.names)
    return frozenset(zip(*columns, strict=True))
