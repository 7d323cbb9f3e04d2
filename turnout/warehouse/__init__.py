"""Where customers' data lives. `open_warehouse` is the only door."""

from __future__ import annotations

from typing import TYPE_CHECKING

from turnout.errors import ConfigError
from turnout.warehouse.table import Column, Table, Type, staging
from turnout.warehouse.warehouse import Dialect, Rows, Transaction, Warehouse

if TYPE_CHECKING:
    from turnout.config import Config

__all__ = [
    "Column",
    "Dialect",
    "Rows",
    "Table",
    "Transaction",
    "Type",
    "Warehouse",
    "open_warehouse",
    "staging",
]


def open_warehouse(config: Config) -> Warehouse:
    """The configured engine, opened for writing. Its driver is imported only now."""
    engine = config.warehouse.url.partition(":")[0]
    if engine == "duckdb":
        from turnout.warehouse.duckdb import DuckDB

        return DuckDB(
            config.warehouse_file,
            memory_bytes_max=config.warehouse.memory_bytes_max,
            threads=config.warehouse.threads,
        )
    raise ConfigError(f"There is no engine '{engine}'.")
